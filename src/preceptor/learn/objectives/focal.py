"""Focal loss: cross-entropy that mutes what is easy."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Gt, Lt
from torch import Tensor

from preceptor.core.evidence import Question
from preceptor.core.plugins import Decoded
from preceptor.learn.answers import misfit, one_each, probabilities
from preceptor.maths import losses


class Focal:
    """Cross-entropy times ``(1 - p)^gamma``, p the probability given to the truth: easy entries hardly count.

    Output: logits ``(batch, class, *space)``. Target: class index ``(batch, *space)``, -1 where unlabelled (softmax),
    or float of the output's shape, NaN where unlabelled (sigmoid). A weight per voxel multiplies that voxel's loss.

    Args:
        gamma: How much easy entries are muted; 0 is cross-entropy.
        alpha: For classes that do not exclude each other: the weight of POSITIVES, negatives weigh ``1 - alpha``.
        class_weights: For classes that exclude each other: a factor for each, in the question's order.

    Returns:
        `loss`: ``(batch,)`` mean over a sample's labelled entries; `decode`: probabilities.

    Raises:
        RecipeError: The task is regression, `alpha` is given for exclusive classes or `class_weights` for others.

    Source: Lin 2017 (arXiv:1708.02002), eq. 4 and 5.

    Example:
        >>> import torch
        >>> round(Focal().loss(torch.tensor([[2.0, -1.0, 0.5]]), torch.tensor([0])).item(), 6)
        0.011093
    """

    def __init__(
        self,
        gamma: Annotated[float, Ge(0)] = 2.0,
        alpha: Annotated[float, Gt(0), Lt(1)] | None = None,
        class_weights: list[float] | None = None,
    ) -> None:
        self.gamma = gamma
        self.alpha = alpha
        self.class_weights = class_weights

    @classmethod
    def example(cls) -> Focal:
        return cls()

    def width(self, question: Question) -> int:
        if question.is_regression:
            raise misfit("focal", question, "a task that asks for classes", "take mean_squared_error")
        if question.exclusive and self.alpha is not None:
            raise misfit("focal", question, "alpha only where classes may occur together", "give class_weights instead")
        if not question.exclusive and self.class_weights is not None:
            raise misfit("focal", question, "class_weights only where classes exclude each other", "give alpha instead")
        one_each("focal", question, "class_weights", self.class_weights)
        return len(question.classes)

    def loss(self, output: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        if target.is_floating_point():
            entries = losses.focal_binary_cross_entropy(output, target, self.gamma, self.alpha)
        else:
            weights = None if self.class_weights is None else output.new_tensor(self.class_weights)
            entries = losses.focal_cross_entropy(output, target, self.gamma, weights)
        return losses.mean_per_sample(entries, losses.is_labelled(target), weight)

    def count(self, target: Tensor) -> Tensor:
        return losses.labelled_count(target)

    def decode(self, output: Tensor, question: Question) -> Decoded:
        return probabilities(output, question)
