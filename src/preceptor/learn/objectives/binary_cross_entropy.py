"""Binary cross-entropy of classes that do not exclude each other, with missing labels left missing."""

from __future__ import annotations

from torch import Tensor

from preceptor.core.evidence import Question
from preceptor.core.plugins import Decoded
from preceptor.learn.answers import misfit, one_each, probabilities
from preceptor.maths import losses


class BinaryCrossEntropy:
    """Each class is a yes-or-no question of its own; what nobody labelled is asked of nobody.

    Output: logits ``(batch, class, *space)``. Target: the same shape, float 0..1, NaN where unlabelled: those entries
    have loss and gradient exactly 0 and do not enter the mean. A weight per voxel multiplies that voxel's loss.

    Args:
        positive_weights: A factor of the positive term for each class; None for 1.

    Returns:
        `loss`: ``(batch,)`` mean over a sample's labelled entries; `count`: how many; `decode`: sigmoid probabilities.

    Raises:
        RecipeError: The task's classes exclude each other, or the number of weights is not that of classes.

    Source: the Bernoulli negative log-likelihood, from logits (no overflow at ±200).

    Example:
        >>> import torch
        >>> logits, target = torch.tensor([[1.2, -0.7, 0.3]]), torch.tensor([[1.0, 0.0, torch.nan]])
        >>> round(BinaryCrossEntropy().loss(logits, target).item(), 6)
        0.333234
    """

    def __init__(self, positive_weights: list[float] | None = None) -> None:
        self.positive_weights = positive_weights

    @classmethod
    def example(cls) -> BinaryCrossEntropy:
        return cls()

    def width(self, question: Question) -> int:
        if question.exclusive or question.is_regression:
            raise misfit("binary_cross_entropy", question, "classes that may occur together", "take cross_entropy")
        one_each("binary_cross_entropy", question, "positive_weights", self.positive_weights)
        return len(question.classes)

    def loss(self, output: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        positive = None if self.positive_weights is None else output.new_tensor(self.positive_weights)
        entries = losses.binary_cross_entropy(output, target, positive)
        return losses.mean_per_sample(entries, losses.is_labelled(target), weight)

    def count(self, target: Tensor) -> Tensor:
        return losses.labelled_count(target)

    def decode(self, output: Tensor, question: Question) -> Decoded:
        return probabilities(output, question)
