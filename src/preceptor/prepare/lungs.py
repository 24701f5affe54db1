"""Lungs by threshold and connected parts: in chest CT, where air is air, and in frontal chest X-rays, where it is a guess."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from .body import dilated, eroded, filled, find_body

#: Hounsfield units: the body is denser than the first, lungs are less dense than the second.
_BODY_HU, _LUNG_HU = -300.0, -400.0
#: Windpipe and bowel gas are smaller than this share of the largest lung.
_LEAST_OF_LARGEST = 0.1
#: Vessels and small nodules up to twice this across belong to the lung; bridges half as wide are cut.
_CLOSING_MM, _OPENING_MM = 6.0, 1.5
#: X-rays are looked at with this many pixels on the longer side.
_SIDE = 192


class Lungs(NamedTuple):
    """Where the lungs are.

    Args:
        mask: ``(*space)`` bool.
        quality: 0..1: how much what was found looks like two lungs (see `lungs_in_ct`, `lungs_in_xray`).
        parts: How many parts it has.
    """

    mask: np.ndarray
    quality: float
    parts: int


def lungs_in_ct(hu: np.ndarray, spacing_mm: tuple[float, ...], left_right: int) -> Lungs:
    """The air inside the body in large parts, with the vessels in it.

    Args:
        hu: ``(x, y, z)`` Hounsfield units.
        spacing_mm: Along each axis.
        left_right: The axis that runs from side to side.

    Returns:
        Quality is the smaller side's share of half the volume: 1 for two lungs alike, 0 where one side has none.
    """
    body, _ = find_body(hu, _BODY_HU, 3 * max(spacing_mm[:2]), spacing_mm)
    air = eroded(body & (hu < _LUNG_HU), _OPENING_MM, spacing_mm)
    parts, number = ndimage.label(air)
    if not number:
        return Lungs(air, 0.0, 0)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    large = sizes >= _LEAST_OF_LARGEST * sizes.max()
    found = dilated(large[parts] & air, _OPENING_MM, spacing_mm) & body & (hu < _LUNG_HU)
    room = [(int(np.ceil(_CLOSING_MM / each)) + 1,) * 2 for each in spacing_mm]
    closed = eroded(dilated(np.pad(found, room), _CLOSING_MM, spacing_mm), _CLOSING_MM, spacing_mm)
    found = filled(closed[tuple(slice(low, -high) for low, high in room)] & body)
    across = np.moveaxis(found, left_right, 0).reshape(found.shape[left_right], -1).sum(1)
    columns = np.flatnonzero(np.moveaxis(body, left_right, 0).reshape(len(across), -1).any(1))
    middle = int(columns.mean()) if len(columns) else len(across) // 2
    smaller = min(across[:middle].sum(), across[middle:].sum())
    return Lungs(found, float(2 * smaller / max(across.sum(), 1)), int(large.sum()))


def lungs_in_xray(grey: np.ndarray) -> Lungs:
    """The two large dark parts of a frontal chest X-ray that lie side by side and do not reach its edges.

    Args:
        grey: ``(x, y)``, lungs darker than the mediastinum, the patient upright.

    Returns:
        Quality is the product of three shares: how alike the two are in size, how much of their height they share,
        and how much of their convex hulls they fill. Of several thresholds the one with the best is taken.
    """
    from skimage.filters import gaussian
    from skimage.morphology import convex_hull_image
    from skimage.transform import resize

    scale = min(1.0, _SIDE / max(grey.shape))
    small = resize(grey.astype(float), [max(8, round(n * scale)) for n in grey.shape], anti_aliasing=True)
    low, high = np.percentile(small, [2, 98])
    small = gaussian(np.clip((small - low) / max(high - low, 1e-9), 0, 1), 1.5)
    # Brightness differs from top to bottom and from side to side: each place is compared with its wide surroundings.
    local = small - 0.6 * gaussian(small, 0.2 * max(small.shape), mode="nearest")
    best = Lungs(np.zeros(small.shape, bool), 0.0, 0)
    for threshold in np.quantile(local, np.linspace(0.2, 0.55, 12)):
        candidate = _two_sides(local < threshold)
        if candidate is None:
            continue
        left, right = (np.asarray(convex_hull_image(each)) for each in candidate)
        solid = (candidate[0].sum() + candidate[1].sum()) / (left.sum() + right.sum())
        sizes = sorted(each.sum() for each in candidate)
        rows = [set(np.flatnonzero(each.any(0))) for each in candidate]
        shared = len(rows[0] & rows[1]) / len(rows[0] | rows[1])
        quality = float(sizes[0] / sizes[1] * shared * solid)
        both = candidate[0] | candidate[1]
        # Half a lung is as shapely as a whole one: of shapes as good the larger is taken.
        if quality * both.mean() > best.quality * best.mask.mean():
            best = Lungs(both, quality, 2)
    whole = resize(best.mask.astype(float), grey.shape, order=1) >= 0.5
    return Lungs(whole, best.quality, best.parts)


def _two_sides(dark: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """The largest plausible part on either side, smoothed and without holes; None where a side has none."""
    from skimage.measure import label, regionprops

    width, height = dark.shape
    pixels = (1.0, 1.0)
    parts = label(eroded(dark, 1.5, pixels), connectivity=1)
    found: list[np.ndarray | None] = [None, None]
    for part in sorted(regionprops(parts), key=lambda each: -each.area):
        begin_x, begin_y, end_x, end_y = part.bbox
        at_edge = (begin_x <= 1) + (end_x >= width - 1) + (begin_y <= 1) + (end_y >= height - 1)
        share = part.area / dark.size
        side = int(part.centroid[0] > width / 2)
        central = abs(part.centroid[0] / width - 0.5)
        fits = 0.02 < share < 0.3 and 0.08 < central < 0.38 and 0.2 < part.centroid[1] / height < 0.75
        if not fits or at_edge > 1 or (end_x - begin_x) > 0.6 * width or found[side] is not None:
            continue
        room = 12
        shape = np.pad(dilated(parts == part.label, 1.5, pixels), room)
        closed = eroded(dilated(shape, 8, pixels), 8, pixels)[room:-room, room:-room]
        found[side] = ndimage.binary_fill_holes(closed)
    left, right = found
    return None if left is None or right is None else (left, right)
