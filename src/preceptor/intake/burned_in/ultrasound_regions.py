"""What an ultrasound machine says of its picture: which rectangles hold tissue, and which an ECG, a scale or a form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from preceptor.core.errors import PrepareError

if TYPE_CHECKING:
    from pydicom import Dataset

#: RegionSpatialFormat and RegionDataType of what is kept.
_TWO_DIMENSIONAL, _TISSUE, _COLOUR_FLOW = 1, 1, 2

#: A corner so many pixels outside is a machine that counts from 1; beyond it the numbers are another picture's.
_COUNTED_FROM_ONE_PX = 1


def tissue_regions(dataset: Dataset) -> list[tuple[int, int, int, int]]:
    """The rectangles of 2D tissue, and of flow drawn over it, clipped to the picture.

    Other regions are left out: an ECG strip, a spectrum or a scale stands where machines write, and no region says that
    nothing is written in it. An empty list means that the file says nothing; half the files in practice don't.

    Args:
        dataset: With Rows and Columns.

    Returns:
        First column, first row, last column, last row of each, all inclusive.

    Raises:
        PrepareError: Less than a quarter of a region lies inside the picture: it was resized and its regions were not,
            so that they tell nothing; or a corner is no number.

    Source: DICOM PS3.3 C.8.5.5 (US region calibration).
    """
    found = []
    for item in dataset.get("SequenceOfUltrasoundRegions") or []:
        kind = item.get("RegionSpatialFormat"), item.get("RegionDataType")
        if kind[0] != _TWO_DIMENSIONAL or kind[1] not in (_TISSUE, _COLOUR_FLOW):
            continue
        names = ("RegionLocationMinX0", "RegionLocationMinY0", "RegionLocationMaxX1", "RegionLocationMaxY1")
        corners = [item.get(name) for name in names]
        if any(not isinstance(each, int) for each in corners):
            raise _refused("an ultrasound region has no corners")
        left, top, right, bottom = (int(each) for each in corners)
        declared = (right - left + 1) * (bottom - top + 1)
        inside = max(0, right), max(0, bottom)
        clipped = max(0, left), max(0, top), min(inside[0], dataset.Columns - 1), min(inside[1], dataset.Rows - 1)
        kept = max(0, clipped[2] - clipped[0] + 1) * max(0, clipped[3] - clipped[1] + 1)
        if right < left or bottom < top or kept < 0.25 * declared:
            raise _refused(f"{kept / max(declared, 1):.0%} of an ultrasound region lies inside the picture")
        found.append(clipped)
    return found


def regions_fit(dataset: Dataset) -> bool:
    """Whether every region lies in the picture, but for a machine that counts from 1."""
    return all(
        item.get("RegionLocationMaxX1", 0) < dataset.Columns + _COUNTED_FROM_ONE_PX
        and item.get("RegionLocationMaxY1", 0) < dataset.Rows + _COUNTED_FROM_ONE_PX
        for item in dataset.get("SequenceOfUltrasoundRegions") or []
    )


def tissue_mask(dataset: Dataset) -> np.ndarray | None:
    """``(row, column)`` bool: what the tissue's rectangles hold; None where the file names none.

    Raises:
        PrepareError: See `tissue_regions`.
    """
    regions = tissue_regions(dataset)
    if not regions:
        return None
    mask = np.zeros((int(dataset.Rows), int(dataset.Columns)), bool)
    for left, top, right, bottom in regions:
        mask[top : bottom + 1, left : right + 1] = True
    return mask


def _refused(what: str) -> PrepareError:
    return PrepareError(
        what,
        where="(0018,6011)",
        expected="a quarter of it or more",
        remedy="the picture was resized and kept its old coordinates; clean it by its pixels alone",
        code="region_outside",
    )
