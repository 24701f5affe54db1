"""FROC: how many lesions are found at what cost in false marks."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from preceptor.core.cohort import Cohort
from preceptor.core.evidence import Finding, Predictions, Question
from preceptor.maths.detection import Marks, best_lesion, froc, sensitivity_statistic
from preceptor.maths.intervals import average_of
from preceptor.prove.measuring import Measuring, by_field, noted, refused
from preceptor.prove.places import Located


class Froc:
    """FROC score: the mean share of lesions found at several rates of false marks per image.

    A mark hits a lesion where two boxes overlap enough, a point lies in a box, or two points lie near each other. It
    counts for the lesion it hits best. A second mark on one lesion is neither hit nor false; images without lesions
    count in the rate of false marks. At each rate the highest sensitivity that costs no more counts, not interpolated.

    Args:
        rates: False marks per image.
        least_iou: Intersection over union from which a box hits a box.
        within: Distance up to which a point hits a point, in the question's unit.
        resamples: Of patients, for the intervals.
        level: Of the intervals.
        seed: Of the resamples.
        by: Fields of the cohort to divide by: a part for each value.

    Returns:
        A `Finding` in 0..1, the mean over classes, with a part for each rate (and class) and the curve.

    Raises:
        CohortError: Places that can't be read, or a case with a truth and no answer.

    Source: Bunch 1978; Chakraborty & Winter 1990; van Ginneken 2010 (the seven rates).

    Example:
        >>> Froc(rates=[1.0], within=5.0).within
        5.0
    """

    def __init__(
        self,
        rates: list[Annotated[float, Gt(0)]] = [0.125, 0.25, 0.5, 1, 2, 4, 8],  # noqa: B006  (never changed)
        least_iou: Annotated[float, Gt(0), Le(1)] = 0.1,
        within: Annotated[float, Gt(0)] = 10.0,
        resamples: Annotated[int, Ge(100)] = 2000,
        level: Annotated[float, Gt(0), Lt(1)] = 0.95,
        seed: Annotated[int, Ge(0)] = 0,
        by: list[str] | None = None,
    ) -> None:
        self.rates = rates
        self.least_iou = least_iou
        self.within = within
        self.resamples = resamples
        self.level = level
        self.seed = seed
        self.by = by

    @classmethod
    def example(cls) -> Froc:
        return cls(rates=[0.5, 1.0])

    def suits(self, question: Question) -> bool:
        return question.task == "localisation"

    def __call__(self, predictions: Predictions, cohort: Cohort) -> Finding:
        return by_field(self._measure(predictions, cohort), self.by, predictions, cohort, self._measure)

    def _measure(self, predictions: Predictions, cohort: Cohort) -> Finding:
        measuring = Measuring.of(predictions, self.resamples, self.level, self.seed)
        located = Located.of(predictions)
        resamples = located.within(measuring.resamples)
        classes = predictions.question.classes
        rule = {"least_iou": self.least_iou, "within": self.within}
        marks = {name: located.marks(name, lambda similarity, _: best_lesion(similarity), **rule) for name in classes}
        known = {name: each for name, each in marks.items() if len(each.lesion_image)}
        unit = predictions.question.unit
        definition = (
            f"share of lesions hit (boxes from an intersection over union of {self.least_iou:g}, points within "
            f"{self.within:g}{f' {unit}' if unit else ''}), at most {{rate}} false marks an image"
        )

        def at(rates: list[float], which: dict[str, Marks], name: str, **more: object) -> Finding:
            told = f"{rates[0]:g}" if len(rates) == 1 else f"{', '.join(f'{each:g}' for each in rates)} (the mean)"
            lesions = np.concatenate([each.lesion_image for each in which.values()] or [np.zeros(0, dtype=int)])
            return measuring.finding(
                name,
                definition.format(rate=told) + ("; the mean over classes" if len(which) > 1 else ""),
                average_of([sensitivity_statistic(each, rates, resamples) for each in which.values()]),
                located.rows,
                accelerated=False,
                trials=len(np.unique(resamples.cluster[lesions])),
                **more,  # type: ignore[arg-type]
            )

        parts = {f"at_{rate:g}": at([rate], known, f"froc.at_{rate:g}") for rate in self.rates}
        if len(classes) > 1:
            parts |= {
                name: at(self.rates, {name: each}, f"froc.{name}", curves=_curve(each)) for name, each in known.items()
            }
        absent = [name for name in classes if name not in known]
        total = sum(len(each.lesion_image) for each in marks.values())
        return at(
            self.rates,
            known,
            "froc",
            notes=(
                f"{total} lesions in {int(located.rows.sum())} images",
                *(f"no lesion is a {name}: it does not enter the mean" for name in absent),
                *noted(int((~located.rows).sum()), "case{s} without a truth, not measured"),
                *refused(predictions),
            ),
            parts=parts,
            curves=_curve(next(iter(known.values()))) if len(classes) == 1 and known else {},
        )


def _curve(marks: Marks) -> dict[str, dict[str, list[float]]]:
    points = froc(marks)
    axes = {"false_marks_per_image": points.false_positives, "sensitivity": points.sensitivity}
    return {"froc": {axis: np.round(line, 6).tolist() for axis, line in axes.items()}}
