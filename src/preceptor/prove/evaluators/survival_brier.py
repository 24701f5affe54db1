"""Brier score of survival curves, weighted for censoring."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt, Lt

from preceptor.core.cohort import Cohort
from preceptor.core.evidence import Finding, Predictions, Question
from preceptor.maths.intervals import Statistic, undefined
from preceptor.maths.survival_curves import kaplan_meier
from preceptor.maths.survival_measures import brier_statistic, trapezia
from preceptor.prove.measuring import Measuring, by_field
from preceptor.prove.survival import Followed


class SurvivalBrier:
    """Brier score of survival curves: how far do they lie from what happened, over the time that was followed?

    At each time the squared distance of the predicted survival from 1 (still without the event) or 0 (with it), each
    case weighted by the inverse chance to be followed so long; then the mean over the span of the times. Lower is
    better; 0.25 is what a constant one half gives. The part ``kaplan_meier`` is what one curve for everybody reaches,
    and ``explained`` the share of it that the model takes away (index of prediction accuracy).

    Args:
        times: To measure at, in the question's unit; None takes those of the stored curves, a dozen at most.
        resamples: Of patients, for the intervals.
        level: Of the intervals.
        seed: Of the resamples.
        by: Fields of the cohort to divide by: a part for each value.

    Returns:
        A `Finding` (lower is better) with a part for each time, ``kaplan_meier`` and ``explained``, and the curve of
        the score by time. Undefined, with a note, where no curves are stored.

    Raises:
        CohortError: A column is missing, or a case with follow-up has no prediction.

    Source: Graf 1999; Kattan & Gerds 2018 (index of prediction accuracy).

    Example:
        >>> SurvivalBrier(times=[12, 24]).times
        [12, 24]
    """

    reads_curves = True

    def __init__(
        self,
        times: list[Annotated[float, Gt(0)]] | None = None,
        resamples: Annotated[int, Ge(100)] = 2000,
        level: Annotated[float, Gt(0), Lt(1)] = 0.95,
        seed: Annotated[int, Ge(0)] = 0,
        by: list[str] | None = None,
    ) -> None:
        self.times = times
        self.resamples = resamples
        self.level = level
        self.seed = seed
        self.by = by

    @classmethod
    def example(cls) -> SurvivalBrier:
        return cls()

    def suits(self, question: Question) -> bool:
        return question.task == "survival"

    def __call__(self, predictions: Predictions, cohort: Cohort) -> Finding:
        return by_field(self._measure(predictions, cohort), self.by, predictions, cohort, self._measure)

    def _measure(self, predictions: Predictions, cohort: Cohort) -> Finding:
        measuring = Measuring.of(predictions, self.resamples, self.level, self.seed)
        followed = Followed.of(measuring, cohort)
        times = followed.chosen(self.times) if len(followed.times) else np.zeros(0)
        notes = (*followed.notes, *followed.beyond(self.times))
        shared: dict[str, Any] = {"entered": followed.rows, "accelerated": False}
        definition = "mean squared distance of predicted survival from what happened, weighted for censoring"
        if not len(times):
            why = "no curves are stored" if not len(followed.times) else "no time that anybody was followed to"
            return measuring.finding(
                "survival_brier", definition, undefined, notes=(*notes, why), higher_is_better=False, **shared
            )
        model = [self._at(followed, followed.survival_at(time), time) for time in times]
        # One curve for everybody: of the training cases, or of the measured ones, which flatters it.
        everybody = kaplan_meier(*(followed.trained if len(followed.trained[0]) else (followed.time, followed.event)))
        constant = [self._at(followed, np.full(len(followed.time), everybody.at(time)), time) for time in times]
        weights = trapezia(times)
        ours, theirs = _weighted(model, weights), _weighted(constant, weights)
        each = {
            f"at_{time:g}": measuring.finding(
                f"survival_brier.at_{time:g}",
                f"{definition}, at {followed.told(time)}",
                statistic,
                unit="",
                higher_is_better=False,
                **shared,
            )
            for time, statistic in zip(times, model, strict=True)
        }
        parts = {
            "kaplan_meier": measuring.finding(
                "survival_brier.kaplan_meier",
                "the same of one Kaplan-Meier curve for everybody",
                theirs,
                higher_is_better=False,
                **shared,
            ),
            "explained": measuring.finding(
                "survival_brier.explained",
                "1 - the score over that of one Kaplan-Meier curve: 0 no better than knowing nothing of the case",
                _share_explained(ours, theirs),
                **shared,
            ),
        }
        span = (
            f"the mean over {followed.told(times[0])} to {followed.told(times[-1])} by trapezia"
            if len(times) > 1
            else f"at {followed.told(times[0])}"
        )
        scores = [part.value for part in each.values()]
        ends = [part.interval or (float("nan"),) * 2 for part in each.values()]
        curve = {
            f"time{f' ({followed.unit})' if followed.unit else ''}": times.tolist(),
            "brier_score": scores,
            "lower": [low for low, _ in ends],
            "upper": [high for _, high in ends],
        }
        return measuring.finding(
            "survival_brier",
            f"{definition}; {span}",
            ours,
            notes=notes,
            parts=parts | each,
            higher_is_better=False,
            curves={"brier_score": curve} if len(times) > 1 else {},
            **shared,
        )

    @staticmethod
    def _at(followed: Followed, survival: np.ndarray, time: float) -> Statistic:
        return brier_statistic(
            followed.time, followed.event, survival, float(time), followed.resamples, followed.censoring
        )


def _weighted(statistics: list[Statistic], weights: np.ndarray) -> Statistic:
    def mean(counts: np.ndarray) -> np.ndarray:
        return np.sum([w * each(counts) for w, each in zip(weights, statistics, strict=True)], axis=0)

    return mean


def _share_explained(ours: Statistic, theirs: Statistic) -> Statistic:
    def share(counts: np.ndarray) -> np.ndarray:
        left, all_there_is = ours(counts), theirs(counts)
        # Where one curve for everybody is never wrong there is nothing to explain.
        return 1 - np.divide(left, all_there_is, out=np.full(left.shape, np.nan), where=all_there_is > 0)

    return share
