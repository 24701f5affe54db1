"""Average precision of detected boxes and points."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from preceptor.core.cohort import Cohort
from preceptor.core.evidence import Finding, Predictions, Question
from preceptor.maths.detection import Marks, one_to_one, precision_statistic
from preceptor.maths.intervals import average_of
from preceptor.prove.measuring import Measuring, by_field, noted, refused
from preceptor.prove.places import Located

_COCO = [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]


class DetectionPrecision:
    """Average precision of detections, over all images together, as COCO computes it.

    Each lesion is given to one mark, the surest that hits it; a second mark on it is wrong, unlike in FROC. Precision
    is read at recalls of 0, 0.01 … 1 as the highest that any lower threshold reaches; then the mean over the overlaps
    asked for, and over classes. Points hit boxes they lie in, and points `within` a distance, whatever the overlap.

    Args:
        overlaps: Intersections over union from which a box hits a box: COCO's ten, or one, ``[0.5]``.
        within: Distance up to which a point hits a point, in the question's unit.
        resamples: Of patients, for the intervals.
        level: Of the intervals.
        seed: Of the resamples.
        by: Fields of the cohort to divide by: a part for each value.

    Returns:
        A `Finding` in 0..1, with a part for each overlap and each class.

    Raises:
        CohortError: Places that can't be read, or a case with a truth and no answer.

    Source: Lin 2014 (COCO); Maier-Hein 2024 (Metrics reloaded: pooled over images, so images without lesions matter
        only by their false marks).

    Example:
        >>> DetectionPrecision(overlaps=[0.1]).overlaps
        [0.1]
    """

    def __init__(
        self,
        overlaps: list[Annotated[float, Gt(0), Le(1)]] = _COCO,  # noqa: B006  (never changed)
        within: Annotated[float, Gt(0)] = 10.0,
        resamples: Annotated[int, Ge(100)] = 2000,
        level: Annotated[float, Gt(0), Lt(1)] = 0.95,
        seed: Annotated[int, Ge(0)] = 0,
        by: list[str] | None = None,
    ) -> None:
        self.overlaps = overlaps
        self.within = within
        self.resamples = resamples
        self.level = level
        self.seed = seed
        self.by = by

    @classmethod
    def example(cls) -> DetectionPrecision:
        return cls(overlaps=[0.3, 0.5])

    def suits(self, question: Question) -> bool:
        return question.task == "localisation"

    def __call__(self, predictions: Predictions, cohort: Cohort) -> Finding:
        return by_field(self._measure(predictions, cohort), self.by, predictions, cohort, self._measure)

    def _measure(self, predictions: Predictions, cohort: Cohort) -> Finding:
        measuring = Measuring.of(predictions, self.resamples, self.level, self.seed)
        located = Located.of(predictions)
        resamples = located.within(measuring.resamples)
        classes, unit = predictions.question.classes, predictions.question.unit
        marks = {
            (name, overlap): located.marks(name, one_to_one, least_iou=overlap, within=self.within)
            for name in classes
            for overlap in self.overlaps
        }
        known = [name for name in classes if len(marks[name, self.overlaps[0]].lesion_image)]
        statistics = {pair: precision_statistic(each, resamples) for pair, each in marks.items() if pair[0] in known}
        definition = (
            f"average precision over all images, a box hit from an overlap of {{overlap}}, a point within "
            f"{self.within:g}{f' {unit}' if unit else ''}"
        )

        def mean(name: str, asked: list[str], overlaps: list[float], **more: object) -> Finding:
            told = f"{overlaps[0]:g}" if len(overlaps) == 1 else f"{overlaps[0]:g} to {overlaps[-1]:g} (the mean)"
            chosen = [statistics[label, overlap] for label in asked for overlap in overlaps]
            lesions = [marks[label, overlaps[0]].lesion_image for label in asked]
            return measuring.finding(
                name,
                definition.format(overlap=told) + ("; the mean over classes" if len(asked) > 1 else ""),
                average_of(chosen),
                located.rows,
                accelerated=False,
                trials=len(np.unique(resamples.cluster[np.concatenate([np.zeros(0, dtype=int), *lesions])])),
                **more,  # type: ignore[arg-type]
            )

        parts = {
            f"at_{overlap:g}": mean(f"detection_precision.at_{overlap:g}", known, [overlap])
            for overlap in self.overlaps
            if len(self.overlaps) > 1
        }
        if len(classes) > 1:
            parts |= {
                name: mean(f"detection_precision.{name}", [name], self.overlaps, curves=_curve(marks[name, overlap]))
                for name in known
                for overlap in self.overlaps[:1]
            }
        return mean(
            "detection_precision",
            known,
            self.overlaps,
            parts=parts,
            notes=(
                f"{sum(len(marks[name, self.overlaps[0]].lesion_image) for name in known)} lesions in "
                f"{int(located.rows.sum())} images",
                *(f"no lesion is a {name}: it does not enter the mean" for name in classes if name not in known),
                *noted(int((~located.rows).sum()), "case{s} without a truth, not measured"),
                *refused(predictions),
            ),
            curves=_curve(marks[known[0], self.overlaps[0]]) if len(classes) == 1 and known else {},
        )


def _curve(marks: Marks) -> dict[str, dict[str, list[float]]]:
    """Precision and recall at every score, at the lowest overlap."""
    order = np.argsort(-marks.score, kind="stable")
    hits = np.cumsum(marks.lesion[order] >= 0)
    recall, precision = hits / len(marks.lesion_image), hits / np.arange(1, len(order) + 1)
    return {"precision_recall": {"recall": recall.round(6).tolist(), "precision": precision.round(6).tolist()}}
