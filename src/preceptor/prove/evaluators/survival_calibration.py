"""Calibration of predicted survival at a horizon."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Lt

from preceptor.core.cohort import Cohort
from preceptor.core.evidence import Finding, Predictions, Question
from preceptor.maths.intervals import Statistic, bootstrap, ratio_statistic, undefined
from preceptor.maths.survival_measures import observed_risk_statistic
from preceptor.prove.measuring import Measuring, by_field
from preceptor.prove.survival import Followed


class SurvivalCalibration:
    """Calibration at a horizon: of those given 20 % by then, did 20 % have the event?

    Cases are grouped by predicted risk into groups of equal size. In each the observed risk is that of a Kaplan-Meier
    curve, so that those who left early count as long as they stayed. The headline is the mean distance of observed from
    predicted risk over the groups, by their size; like every error in bins it is above 0 by chance, the more so the
    smaller the groups.

    Args:
        horizon: The time, in the question's unit; None takes the middle one of the stored curves' times that were
            followed.
        groups: Of equal size, by predicted risk; fewer where risks tie.
        resamples: Of patients, for the intervals.
        level: Of the intervals and of the bars in the curve.
        seed: Of the resamples.
        by: Fields of the cohort to divide by: a part for each value.

    Returns:
        A `Finding` (lower is better) with the part ``observed_expected``, the ratio of observed to mean predicted risk
        of all (1 is right, above 1 risk is underestimated), and the reliability curve. Undefined, with a note, where no
        curves are stored.

    Raises:
        CohortError: A column is missing, or a case with follow-up has no prediction.

    Source: Austin, Harrell & van Klaveren 2020; Crowson, Atkinson & Therneau 2016.

    Example:
        >>> SurvivalCalibration(horizon=24.0).horizon
        24.0
    """

    reads_curves = True

    def __init__(
        self,
        horizon: Annotated[float, Gt(0)] | None = None,
        groups: Annotated[int, Ge(2)] = 5,
        resamples: Annotated[int, Ge(100)] = 2000,
        level: Annotated[float, Gt(0), Lt(1)] = 0.95,
        seed: Annotated[int, Ge(0)] = 0,
        by: list[str] | None = None,
    ) -> None:
        self.horizon = horizon
        self.groups = groups
        self.resamples = resamples
        self.level = level
        self.seed = seed
        self.by = by

    @classmethod
    def example(cls) -> SurvivalCalibration:
        return cls()

    def suits(self, question: Question) -> bool:
        return question.task == "survival"

    def __call__(self, predictions: Predictions, cohort: Cohort) -> Finding:
        return by_field(self._measure(predictions, cohort), self.by, predictions, cohort, self._measure)

    def _measure(self, predictions: Predictions, cohort: Cohort) -> Finding:
        measuring = Measuring.of(predictions, self.resamples, self.level, self.seed)
        followed = Followed.of(measuring, cohort)
        asked = None if self.horizon is None else [self.horizon]
        times = followed.chosen(asked) if len(followed.times) else np.zeros(0)
        definition = "mean distance of observed (Kaplan-Meier) from predicted risk over groups of equal size by risk"
        if not len(times):
            why = "no curves are stored" if not len(followed.times) else "no time that anybody was followed to"
            return measuring.finding(
                "survival_calibration",
                definition,
                undefined,
                followed.rows,
                accelerated=False,
                notes=(*followed.notes, *followed.beyond(asked), why),
                higher_is_better=False,
            )
        horizon = float(times[len(times) // 2])
        risk = followed.risk_at(horizon)
        everybody = np.ones(len(risk), dtype=bool)
        observed, predicted = self._observed(followed, everybody, horizon), self._predicted(followed, everybody, risk)
        ratio = measuring.finding(
            "survival_calibration.observed_expected",
            f"observed risk by {followed.told(horizon)} over the mean predicted one: above 1 it is underestimated",
            lambda counts: observed(counts) / predicted(counts),
            followed.rows,
            accelerated=False,
            higher_is_better=None,
        )
        edges = np.quantile(risk, np.linspace(0, 1, self.groups + 1)[1:-1])
        group = np.unique(np.searchsorted(edges, risk, "left"), return_inverse=True)[1]
        members = [group == each for each in range(group.max() + 1)]
        pairs = [
            (self._observed(followed, inside, horizon), self._predicted(followed, inside, risk)) for inside in members
        ]
        return measuring.finding(
            "survival_calibration",
            f"{definition}, by {followed.told(horizon)}, {len(members)} groups",
            _mean_gap(pairs, [followed.resamples.sum_by_cluster(inside) for inside in members]),
            followed.rows,
            accelerated=False,
            notes=(*followed.notes, *followed.beyond(asked)),
            parts={"observed_expected": ratio},
            higher_is_better=False,
            curves={"calibration": self._curve(pairs, measuring)},
        )

    @staticmethod
    def _observed(followed: Followed, inside: np.ndarray, horizon: float) -> Statistic:
        return observed_risk_statistic(followed.time, followed.event, inside, horizon, followed.resamples)

    @staticmethod
    def _predicted(followed: Followed, inside: np.ndarray, risk: np.ndarray) -> Statistic:
        return ratio_statistic(np.where(inside, risk, 0.0), inside, followed.resamples)

    def _curve(self, pairs: list[tuple[Statistic, Statistic]], measuring: Measuring) -> dict[str, list[float]]:
        rows = []
        for observed, predicted in pairs:
            drawn = bootstrap(observed, measuring.resamples, accelerated=False)
            interval = drawn.interval(self.level)
            middle = float(predicted(np.ones((len(measuring.resamples.names), 1)))[0])
            lower, upper = (np.nan, np.nan) if interval is None else interval[:2]
            rows.append((middle, drawn.value, lower, upper))
        columns = zip(*sorted(rows), strict=True)
        names = ("predicted_risk", "observed_risk", "lower", "upper")
        return {name: [round(float(v), 6) for v in column] for name, column in zip(names, columns, strict=True)}


def _mean_gap(pairs: list[tuple[Statistic, Statistic]], sizes: list[np.ndarray]) -> Statistic:
    """A group that a resample did not draw does not enter it."""

    def gap(counts: np.ndarray) -> np.ndarray:
        distance = np.array([np.abs(observed(counts) - predicted(counts)) for observed, predicted in pairs])
        weight = np.array([size @ counts for size in sizes])
        return np.nansum(distance * weight, axis=0) / np.where(np.isnan(distance), 0.0, weight).sum(0)

    return gap
