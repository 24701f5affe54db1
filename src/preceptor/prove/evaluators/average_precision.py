"""Average precision: the area under the precision-recall curve."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Lt

from preceptor.core.cohort import Cohort
from preceptor.core.evidence import Finding, Predictions, Question
from preceptor.maths.roc import average_precision_statistic, curve
from preceptor.prove.labelled import Labelled
from preceptor.prove.measuring import Measuring, by_field
from preceptor.prove.ranking import measure_ranking


class AveragePrecision:
    """Average precision: precision at each distinct score, weighted by the step in sensitivity it brings.

    No line is drawn between points (the trapezoid is too high). What a useless score reaches is the prevalence, which
    stands in the curve. Of two classes that exclude each other the second is the positive one; of more, and of
    independent labels, each is held against the rest, and the headline is their mean.

    Args:
        resamples: Of patients, for the intervals.
        level: Of the intervals.
        seed: Of the resamples.
        by: Fields of the cohort to divide by: a part for each value.

    Returns:
        A `Finding` in 0..1, with a part per class where there are several, and the curve: axes ``sensitivity,
        precision, prevalence``.

    Raises:
        CohortError: A labelled case has no probability.

    Source: Davis & Goadrich 2006; Saito & Rehmsmeier 2015.

    Example:
        >>> AveragePrecision().suits(Question("multilabel", "findings", ("effusion", "mass"), exclusive=False))
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
    def example(cls) -> AveragePrecision:
        return cls()

    def suits(self, question: Question) -> bool:
        return not question.dense and not question.is_regression

    def __call__(self, predictions: Predictions, cohort: Cohort) -> Finding:
        return by_field(self._measure(predictions, cohort), self.by, predictions, cohort, self._measure)

    def _measure(self, predictions: Predictions, cohort: Cohort) -> Finding:
        measuring = Measuring.of(predictions, self.resamples, self.level, self.seed)
        definition = "precision of calling {name}, averaged over the steps in sensitivity at each distinct score"
        return measure_ranking("average_precision", definition, average_precision_statistic, measuring, _curve)


def _curve(labelled: Labelled, at: int, measuring: Measuring) -> dict[str, dict[str, list]]:
    known = labelled.known(at)
    points = curve(labelled.truth[known, at], labelled.probability[known, at])
    lines = {
        "sensitivity": points.sensitivity,
        "precision": points.precision,
        "prevalence": np.full(len(points.threshold), np.mean(labelled.truth[known, at])),
    }
    return {"precision_recall": {axis: np.round(line, 6).tolist() for axis, line in lines.items()}}
