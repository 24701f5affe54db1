"""Images of one view that hold their values in two ways: 8 bits beside 16, Hounsfield units beside shifted ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from annotated_types import Gt, Lt

from preceptor.core.cohort import Case, Cohort, Sample
from preceptor.core.errors import Problem
from preceptor.core.image import Image
from preceptor.core.plugins import Task

#: What is added to Hounsfield units so that they are not negative, and how far it may be missed.
_OFFSETS, _NEAR = (1000.0, 1024.0), 40.0

#: Air in Hounsfield units, at most: what the lowest values of a CT with air in it are.
_AIR_HU = -800.0


class MixedValues:
    """Images that were stored with fewer bits than the others of their view, or with another zero.

    An 8-bit export beside 16-bit originals has lost its scale and, as JPEG, its detail. A CT whose rescale intercept
    was not applied starts at 0 where the others start at -1024: it is bone where there was soft tissue.

    Args:
        most: Share of a view's images up to which the odd ones are told; above it there are two kinds, and the larger
            share may be the wrong one, so all of the smaller are told as well.

    Raises: nothing; it returns `Problem` records of severity ``warning``.

    Source: own; Hounsfield units in DICOM PS3.3 C.11.1.1.2 (rescale intercept).

    Example:
        >>> MixedValues()(Cohort((), Path()), {}, None)
        []
    """

    reads = "pixels"

    def __init__(self, most: Annotated[float, Gt(0), Lt(1)] = 0.5) -> None:
        self.most = most

    @classmethod
    def example(cls) -> MixedValues:
        return cls()

    def look(self, case: Case, sample: Sample | None, error: Exception | None) -> Any:
        if sample is None:
            return None
        return {view: _described(image) for view, image in sample.images.items()}

    def __call__(self, cohort: Cohort, facts: Mapping[str, Any], task: Task | None) -> list[Problem]:
        problems = []
        for view in cohort.views:
            seen = {case.key: facts[case.key][view] for case in cohort if view in (facts.get(case.key) or {})}
            problems += self._by_bits(view, seen) + _by_zero(view, seen)
        return problems

    def _by_bits(self, view: str, seen: Mapping[str, Any]) -> list[Problem]:
        eight = [key for key, fact in seen.items() if fact["bits"] == 8]
        more = [key for key, fact in seen.items() if fact["bits"] == 16]
        if not eight or not more:
            return []
        odd, others = (eight, more) if len(eight) <= self.most * (len(eight) + len(more)) else (more, eight)
        held = "8 bits" if odd is eight else "more than 8 bits"
        return [
            Problem(
                f"{len(odd)} of {view}'s images hold {held}, and the other {len(others)} do not",
                f"view {view}",
                "values of one depth and one scale in a view",
                "take the originals; a copy of 8 bits has lost its scale, and maybe detail to JPEG",
                "values_depth",
                tuple(odd),
                "warning",
            )
        ]


def _by_zero(view: str, seen: Mapping[str, Any]) -> list[Problem]:
    lowest = {key: fact["lowest"] for key, fact in seen.items() if fact["lowest"] is not None}
    hounsfield = [key for key, value in lowest.items() if value <= _AIR_HU]
    if not hounsfield:
        return []
    usual = float(np.median([lowest[key] for key in hounsfield]))
    shifted = [
        key
        for key, value in lowest.items()
        if key not in hounsfield and any(abs(value - usual - offset) <= _NEAR for offset in _OFFSETS)
    ]
    if not shifted:
        return []
    return [
        Problem(
            f"{len(shifted)} image{'s' if len(shifted) > 1 else ''} of {view} start{'' if len(shifted) > 1 else 's'} at about "
            f"{np.median([lowest[key] for key in shifted]):.0f}, where {len(hounsfield)} start at {usual:.0f}",
            f"view {view}",
            "Hounsfield units for all, with air at about -1000",
            "apply the rescale intercept (often -1024) of these images, or take them from DICOM again",
            "values_offset",
            tuple(shifted),
            "warning",
        )
    ]


def _described(image: Image) -> dict[str, Any]:
    """How many bits the values need, and where they start; None where it can't be said."""
    array = image.array
    whole = array.dtype.kind in "iu" or (np.isfinite(array).all() and bool((array == np.rint(array)).all()))
    bits = None
    if whole and array.size:
        bits = 8 if array.min() >= 0 and array.max() <= 255 else 16
    finite = array.ravel()[:: max(1, array.size // 200_000)]
    lowest = float(np.quantile(finite, 0.005)) if finite.size and np.isfinite(finite).all() else None
    return {"bits": bits, "lowest": lowest}
