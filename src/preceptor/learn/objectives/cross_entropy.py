"""Cross-entropy of classes that exclude each other."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from annotated_types import Ge, Lt
from torch import Tensor

from preceptor.core.evidence import Question
from preceptor.core.plugins import Decoded
from preceptor.learn.answers import misfit, one_each, probabilities
from preceptor.maths import losses


class CrossEntropy:
    """Minus the logarithm of the probability given to the true class; per case, or per voxel.

    Output: logits ``(batch, class, *space)``. Target: class index ``(batch, *space)``, -1 where unlabelled. A weight
    per voxel multiplies that voxel's loss and stays out of the divisor.

    Args:
        class_weights: A factor for each class, in the question's order; None for 1.
        divisor: What a mean over weighted entries is divided by: their "count", or their "weights" summed (as torch
            does; a batch of one class then does not feel its weight).
        label_smoothing: Share of the target spread evenly over all classes.

    Returns:
        `loss`: ``(batch,)``; `decode`: softmax probabilities.

    Raises:
        RecipeError: The task's classes do not exclude each other, or the number of weights is not that of classes.

    Source: the negative log-likelihood; smoothing: Szegedy 2016 (arXiv:1512.00567), section 7.

    Example:
        >>> round(CrossEntropy().loss(torch.tensor([[2.0, -1.0, 0.5]]), torch.tensor([0])).item(), 6)
        0.241311
    """

    def __init__(
        self,
        class_weights: list[float] | None = None,
        divisor: Literal["count", "weights"] = "count",
        label_smoothing: Annotated[float, Ge(0), Lt(1)] = 0.0,
    ) -> None:
        self.class_weights = class_weights
        self.divisor = divisor
        self.label_smoothing = label_smoothing

    @classmethod
    def example(cls) -> CrossEntropy:
        return cls()

    def width(self, question: Question) -> int:
        if not question.exclusive or question.is_regression:
            raise misfit("cross_entropy", question, "classes that exclude each other", "take binary_cross_entropy")
        one_each("cross_entropy", question, "class_weights", self.class_weights)
        return len(question.classes)

    def loss(self, output: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        entries = losses.cross_entropy(output, target, self._weights(output), self.label_smoothing)
        divisor = self.count(target) if self.divisor == "weights" else None
        return losses.mean_per_sample(entries, losses.is_labelled(target), weight, divisor)

    def count(self, target: Tensor) -> Tensor:
        weights = self._weights(target)
        if self.divisor == "weights" and weights is not None:
            return losses.weight_of_target(target, weights).reshape(len(target), -1).sum(1)
        return losses.labelled_count(target)

    def decode(self, output: Tensor, question: Question) -> Decoded:
        return probabilities(output, question)

    def _weights(self, like: Tensor) -> Tensor | None:
        if self.class_weights is None:
            return None
        kind = like.dtype if like.is_floating_point() else torch.float32
        return torch.tensor(self.class_weights, device=like.device, dtype=kind)
