"""A number with its noise: the network says how sure each of its answers is."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Gt
from torch import Tensor

from preceptor.core.evidence import Question
from preceptor.core.plugins import Decoded
from preceptor.learn.answers import misfit
from preceptor.maths import losses


class Gaussian:
    """The likelihood of what was measured under a normal distribution whose mean and variance the network answers.

    The network answers in multiples of `scale` around `centre`: for each quantity the mean, then for each the raw
    variance, which a softplus makes positive. The loss is ``(log variance + (truth - mean)^2 / variance) / 2``, the
    negative log-likelihood less its constant. Where the noise differs from case to case, doubtful cases pull less.

    `decode` gives the mean and the variance of the noise; a single network can't tell its own ignorance, so take several
    (`ensemble`): the spread of their means is the model's part.

    Output: ``(batch, 2 * quantity)``. Target: ``(batch, quantity)``, float, NaN where unlabelled (loss and gradient
    exactly 0).

    Args:
        centre: A typical value of the quantity, in its unit.
        scale: A typical spread of the quantity, in its unit.
        least: Smallest deviation of the noise, as a share of `scale`: keeps a network from being sure of a few cases
            beyond all bounds.

    Returns:
        `loss`: ``(batch,)`` mean over a sample's labelled quantities; `decode`: values and variances in the quantity's
        unit.

    Raises:
        RecipeError: The task is not regression.

    Source: Nix & Weigend 1994 (doi 10.1109/ICNN.1994.374138); Lakshminarayanan 2017 (arXiv:1612.01474), eq. 1.

    Example:
        >>> round(Gaussian().loss(torch.tensor([[1.0, -0.4328]]), torch.tensor([[2.0]])).item(), 3)
        0.653
    """

    def __init__(
        self,
        centre: float = 0.0,
        scale: Annotated[float, Gt(0)] = 1.0,
        least: Annotated[float, Gt(0)] = 1e-3,
    ) -> None:
        self.centre = centre
        self.scale = scale
        self.least = least

    @classmethod
    def example(cls) -> Gaussian:
        return cls()

    def width(self, question: Question) -> int:
        if question.task != "regression":
            raise misfit("gaussian", question, "a task that asks for numbers", "take cross_entropy")
        return 2 * len(question.classes)

    def loss(self, output: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        mean, variance = self._read(output)
        standard = (target.nan_to_num(nan=self.centre) - self.centre) / self.scale
        entries = losses.gaussian_nll(mean, variance, standard)
        return losses.mean_per_sample(entries, losses.is_labelled(target), weight)

    def count(self, target: Tensor) -> Tensor:
        return losses.labelled_count(target)

    def decode(self, output: Tensor, question: Question) -> Decoded:
        mean, variance = self._read(output)
        return Decoded(mean * self.scale + self.centre, variance=variance * self.scale**2)

    def _read(self, output: Tensor) -> tuple[Tensor, Tensor]:
        mean, raw = output.chunk(2, dim=1)
        return mean, torch.nn.functional.softplus(raw) + self.least**2
