"""Evidential classification: the model may say that it does not know."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le
from torch import Tensor

from preceptor.core.evidence import Question
from preceptor.core.plugins import Decoded
from preceptor.learn.answers import misfit
from preceptor.maths import evidential, losses

_RISKS = {
    "squared": evidential.squared_risk,
    "likelihood": evidential.likelihood_risk,
    "digamma": evidential.digamma_risk,
}


class Evidential:
    """Learns a Dirichlet distribution over the classes: its mean is the answer, its lack of evidence the doubt.

    Output: logits ``(batch, class, *space)``. Target: class index ``(batch, *space)``, -1 where unlabelled. Evidence
    for wrong classes is punished by a divergence from "no evidence" that grows from 0 over the first part of the
    training. The doubt tells right from wrong answers on data like the training's; it is no detector of foreign inputs.

    Args:
        evidence: How a logit becomes evidence: "exp" or "softplus".
        risk: "squared" (eq. 5), "likelihood" (eq. 3) or "digamma" (eq. 4).
        penalty: Largest weight of the divergence.
        annealing: Share of the training over which that weight grows from 0; 0 gives it in full from the start. A short
            ramp can lose a class altogether.
        clamp: Bound on a logit's size under "exp".

    Attributes:
        progress: How far the training is, 0..1; the loop sets it before each step. 1 outside of a training.

    Returns:
        `loss`: ``(batch,)``; `decode`: probabilities ``alpha / S`` and the uncertainty ``K / S`` in 0..1.

    Raises:
        RecipeError: The task's classes do not exclude each other.

    Source: Sensoy 2018 (arXiv:1806.01768).

    Example:
        >>> import torch
        >>> decoded = Evidential().decode(torch.full((1, 3), -10.0), Question("classification", "y", ("a", "b", "c")))
        >>> round(decoded.uncertainty.item(), 3)
        1.0
    """

    def __init__(
        self,
        evidence: Literal["exp", "softplus"] = "exp",
        risk: Literal["squared", "likelihood", "digamma"] = "squared",
        penalty: Annotated[float, Ge(0)] = 1.0,
        annealing: Annotated[float, Ge(0), Le(1)] = 0.5,
        clamp: Annotated[float, Gt(0), Le(20)] = 10.0,
    ) -> None:
        self.evidence = evidence
        self.risk = risk
        self.penalty = penalty
        self.annealing = annealing
        self.clamp = clamp
        self.progress = 1.0

    @classmethod
    def example(cls) -> Evidential:
        return cls()

    def width(self, question: Question) -> int:
        if not question.exclusive or question.is_regression:
            raise misfit("evidential", question, "classes that exclude each other", "take binary_cross_entropy")
        return len(question.classes)

    def loss(self, output: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        alpha = evidential.dirichlet(output, self.evidence, self.clamp)
        truth, known = losses.as_reference(target, output.shape[1], output.dtype)
        entries = _RISKS[self.risk](alpha, truth)
        factor = self.penalty * self._ramp()
        if factor > 0:
            wrong = evidential.misleading(alpha, truth)
            entries = entries + factor * evidential.divergence_from_uniform(wrong)
        return losses.mean_per_sample(entries, known[:, 0], weight)

    def count(self, target: Tensor) -> Tensor:
        return losses.labelled_count(target)

    def decode(self, output: Tensor, question: Question) -> Decoded:
        alpha = evidential.dirichlet(output, self.evidence, self.clamp)
        return Decoded(alpha / alpha.sum(1, keepdim=True), evidential.vacuity(alpha))

    def _ramp(self) -> float:
        return 1.0 if self.annealing == 0 else min(1.0, self.progress / self.annealing)
