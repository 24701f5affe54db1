"""Intersection over union (Jaccard index) of every structure with its truth."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt

from preceptor.core.cohort import Cohort
from preceptor.core.evidence import Finding, Predictions, Question
from preceptor.maths.overlap import iou
from preceptor.prove.measuring import Measuring, by_field
from preceptor.prove.overlaps import measure_overlap


class Iou:
    """IoU: the voxels shared by answer and truth, over the voxels of either.

    Maps are read as stored, counted in voxels on the truth's own grid; voxels that nobody labelled enter nothing.

    Args:
        empty: What a structure counts that truth and answer both lack: "one", or "exclude" (left out of the means, with
            its number in the notes). A structure that only one of them has counts 0.
        resamples: Of patients, for the intervals.
        level: Of the intervals.
        seed: Of the resamples.
        by: Fields of the cohort to divide by: a part for each value.

    Returns:
        A `Finding` in 0..1 with a part per structure and the values per case.

    Raises:
        CohortError: A stored answer is missing or holds a value that stands for no class.

    Source: Jaccard 1901.

    Example:
        >>> question = Question("segmentation", "label", ("background", "organ"), dense=True, values=(0, 1))
        >>> Iou().suits(question)
        True
    """

    def __init__(
        self,
        empty: Literal["one", "exclude"] = "one",
        resamples: Annotated[int, Ge(100)] = 2000,
        level: Annotated[float, Gt(0), Lt(1)] = 0.95,
        seed: Annotated[int, Ge(0)] = 0,
        by: list[str] | None = None,
    ) -> None:
        self.empty = empty
        self.resamples = resamples
        self.level = level
        self.seed = seed
        self.by = by

    @classmethod
    def example(cls) -> Iou:
        return cls()

    def suits(self, question: Question) -> bool:
        return question.dense and question.exclusive and not question.is_regression

    def __call__(self, predictions: Predictions, cohort: Cohort) -> Finding:
        return by_field(self._measure(predictions, cohort), self.by, predictions, cohort, self._measure)

    def _measure(self, predictions: Predictions, cohort: Cohort) -> Finding:
        measuring = Measuring.of(predictions, self.resamples, self.level, self.seed)
        definition = "shared voxels over the voxels of truth or answer"
        return measure_overlap("iou", definition, iou, measuring, self.empty)
