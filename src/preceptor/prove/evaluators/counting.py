"""Error of counts."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Lt

from preceptor.core.cohort import Cohort
from preceptor.core.evidence import Finding, Predictions, Question
from preceptor.prove.measuring import Measuring, by_field
from preceptor.prove.quantities import Quantities


class Counting:
    """Mean absolute error of counts: by how many the answer is off, and in how many images it is near enough.

    Counts of a whole image: errors that cancel inside it are not seen, so a right count is no proof that the right
    things were counted.

    Args:
        near: An answer is near enough within this share of the true count (an image with none: where none is answered).
        resamples: Of patients, for the intervals.
        level: Of the intervals.
        seed: Of the resamples.
        by: Fields of the cohort to divide by: a part for each value.

    Returns:
        A `Finding` (lower is better) with the parts ``near`` (share of images), ``root_mean_square``, ``bias``,
        ``lower_limit`` and ``upper_limit`` (Bland and Altman's limits of agreement), and the curve ``differences``.

    Source: Bland & Altman 1986; Lempitsky & Zisserman 2010 (counting by mean absolute error).

    Example:
        >>> Counting(near=0.2).suits(Question("counting", "nuclei", ("nuclei",), exclusive=False))
        True
    """

    def __init__(
        self,
        near: Annotated[float, Gt(0), Lt(1)] = 0.1,
        resamples: Annotated[int, Ge(100)] = 2000,
        level: Annotated[float, Gt(0), Lt(1)] = 0.95,
        seed: Annotated[int, Ge(0)] = 0,
        by: list[str] | None = None,
    ) -> None:
        self.near = near
        self.resamples = resamples
        self.level = level
        self.seed = seed
        self.by = by

    @classmethod
    def example(cls) -> Counting:
        return cls()

    def suits(self, question: Question) -> bool:
        return question.task == "counting"

    def __call__(self, predictions: Predictions, cohort: Cohort) -> Finding:
        return by_field(self._measure(predictions, cohort), self.by, predictions, cohort, self._measure)

    def _measure(self, predictions: Predictions, cohort: Cohort) -> Finding:
        measuring = Measuring.of(predictions, self.resamples, self.level, self.seed)
        counts = Quantities.of(measuring)
        allowed = self.near * counts.truth * (1 + 1e-12)  # 11 for 10 is within a tenth, whatever 0.1 * 10 rounds to
        near = np.where(counts.known, np.abs(counts.error) <= allowed, np.nan)
        parts = {
            "near": measuring.mean(
                "counting.near",
                f"share of images whose answer lies within {100 * self.near:g} % of the true count",
                near,
                share=True,
            ),
            "root_mean_square": counts.root_mean_square("counting.root_mean_square"),
            **counts.agreement("counting"),
        }
        return measuring.mean(
            "counting",
            "mean absolute difference of answered and true count, image by image",
            np.abs(counts.error),
            unit=counts.unit,
            higher_is_better=False,
            parts=parts,
            notes=counts.notes,
            curves={"differences": counts.differences()},
        )
