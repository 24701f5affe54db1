"""Mean absolute error of a regressed quantity."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pandas
from annotated_types import Ge, Gt, Lt

from preceptor.core.cohort import Cohort
from preceptor.core.evidence import Finding, Predictions, Question
from preceptor.maths.intervals import mean_statistic
from preceptor.prove.measuring import Measuring, by_field, noted, refused


class MeanAbsoluteError:
    """Mean absolute error: how far the answer lies from the truth, on average, in the quantity's own unit.

    Args:
        resamples: Of patients, for the intervals.
        level: Of the intervals.
        seed: Of the resamples.
        by: Fields of the cohort to divide by: a part for each value.

    Returns:
        A `Finding` (lower is better) with the parts ``bias`` (mean of answer minus truth) and ``root_mean_square``.

    Source: Willmott & Matsuura 2005; bias: Bland & Altman 1986.

    Example:
        >>> MeanAbsoluteError().suits(Question("regression", "age", ("age",), unit="years"))
        True
    """

    def __init__(
        self,
        resamples: Annotated[int, Ge(100)] = 2000,
        level: Annotated[float, Gt(0), Lt(1)] = 0.95,
        seed: Annotated[int, Ge(0)] = 0,
        by: list[str] | None = None,
    ) -> None:
        self.resamples = resamples
        self.level = level
        self.seed = seed
        self.by = by

    @classmethod
    def example(cls) -> MeanAbsoluteError:
        return cls()

    def suits(self, question: Question) -> bool:
        return question.is_number

    def __call__(self, predictions: Predictions, cohort: Cohort) -> Finding:
        return by_field(self._measure(predictions, cohort), self.by, predictions, cohort, self._measure)

    def _measure(self, predictions: Predictions, cohort: Cohort) -> Finding:
        measuring = Measuring.of(predictions, self.resamples, self.level, self.seed)
        unit = predictions.question.unit
        truth, answer = (
            pandas.to_numeric(predictions.table[column], errors="coerce").to_numpy(dtype=float)
            for column in ("truth", "answer")
        )
        error, known = answer - truth, ~np.isnan(answer - truth)
        squares = mean_statistic(error**2, measuring.resamples)
        parts = {
            "bias": measuring.mean(
                "mean_absolute_error.bias",
                "mean of answer minus truth: above 0 the answer is too high",
                error,
                unit=unit,
                higher_is_better=None,
            ),
            "root_mean_square": measuring.finding(
                "mean_absolute_error.root_mean_square",
                "root of the mean squared difference of answer and truth",
                lambda counts: np.sqrt(squares(counts)),
                known,
                unit=unit,
                higher_is_better=False,
            ),
        }
        unanswered = int((~np.isnan(truth) & np.isnan(answer)).sum())
        return measuring.mean(
            "mean_absolute_error",
            "mean absolute difference of answer and truth",
            np.abs(error),
            unit=unit,
            higher_is_better=False,
            parts=parts,
            notes=(
                *noted(int(np.isnan(truth).sum()), "case{s} without a truth, not measured"),
                *noted(unanswered, "case{s} without an answer, not measured"),
                *refused(predictions),
            ),
        )
