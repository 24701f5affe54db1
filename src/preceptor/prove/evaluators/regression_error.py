"""Root mean square error of a regressed quantity, with what is explained of it and how far single answers agree."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Gt, Lt

from preceptor.core.cohort import Cohort
from preceptor.core.evidence import Finding, Predictions, Question
from preceptor.maths.regression import r_squared_statistic, spearman_statistic
from preceptor.prove.measuring import Measuring, by_field
from preceptor.prove.quantities import Quantities


class RegressionError:
    """Root mean square error, beside the share of variance explained and Bland and Altman's limits of agreement.

    Large errors weigh more than in the mean absolute error. ``r_squared`` depends on how spread the truth is: the same
    error looks better in a wider population. The limits of agreement say how far a single answer may lie off.

    Args:
        resamples: Of patients, for the intervals.
        level: Of the intervals.
        seed: Of the resamples.
        by: Fields of the cohort to divide by: a part for each value.

    Returns:
        A `Finding` (lower is better) with the parts ``r_squared``, ``spearman``, ``bias``, ``lower_limit`` and
        ``upper_limit``, and the curve ``differences`` (of answer and truth, by their mean).

    Source: Bland & Altman 1986; Carkeet 2015 (intervals of the limits); Spearman 1904; Kvalseth 1985 (R squared by the
        residuals, not by correlation).

    Example:
        >>> RegressionError().suits(Question("regression", "age", ("age",), unit="years"))
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
    def example(cls) -> RegressionError:
        return cls()

    def suits(self, question: Question) -> bool:
        return question.is_number

    def __call__(self, predictions: Predictions, cohort: Cohort) -> Finding:
        return by_field(self._measure(predictions, cohort), self.by, predictions, cohort, self._measure)

    def _measure(self, predictions: Predictions, cohort: Cohort) -> Finding:
        measuring = Measuring.of(predictions, self.resamples, self.level, self.seed)
        numbers = Quantities.of(measuring)
        parts = {
            "r_squared": measuring.finding(
                "regression_error.r_squared",
                "1 - squared errors over squared distances of the truth from its mean: below 0 that mean is better",
                r_squared_statistic(numbers.truth, numbers.answer, measuring.resamples),
                numbers.known,
            ),
            "spearman": measuring.finding(
                "regression_error.spearman",
                "correlation of the ranks of truth and answer, ties sharing the mean of theirs",
                spearman_statistic(numbers.truth, numbers.answer, measuring.resamples),
                numbers.known,
                accelerated=False,
            ),
            **numbers.agreement("regression_error"),
        }
        return numbers.root_mean_square(
            "regression_error", parts=parts, notes=numbers.notes, curves={"differences": numbers.differences()}
        )
