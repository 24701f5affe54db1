"""Soft Dice: how much of the answer and the truth lie on each other."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from annotated_types import Ge
from torch import Tensor

from preceptor.core.evidence import Question
from preceptor.core.plugins import Decoded
from preceptor.learn.answers import misfit, probabilities
from preceptor.maths import losses


class Dice:
    """One minus the soft Dice overlap, averaged over the classes of each sample.

    Output: logits ``(batch, class, *space)``. Target: class index ``(batch, *space)`` (softmax), or float
    ``(batch, class, *space)`` (sigmoid). Unlabelled voxels (-1, NaN) enter no sum. A weight per voxel multiplies that
    voxel's share of every sum. A sample counts as one, however large it is.

    Args:
        denominator: "plain" ``sum p + sum g``, or "squared" ``sum p^2 + sum g^2`` (V-Net): two different losses.
        smoothing: Voxels added to numerator and denominator. With 0 an absent class has Dice 0 and gradient 0; with
            more, the gradient pushes its probability down.
        background: Whether the first of classes that exclude each other enters the mean.
        empty: What a class that the sample's truth lacks does. "score": it is scored like any other (its best Dice is
            1 with smoothing). "ignore": it is left out of that sample's mean.
        pooled: Sum over the whole batch before dividing ("batch Dice"): one overlap per class and batch. Needs the
            whole batch at once, so it is refused under accumulation.

    Returns:
        `loss`: ``(batch,)``; `count`: 1 where anything is labelled; `decode`: probabilities.

    Raises:
        RecipeError: The task has no answer per voxel.

    Source: Drozdzal 2016 (arXiv:1608.04117) for "plain"; Milletari 2016 (arXiv:1606.04797, section 3) for "squared".

    Example:
        >>> output, target = torch.zeros(1, 2, 4), torch.tensor([[0, 1, 1, 0]])
        >>> Dice(smoothing=0.0).loss(output, target).item()
        0.5
    """

    def __init__(
        self,
        denominator: Literal["plain", "squared"] = "plain",
        smoothing: Annotated[float, Ge(0)] = 1.0,
        background: bool = False,
        empty: Literal["score", "ignore"] = "score",
        pooled: bool = False,
    ) -> None:
        self.denominator = denominator
        self.smoothing = smoothing
        self.background = background
        self.empty = empty
        self.pooled = pooled
        self.whole_batch = pooled

    @classmethod
    def example(cls) -> Dice:
        return cls()

    def width(self, question: Question) -> int:
        if not question.dense:
            raise misfit("dice", question, "a task with an answer per voxel (segmentation)", "take cross_entropy")
        return len(question.classes)

    def loss(self, output: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        reference, known = losses.as_reference(target, output.shape[1], output.dtype)
        sums: tuple[Tensor, ...] = losses.overlap_sums(
            losses.as_probability(output, target),
            reference,
            squared=self.denominator == "squared",
            known=known,
            weight=weight,
        )
        counted = self._counted(reference, known, target)
        if self.pooled:
            sums = tuple(part.sum(0, keepdim=True) for part in sums)
            present = counted.any(0, keepdim=True)
        else:
            present = counted
        wrong = torch.where(present, 1 - losses.dice_of_sums(*sums, smoothing=self.smoothing), 0.0)
        mean = wrong.sum(1) / present.sum(1).clamp_min(1)
        return torch.where(counted.any(1), mean, 0.0)

    def count(self, target: Tensor) -> Tensor:
        if target.is_floating_point() or self.empty == "score":
            known = losses.is_labelled(target)
            there = known & (target > 0) if self.empty == "ignore" else known
            return there.flatten(1).any(1).float()
        lowest = 0 if self.background else 1
        return (target >= lowest).flatten(1).any(1).float()

    def decode(self, output: Tensor, question: Question) -> Decoded:
        return probabilities(output, question)

    def _counted(self, reference: Tensor, known: Tensor, target: Tensor) -> Tensor:
        """``(batch, class)`` which classes enter a sample's mean."""
        counted = known.flatten(2).any(2).expand(reference.shape[:2])
        if self.empty == "ignore":
            counted = counted & (reference * known > 0).flatten(2).any(2)
        if not target.is_floating_point() and not self.background:
            counted = counted.clone()
            counted[:, 0] = False
        return counted
