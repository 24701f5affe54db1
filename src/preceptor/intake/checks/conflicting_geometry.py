"""Files whose header says two different things about where the voxels lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from annotated_types import Gt

from preceptor.core.cohort import Case, Cohort, Sample
from preceptor.core.errors import Problem
from preceptor.core.image import Image
from preceptor.core.plugins import Task


class ConflictingGeometry:
    """NIfTI headers with two affines for one space, an sform and a qform, that place the voxels differently.

    They may differ where they name different spaces (the scanner's and an atlas'). Where both have the same code, one
    of two programs wrote one of them and forgot the other: a map flipped left for right looks like that, and no look
    at the pixels tells which is true.

    Args:
        tolerance_voxels: How far apart the two may place a corner, in the smallest voxel side.

    Raises: nothing; it returns `Problem` records of severity ``error``.

    Source: NIfTI-1 standard (nifti1.h), "orientation and location in space".

    Example:
        >>> ConflictingGeometry()(Cohort((), Path()), {}, None)
        []
    """

    reads = "pixels"

    def __init__(self, tolerance_voxels: Annotated[float, Gt(0)] = 0.5) -> None:
        self.tolerance_voxels = tolerance_voxels

    @classmethod
    def example(cls) -> ConflictingGeometry:
        return cls()

    def look(self, case: Case, sample: Sample | None, error: Exception | None) -> Any:
        if sample is None:
            return None
        both = {f"view {name}": image for name, image in sample.images.items()}
        both |= {f"mask {name}": mask for name, mask in sample.masks.items()}
        return {name: apart for name, image in both.items() if (apart := self._apart_mm(image)) is not None} or None

    def _apart_mm(self, image: Image) -> float | str | None:
        apart = image.meta.get("qform_differs_mm")
        if apart is None or image.meta.get("sform_code") != image.meta.get("qform_code"):
            return None
        if isinstance(apart, str):
            return apart
        return round(float(apart), 3) if float(apart) > self.tolerance_voxels * min(image.spacing_mm) else None

    def __call__(self, cohort: Cohort, facts: Mapping[str, Any], task: Task | None) -> list[Problem]:
        found = {case.key: facts[case.key] for case in cohort if facts.get(case.key)}
        if not found:
            return []
        key, first = next(iter(found.items()))
        name, apart = next(iter(first.items()))
        shown = f"{apart:g} mm" if isinstance(apart, (int, float)) else apart
        return [
            Problem(
                f"the two affines of {len(found)} case{'s' if len(found) > 1 else ''} contradict each other "
                f"({shown} apart, case {key}, {name})",
                "headers",
                "an sform and a qform that place the voxels alike",
                "take the image from its source again, and write both affines from the one that is known to be true",
                "affines_contradict",
                tuple(found),
            )
        ]
