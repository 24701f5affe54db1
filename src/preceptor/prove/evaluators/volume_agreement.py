"""Whether the volumes of segmented structures agree with the true ones."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt, Lt

from preceptor.core.cohort import Cohort
from preceptor.core.evidence import Finding, Predictions, Question
from preceptor.prove.maps import pairs
from preceptor.prove.measuring import Measuring, by_field
from preceptor.prove.quantities import Quantities


class VolumeAgreement:
    """Volume agreement: by how much the volume of each structure in the answer is off, with limits of agreement.

    A volume can be right though the outline is wrong: read it beside an overlap. Volumes are counted in voxels on the
    truth's own grid, those that nobody labelled left out of both; a structure that is absent has the volume 0.

    Args:
        resamples: Of patients, for the intervals.
        level: Of the intervals.
        seed: Of the resamples.
        by: Fields of the cohort to divide by: a part for each value.

    Returns:
        A `Finding`: the mean absolute difference of volumes, in ml (flat images: cm²; pictures without millimetres:
        voxels or pixels), lower is better. A part per structure, each with the parts ``bias``, ``lower_limit`` and
        ``upper_limit`` (Bland and Altman's limits of agreement) and the curve ``differences``.

    Raises:
        CohortError: A stored answer is missing or holds a value that stands for no class.

    Source: Bland & Altman 1986, 2007; Carkeet 2015 (intervals of the limits).

    Example:
        >>> question = Question("segmentation", "label", ("background", "organ"), dense=True, values=(0, 1))
        >>> VolumeAgreement().suits(question)
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
    def example(cls) -> VolumeAgreement:
        return cls()

    def suits(self, question: Question) -> bool:
        return question.dense and question.exclusive and not question.is_regression and not question.numbered

    def __call__(self, predictions: Predictions, cohort: Cohort) -> Finding:
        return by_field(self._measure(predictions, cohort), self.by, predictions, cohort, self._measure)

    def _measure(self, predictions: Predictions, cohort: Cohort) -> Finding:
        classes = predictions.question.classes
        truth, answer = (np.full((len(predictions), len(classes) - 1), np.nan) for _ in range(2))
        units = set()
        for pair in pairs(predictions):
            size, unit = _voxel(pair.spacing, pair.in_millimetres)
            units.add(unit)
            known = pair.truth >= 0
            for volumes, codes in ((truth, pair.truth), (answer, pair.answer)):
                counts = np.bincount(codes[known], minlength=len(classes))
                volumes[pair.row] = counts[1 : len(classes)] * size
        measuring = Measuring.of(predictions, self.resamples, self.level, self.seed)
        unit = " or ".join(sorted(units))
        told = "absolute difference of the volumes of answer and truth, mean over cases"
        same: dict[str, Any] = {"unit": unit, "higher_is_better": False}
        parts = {}
        for at, name in enumerate(classes[1:]):
            numbers = Quantities(measuring, truth[:, at], answer[:, at], unit)
            parts[name] = measuring.mean(
                f"volume_agreement.{name}",
                f"{name}: {told}",
                np.abs(numbers.error),
                parts=numbers.agreement(f"volume_agreement.{name}"),
                curves={"differences": numbers.differences()},
                **same,
            )
        off = np.abs(answer - truth).mean(1)
        between = f"; the mean over {' and '.join(classes[1:])} in each case first" if len(parts) > 1 else ""
        return measuring.mean("volume_agreement", told + between, off, parts=parts, **same)


def _voxel(spacing: tuple[float, ...], in_millimetres: bool) -> tuple[float, str]:
    """How much a voxel is, and of what."""
    if not in_millimetres:
        return 1.0, "voxels" if len(spacing) == 3 else "pixels"
    volume = float(np.prod(spacing))
    return (volume / 1000, "ml") if len(spacing) == 3 else (volume / 100, "cm²")
