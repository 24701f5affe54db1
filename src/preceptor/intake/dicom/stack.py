"""Planes of one series made a volume by where they lie along their normal, and refused where that is not certain.

Never by file name, InstanceNumber or SliceLocation, which may run either way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from preceptor.core.errors import PrepareError

from .planes import Placement

_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_SAME_PLACE_MM = 1e-3
_EVEN = 0.05  # of the median gap
_SHEAR_DEGREES = 0.5


@dataclass(frozen=True)
class Stack:
    """How the planes of a series make one volume.

    Args:
        order: ``(repeat, slice)`` index of each plane.
        affine_mm: Voxel (column, row, slice) to RAS+ millimetres.
        repeated_by: What tells repeats at one position apart; empty where there is one.
    """

    order: np.ndarray
    affine_mm: np.ndarray
    repeated_by: str = ""


def stack(series: Sequence[Placement], *, accept_shear: bool = False) -> Stack:
    """Sort the planes of one series and find their affine.

    Args:
        series: Where each plane lies.
        accept_shear: Take slices that lie aside of one another, whose affine then shears.

    Returns:
        The order along the normal, and the affine.

    Raises:
        PrepareError: Mixed orientation or spacing, a duplicate, a gap, uneven steps, or shear (a tilted gantry); the
            error's place is ``plane N``, the number in `series`.

    Source: DICOM PS3.3 C.7.6.2.1.1.
    """
    first = series[0]
    row, column = _cosines(first)
    for number, plane in enumerate(series):
        if np.abs(plane.orientation - first.orientation).max() > 1e-3:
            raise _refusal(
                "the planes are not parallel: one has another orientation",
                number,
                "one orientation for all planes",
                "split the series by orientation; a localizer belongs to a series of its own",
                "mixed_orientation",
            )
        if not np.allclose(plane.spacing_mm, first.spacing_mm, rtol=1e-4):
            raise _refusal(
                "the planes differ in pixel spacing", number, "one spacing", "split the series", "mixed_spacing"
            )
    normal = np.cross(row, column)
    positions = np.stack([plane.position_mm for plane in series])
    along = positions @ normal
    order, repeated_by = _repeats(series, along)
    places = positions[order[0]]
    step = normal if len(places) == 1 else (places[-1] - places[0]) / (len(places) - 1)
    if len(places) > 1:
        _check_steps(series, order[0], along)
        _check_line(order[0], places, step, normal, accept_shear)
    affine = np.eye(4)
    affine[:3, 0] = row * first.spacing_mm[1]
    affine[:3, 1] = column * first.spacing_mm[0]
    affine[:3, 2] = step
    affine[:3, 3] = places[0]
    return Stack(order, _RAS @ affine, repeated_by)


def _cosines(plane: Placement) -> tuple[np.ndarray, np.ndarray]:
    row, column = plane.orientation[:3], plane.orientation[3:]
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if abs(lengths[0] - 1) > 1e-3 or abs(lengths[1] - 1) > 1e-3 or abs(row @ column) > 1e-3:
        raise _refusal(
            "the orientation is not two perpendicular unit vectors",
            0,
            "direction cosines of the row and of the column",
            "repair it at its source; a direction can't be guessed",
            "orientation",
        )
    if min(plane.spacing_mm) <= 0:
        raise _refusal("the pixel spacing is not above 0", 0, "millimetres above 0", "repair it", "spacing")
    return row / lengths[0], column / lengths[1]  # files write few digits, and the spacing is a length of its own


def _repeats(series: Sequence[Placement], along: np.ndarray) -> tuple[np.ndarray, str]:
    """Planes by ``(repeat, slice)``: one row where each position occurs once."""
    by_place = np.argsort(along, kind="stable")
    breaks = np.flatnonzero(np.diff(along[by_place]) > _SAME_PLACE_MM) + 1
    places = np.split(by_place, breaks)
    counts = {len(place) for place in places}
    if counts == {1}:
        return by_place[None], ""
    if len(counts) == 1:
        for name in series[0].repeats:
            groups = [sorted(place, key=lambda i: _sortable(series[i].repeats.get(name))) for place in places]
            values = [[series[i].repeats.get(name) for i in group] for group in groups]
            told_apart = all(None not in row and len(set(row)) == len(row) for row in values)
            if told_apart and (values.count(values[0]) == len(values) or name in ("AcquisitionTime", "ContentTime")):
                return np.array(groups).T, name
    crowded = next(place for place in places if len(place) > 1)
    slice_number = next(k for k, place in enumerate(places) if len(place) > 1)
    raise _refusal(
        f"{len(crowded)} planes lie at the same position (slice {slice_number} along the normal), and nothing tells "
        "them apart",
        int(max(crowded)),
        "one plane a position, or repeats told apart by time, echo or b-value at every position",
        "take the duplicate out, or split the series",
        "duplicate_position",
    )


def _sortable(value: Any) -> tuple[int, float, str]:
    try:
        return 0, float(value), ""
    except (TypeError, ValueError):
        return 1, 0.0, str(value)


def _check_steps(series: Sequence[Placement], order: np.ndarray, along: np.ndarray) -> None:
    """Equal gaps along the normal."""
    gaps = np.diff(along[order])
    usual = float(np.median(gaps))
    thick = series[order[1]].thickness_mm
    if len(gaps) == 1 and thick and usual > 1.5 * thick:
        raise _refusal(
            f"two slices {usual:g} mm apart and {thick:g} mm thick: those between them seem to be missing",
            int(order[1]),
            "every slice of the series: from two alone the step is not certain",
            "export the series again, complete",
            "gap",
        )
    for index, gap in enumerate(gaps):
        if abs(gap - usual) <= _EVEN * usual:
            continue
        multiple = round(gap / usual)
        after = int(order[index + 1])
        if multiple > 1 and abs(gap - multiple * usual) <= _EVEN * usual:
            raise _refusal(
                f"a gap of {gap:.6f} mm after index {index}: {multiple - 1} of the slices {usual:.6f} mm apart missing",
                after,
                "every slice of the series",
                "export the series again, complete",
                "gap",
            )
        raise _refusal(
            f"uneven slices: {gap:.6f} mm after index {index}, {usual:.6f} mm elsewhere",
            after,
            "gaps equal to 5 %",
            "export the series again, or resample it by its positions at its source",
            "uneven",
        )


def _check_line(
    order: np.ndarray, places: np.ndarray, step: np.ndarray, normal: np.ndarray, accept_shear: bool
) -> None:
    """Slices one above the other: a tilted gantry shears the volume, whatever GantryDetectorTilt says."""
    rise = float(step @ normal)
    aside = float(np.linalg.norm(step - rise * normal))
    degrees = math.degrees(math.atan2(aside, rise))
    if degrees > _SHEAR_DEGREES and not accept_shear:
        raise _refusal(
            f"the slices are sheared by {degrees:.3f} degrees: each lies aside of the one before (a tilted gantry)",
            int(order[1]),
            "slices one above the other along their normal",
            "`preceptor convert --untilt` moves the slices onto one grid and writes NIfTI",
            "shear",
        )
    off = np.linalg.norm(places - (places[0] + np.arange(len(places))[:, None] * step), axis=1)
    if off.max() > _EVEN * rise:
        raise _refusal(
            f"slice {int(off.argmax())} lies {off.max():.3f} mm off the line of the others",
            int(order[off.argmax()]),
            "slices on one line",
            "export the series again",
            "uneven",
        )


def _refusal(what: str, number: int, expected: str, remedy: str, code: str) -> PrepareError:
    return PrepareError(what, where=f"plane {number}", expected=expected, remedy=remedy, code=code)
