"""AUROC within sites: does the ranking hold among cases of one place?"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Lt

from preceptor.core.cohort import Cohort
from preceptor.core.errors import CohortError
from preceptor.core.evidence import Finding, Predictions, Question
from preceptor.maths.stratified_roc import stratified_auroc_statistic
from preceptor.prove.labelled import Labelled
from preceptor.prove.measuring import Measuring, noted


class RocWithin:
    """AUROC within groups: pairs of cases that share a field, such as the site; what that field can't explain.

    A model that reads the site ranks well overall and no better than chance within sites. Every pair of a positive and
    a negative case of one site counts once; sites with one class alone have no pair and are counted in a note.

    Args:
        field: Field of the cohort to stay within (``site``).
        resamples: Of patients, for the interval.
        level: Of the interval.
        seed: Of the resamples.

    Returns:
        A `Finding` in 0..1; of several classes the mean of each against the rest.

    Raises:
        CohortError: The cohort has no such field.

    Source: within-cluster concordance, van Oirbeek & Lesaffre 2012.

    Example:
        >>> RocWithin(field="site").suits(Question("classification", "finding", ("absent", "present")))
        True
    """

    def __init__(
        self,
        field: str,
        resamples: Annotated[int, Ge(100)] = 2000,
        level: Annotated[float, Gt(0), Lt(1)] = 0.95,
        seed: Annotated[int, Ge(0)] = 0,
    ) -> None:
        self.field = field
        self.resamples = resamples
        self.level = level
        self.seed = seed

    @classmethod
    def example(cls) -> RocWithin:
        return cls(field="site")

    def suits(self, question: Question) -> bool:
        return not question.dense and not question.is_regression

    def __call__(self, predictions: Predictions, cohort: Cohort) -> Finding:
        fields = [name.removeprefix("field:") for name in predictions.table if name.startswith("field:")]
        column = predictions.table.get(f"field:{self.field}", predictions.table.get(self.field))
        if column is None:
            raise CohortError(
                f"the cohort has no field '{self.field}'",
                where="evaluate.roc_within",
                expected=f"one of {', '.join(fields)}",
                code="field_unknown",
            )
        known = column.notna().to_numpy()
        stratum = np.array([str(value) for value in column])  # a missing one is text too, and does not enter
        measuring = Measuring.of(predictions, self.resamples, self.level, self.seed)
        labelled = Labelled.of(predictions)
        statistics, entered = [], np.zeros(len(stratum), dtype=bool)
        for at in labelled.asked:
            truth = np.where(known, labelled.truth[:, at], np.nan)
            statistics.append(
                stratified_auroc_statistic(truth, labelled.probability[:, at], stratum, measuring.resamples)
            )
            entered |= _in_pairs(truth, stratum)
        values = len(np.unique(stratum[known])), len(np.unique(stratum[entered]))
        return measuring.finding(
            "roc_within",
            f"chance that a case with the class scores above one without it of the same {self.field}, ties counting half",
            lambda counts: np.mean([statistic(counts) for statistic in statistics], axis=0),
            entered,
            accelerated=False,
            notes=(
                f"{values[1]} of {values[0]} values of {self.field} hold cases with and without; others have no pair",
                *noted(int((~known).sum()), f"case{{s}} without a {self.field}, not measured"),
            ),
        )


def _in_pairs(truth: np.ndarray, stratum: np.ndarray) -> np.ndarray:
    """``(case,)`` whether the case's stratum holds both."""
    both = [n for n in np.unique(stratum) if {0.0, 1.0} <= set(truth[stratum == n].tolist())]
    return np.isin(stratum, both) & ~np.isnan(truth)
