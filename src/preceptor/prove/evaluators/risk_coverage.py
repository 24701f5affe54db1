"""Risk and coverage: how few errors are left if only the surest cases are answered."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from preceptor.core.cohort import Cohort
from preceptor.core.evidence import Finding, Predictions, Question
from preceptor.maths import selective
from preceptor.prove.case_losses import CaseLosses, case_losses, has_losses, names_of, score_column
from preceptor.prove.measuring import Measuring, noted

#: Points of the curve that are kept.
_POINTS = 201


class RiskCoverage:
    """Area under the risk-coverage curve (AURC) of the stored uncertainty; lower is better.

    Cases are answered from the surest on. At every share of cases that are answered (the coverage) the risk is the mean
    loss of those: wrong answers, wrongly answered labels, absolute error, or one minus the mean Dice. The AURC is the
    mean of the risk over all coverages. It depends on how good the answers are; the part ``excess`` takes away what an
    oracle would reach with the same answers, and is 0 where doubt ranks errors perfectly. All cases enter, those that
    a safeguard refused too: how well to refuse is what is measured here.

    Args:
        scores: Stored numbers to rank by: ``uncertainty``, or parts such as ``epistemic`` or ``mahalanobis``. The first
            is the headline, each further one a part. None takes the uncertainty.
        coverages: At which the risk is told, as parts.
        resamples: Of patients, for the intervals.
        level: Of the intervals.
        seed: Of the resamples.

    Returns:
        A `Finding` with the parts ``excess``, ``risk at 80 %`` …, a part for each further score, and the curve: axes
        ``coverage, risk, without refusing``.

    Raises:
        CohortError: A score is not stored, or a map can't be read.

    Source: Geifman, Uziel & El-Yaniv 2019 (arXiv:1805.08206); El-Yaniv & Wiener 2010.

    Example:
        >>> RiskCoverage().suits(Question("classification", "finding", ("absent", "present")))
        True
    """

    def __init__(
        self,
        scores: list[str] | None = None,
        coverages: list[Annotated[float, Gt(0), Le(1)]] = [0.5, 0.8, 0.9],  # noqa: B006  read, never changed
        resamples: Annotated[int, Ge(100)] = 2000,
        level: Annotated[float, Gt(0), Lt(1)] = 0.95,
        seed: Annotated[int, Ge(0)] = 0,
    ) -> None:
        self.scores = scores
        self.coverages = coverages
        self.resamples = resamples
        self.level = level
        self.seed = seed

    @classmethod
    def example(cls) -> RiskCoverage:
        return cls()

    def suits(self, question: Question) -> bool:
        return has_losses(question)

    def __call__(self, predictions: Predictions, cohort: Cohort) -> Finding:
        measuring = Measuring.of(predictions, self.resamples, self.level, self.seed)
        losses = case_losses(predictions)
        first, *further = names_of(self.scores)
        parts = {name: self._measure(f"risk_coverage.{name}", name, losses, measuring, {}) for name in further}
        return self._measure("risk_coverage", first, losses, measuring, parts)

    def _measure(
        self, name: str, score: str, losses: CaseLosses, measuring: Measuring, parts: dict[str, Finding]
    ) -> Finding:
        doubt, loss = score_column(measuring.predictions, score), losses.values
        entered = ~np.isnan(doubt + loss)
        resamples, unit = measuring.resamples, losses.unit
        same: dict[str, Any] = {"unit": unit, "higher_is_better": False}
        excess = measuring.finding(
            f"{name}.excess",
            f"area under the risk-coverage curve of {score} less that of an oracle; 0 is the best there can be",
            selective.excess_aurc_statistic(doubt, loss, resamples),
            entered,
            **same,
        )
        at = {
            f"risk at {100 * share:g} %": measuring.finding(
                f"{name}.risk at {100 * share:g} %",
                f"mean loss of the {100 * share:g} % of cases with the least {score}; loss: {losses.meaning}",
                selective.risk_at_statistic(doubt, loss, share, resamples),
                entered,
                trials=None if unit else max(1, round(share * measuring.clusters(entered))),
                **same,
            )
            for share in self.coverages
        }
        return measuring.finding(
            name,
            f"mean, over all shares of cases answered in order of {score}, of the mean loss; loss: {losses.meaning}",
            selective.aurc_statistic(doubt, loss, resamples),
            entered,
            trials=None if unit else measuring.clusters(entered),
            notes=noted(int((~entered).sum()), f"case{{s}} without a truth or without {score}, not measured"),
            parts={"excess": excess, **at, **parts},
            curves={"risk and coverage": _curve(doubt[entered], loss[entered])} if entered.any() else {},
            **same,
        )


def _curve(doubt: np.ndarray, loss: np.ndarray) -> dict[str, list]:
    points = selective.risk_coverage(doubt, loss)
    kept = np.unique(np.linspace(0, len(points.coverage) - 1, min(_POINTS, len(points.coverage))).round().astype(int))
    lines = {"coverage": points.coverage[kept], "risk": points.risk[kept]}
    return {axis: np.round(line, 6).tolist() for axis, line in lines.items()}
