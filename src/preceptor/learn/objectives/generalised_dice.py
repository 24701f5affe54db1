"""Generalised Dice: one overlap for all classes, small ones weighing more."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from annotated_types import Ge
from torch import Tensor

from preceptor.core.evidence import Question
from preceptor.core.plugins import Decoded
from preceptor.learn.answers import misfit, probabilities
from preceptor.maths import losses


class GeneralisedDice:
    """One minus the generalised Dice overlap of each sample: classes weigh by the inverse of their volume.

    This is not the mean of the classes' Dice. A class that a sample's truth lacks would weigh infinitely; it gets the
    largest weight among the classes that are there.

    Output: logits ``(batch, class, *space)``. Target: class index ``(batch, *space)`` (softmax), or float
    ``(batch, class, *space)`` (sigmoid). Unlabelled voxels (-1, NaN) enter no sum; a weight per voxel multiplies that
    voxel's share of every sum. A sample counts as one, however large it is.

    Args:
        weighting: "square" ``1 / volume^2``, "simple" ``1 / volume``, or "uniform".
        smoothing: Added to numerator and denominator, in weighted voxels.
        background: Whether the first of classes that exclude each other is one of the classes.

    Returns:
        `loss`: ``(batch,)``; `count`: 1 where anything is labelled; `decode`: probabilities.

    Raises:
        RecipeError: The task has no answer per voxel.

    Source: Sudre 2017 (arXiv:1707.03237), section 2.

    Example:
        >>> output, target = torch.zeros(1, 2, 4), torch.tensor([[0, 1, 1, 0]])
        >>> GeneralisedDice().loss(output, target).item()
        0.5
    """

    def __init__(
        self,
        weighting: Literal["square", "simple", "uniform"] = "square",
        smoothing: Annotated[float, Ge(0)] = 0.0,
        background: bool = True,
    ) -> None:
        self.weighting = weighting
        self.smoothing = smoothing
        self.background = background

    @classmethod
    def example(cls) -> GeneralisedDice:
        return cls()

    def width(self, question: Question) -> int:
        if not question.dense:
            raise misfit("generalised_dice", question, "a task with an answer per voxel", "take cross_entropy")
        return len(question.classes)

    def loss(self, output: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        reference, known = losses.as_reference(target, output.shape[1], output.dtype)
        probability = losses.as_probability(output, target)
        sums: tuple[Tensor, ...] = losses.overlap_sums(probability, reference, known=known, weight=weight)
        if not target.is_floating_point() and not self.background:
            sums = tuple(part[:, 1:] for part in sums)
        overlap = losses.generalised_dice_of_sums(*sums, weighting=self.weighting, smoothing=self.smoothing)
        return torch.where(self.count(target) > 0, 1 - overlap, 0.0)

    def count(self, target: Tensor) -> Tensor:
        return (losses.labelled_count(target) > 0).float()

    def decode(self, output: Tensor, question: Question) -> Decoded:
        return probabilities(output, question)
