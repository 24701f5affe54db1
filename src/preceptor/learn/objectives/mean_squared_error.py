"""Mean squared error of numbers."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Gt
from torch import Tensor

from preceptor.core.evidence import Question
from preceptor.core.plugins import Decoded
from preceptor.learn.answers import misfit
from preceptor.maths import losses


class MeanSquaredError:
    """The squared distance between what was answered and what was measured.

    The network answers in multiples of `scale` around `centre`, so that it starts near the data; the loss is in those
    units too, and `decode` gives the quantity's own unit back.

    Output: ``(batch, quantity)``. Target: the same shape, float, NaN where unlabelled (loss and gradient exactly 0).

    Args:
        centre: A typical value of the quantity, in its unit.
        scale: A typical spread of the quantity, in its unit.

    Returns:
        `loss`: ``(batch,)`` mean over a sample's labelled quantities; `decode`: values in the quantity's unit.

    Raises:
        RecipeError: The task is not regression.

    Source: least squares, the Gaussian negative log-likelihood up to constants.

    Example:
        >>> import torch
        >>> MeanSquaredError().loss(torch.tensor([[3.0]]), torch.tensor([[1.0]])).item()
        4.0
    """

    def __init__(self, centre: float = 0.0, scale: Annotated[float, Gt(0)] = 1.0) -> None:
        self.centre = centre
        self.scale = scale

    @classmethod
    def example(cls) -> MeanSquaredError:
        return cls()

    def width(self, question: Question) -> int:
        if not question.is_number:
            raise misfit("mean_squared_error", question, "a task that asks for numbers", "take cross_entropy")
        return len(question.classes)

    def loss(self, output: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        known = losses.is_labelled(target)
        standard = (target.nan_to_num(nan=self.centre) - self.centre) / self.scale
        return losses.mean_per_sample((output - standard) ** 2, known, weight)

    def count(self, target: Tensor) -> Tensor:
        return losses.labelled_count(target)

    def decode(self, output: Tensor, question: Question) -> Decoded:
        return Decoded(output * self.scale + self.centre)
