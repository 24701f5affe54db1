"""Distances between the surface of the answer and that of the truth."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Gt, Lt

from preceptor.core.cohort import Cohort
from preceptor.core.evidence import Finding, Predictions, Question
from preceptor.maths.surface import surface_distances
from preceptor.prove.maps import MapPair, pairs, unlabelled
from preceptor.prove.measuring import Measuring, by_field, noted, refused

_DEFINITIONS = {
    "hd95": "larger of the two directed 95th percentiles of surface distance (HD95 as MONAI defines it)",
    "assd": "average symmetric surface distance, both directions' distances pooled",
    "hausdorff": "largest surface distance, either way",
    "nsd": "normalised surface distance: share of surface voxels, of both masks, within {tolerance:g} {unit}",
}


class SurfaceDistance:
    """HD95: the distance within which 95 % of either surface lies from the other, the worse direction counting.

    The surface of a mask is its voxels with a face neighbour outside it. Measured between voxel centres on the truth's
    own grid with its spacing, in millimetres; in pixels where the files know no millimetres. HD95 has three definitions
    in use that differ on the same masks: this is MONAI's.

    Args:
        tolerance: Of the normalised surface distance, in the same unit.
        missed: A structure that only truth or answer has: "diagonal" counts the image's diagonal (and 0 for the share
            within the tolerance), "exclude" leaves it out. One that neither has is always left out; all are counted.
        resamples: Of patients, for the intervals.
        level: Of the intervals.
        seed: Of the resamples.
        by: Fields of the cohort to divide by: a part for each value.

    Returns:
        A `Finding` of HD95 (lower is better) with a part per structure, and the parts ``assd``, ``hausdorff`` and
        ``nsd`` (higher is better), each with its structures.

    Raises:
        CohortError: A stored answer is missing or holds a value that stands for no class.

    Source: Huttenlocher 1993 (Hausdorff); Heimann 2009 (ASSD); Nikolov 2021 (arXiv:1809.04430; NSD); Maier-Hein 2024
        (Metrics reloaded) on what is undefined.

    Example:
        >>> SurfaceDistance(tolerance=2.0).tolerance
        2.0
    """

    def __init__(
        self,
        tolerance: Annotated[float, Gt(0)] = 1.0,
        missed: Literal["diagonal", "exclude"] = "diagonal",
        resamples: Annotated[int, Ge(100)] = 2000,
        level: Annotated[float, Gt(0), Lt(1)] = 0.95,
        seed: Annotated[int, Ge(0)] = 0,
        by: list[str] | None = None,
    ) -> None:
        self.tolerance = tolerance
        self.missed = missed
        self.resamples = resamples
        self.level = level
        self.seed = seed
        self.by = by

    @classmethod
    def example(cls) -> SurfaceDistance:
        return cls()

    def suits(self, question: Question) -> bool:
        return question.dense and question.exclusive and not question.is_regression

    def __call__(self, predictions: Predictions, cohort: Cohort) -> Finding:
        return by_field(self._measure(predictions, cohort), self.by, predictions, cohort, self._measure)

    def _measure(self, predictions: Predictions, cohort: Cohort) -> Finding:
        measuring = Measuring.of(predictions, self.resamples, self.level, self.seed)
        structures = predictions.question.classes[1:]
        values = {measure: np.full((len(predictions), len(structures)), np.nan) for measure in _DEFINITIONS}
        in_millimetres = np.full(len(predictions), np.nan)
        both = one = 0
        for pair in pairs(predictions):
            in_millimetres[pair.row] = pair.in_millimetres
            for at in range(len(structures)):
                truth, answer = pair.truth == at + 1, (pair.answer == at + 1) & (pair.truth >= 0)
                found = self._distances(pair, truth, answer)
                absent = not truth.any() and not answer.any()
                both += absent
                one += truth.any() != answer.any()
                for measure, value in found.items():
                    values[measure][pair.row, at] = value
        mixed = bool((in_millimetres == 1).any() and (in_millimetres == 0).any())
        if mixed:
            for each in values.values():
                each[in_millimetres == 0] = np.nan
        unit = "mm" if (in_millimetres == 1).any() else "pixels"
        rule = "counted as the image's diagonal" if self.missed == "diagonal" else "left out"
        notes = (
            *noted(one, f"structure{{s}} that only truth or answer has, {rule}"),
            *noted(both, "structure{s} absent from truth and answer alike, left out: no distance is defined"),
            *noted(int((in_millimetres == 0).sum()) if mixed else 0, "case{s} of unknown millimetres left out"),
            *noted(unlabelled(predictions), "case{s} without a truth, not measured"),
            *refused(predictions),
        )
        findings = {}
        for measure, definition in _DEFINITIONS.items():
            share = measure == "nsd"
            findings[measure] = measuring.structures(
                f"surface_distance.{measure}",
                definition.format(tolerance=self.tolerance, unit=unit),
                values[measure],
                structures,
                unit="" if share else unit,
                higher_is_better=share,
                share=share,
                notes=notes,
            )
        head = findings.pop("hd95")
        parts = {name: replace(part, name=part.name.replace(".hd95", "")) for name, part in head.parts.items()}
        return replace(head, name="surface_distance", parts=parts | findings)

    def _distances(self, pair: MapPair, truth: np.ndarray, answer: np.ndarray) -> dict[str, float]:
        distances = surface_distances(truth, answer, pair.spacing)
        if distances is not None:
            return {
                "hd95": distances.percentile(95),
                "assd": distances.average(),
                "hausdorff": distances.hausdorff,
                "nsd": distances.within(self.tolerance),
            }
        if truth.any() == answer.any() or self.missed == "exclude":
            return {}
        return dict.fromkeys(("hd95", "assd", "hausdorff"), pair.diagonal) | {"nsd": 0.0}
