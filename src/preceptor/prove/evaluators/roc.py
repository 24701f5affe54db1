"""Area under the ROC curve: do positive cases score above negative ones?"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Lt

from preceptor.core.cohort import Cohort
from preceptor.core.evidence import Finding, Predictions, Question
from preceptor.maths.roc import auroc_statistic, sensitivity_band
from preceptor.prove.labelled import Labelled
from preceptor.prove.measuring import Measuring, by_field
from preceptor.prove.ranking import measure_ranking

_GRID = np.linspace(0, 1, 101)


class Roc:
    """AUROC: the chance that a positive case scores above a negative one, ties counting one half.

    Of two classes that exclude each other the second is the positive one. Of more, and of independent labels, each is
    held against the rest, and the headline is their mean.

    Args:
        resamples: Of patients, for the intervals.
        level: Of the intervals and of the band around the curve.
        seed: Of the resamples.
        by: Fields of the cohort to divide by: a part for each value (within-site AUROC, say).

    Returns:
        A `Finding` in 0..1, with a part per class where there are several, and the curve with its band: axes
        ``false_positive_rate, sensitivity, lower, upper``.

    Raises:
        CohortError: A labelled case has no probability.

    Source: Hanley & McNeil 1982; clustered resampling: Field & Welsh 2007 (cluster bootstrap).

    Example:
        >>> Roc().suits(Question("classification", "finding", ("absent", "present")))
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
    def example(cls) -> Roc:
        return cls()

    def suits(self, question: Question) -> bool:
        return not question.dense and not question.is_regression

    def __call__(self, predictions: Predictions, cohort: Cohort) -> Finding:
        return by_field(self._measure(predictions, cohort), self.by, predictions, cohort, self._measure)

    def _measure(self, predictions: Predictions, cohort: Cohort) -> Finding:
        measuring = Measuring.of(predictions, self.resamples, self.level, self.seed)
        definition = "chance that a case with {name} scores above one without, ties counting one half"
        return measure_ranking("roc", definition, auroc_statistic, measuring, self._curve)

    def _curve(self, labelled: Labelled, at: int, measuring: Measuring) -> dict[str, dict[str, list]]:
        truth, score = labelled.truth[:, at], labelled.probability[:, at]
        middle, lower, upper = sensitivity_band(truth, score, measuring.resamples, _GRID, self.level)
        lines = {"false_positive_rate": _GRID, "sensitivity": middle, "lower": lower, "upper": upper}
        return {"roc": {axis: np.round(line, 6).tolist() for axis, line in lines.items()}}
