"""Lesions whose volume is known to the last cubic millimetre, also where they are smaller than a few voxels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .phantoms import Lesion


def lesion_share(lesion: Lesion, size: Sequence[int], spacing_mm: Sequence[float]) -> np.ndarray:
    """How much of each voxel a lesion fills.

    Voxels are cut into parts, finer ones the smaller the lesion, and the border's shares are moved a little in the end so
    that all add up to the lesion's own volume: the volume in the image is exact, and each share is right to one or two
    hundredths.

    Args:
        lesion: Centre from the middle of the field of view, half axes along the image's axes.
        size: Voxels along 2 or 3 axes.
        spacing_mm: Along each axis.

    Returns:
        ``(*size)`` float64 in 0..1. Its sum times the voxel's volume is ``lesion.size``, as far as the lesion lies
        inside the field of view.
    """
    share = np.zeros(tuple(size))
    window, fine, nearest, shape = [], [], [], []
    for count, step, centre, radius in zip(size, spacing_mm, lesion.centre_mm, lesion.radii_mm, strict=True):
        middle = centre / step + (count - 1) / 2
        first = max(0, int(np.floor(middle - radius / step + 0.5)) - 1)
        last = min(count, int(np.ceil(middle + radius / step + 0.5)) + 1)
        window.append(slice(first, last))
        nearest.append(round(middle))
        parts = int(np.clip(np.ceil(40 * step / radius), 2, 32))
        inner = (np.arange(parts) + 0.5) / parts - 0.5
        places = np.arange(first, last)[:, None] + inner[None]
        shape += [max(0, last - first), parts]
        fine.append((((places - middle) * step / radius) ** 2).ravel())
    if any(each.stop <= each.start for each in window):
        return share
    square = fine[0]
    for each in fine[1:]:
        square = square[..., None] + each
    inside = (square <= 1).astype(np.float64)
    share[tuple(window)] = inside.reshape(shape).mean(axis=tuple(range(1, 2 * len(window), 2)))
    if not share.any():  # smaller than the finest part: all of it lies in one voxel
        share[tuple(np.clip(nearest, 0, np.asarray(size) - 1))] = 1.0
    return _scaled(share, lesion.size / float(np.prod(list(spacing_mm))), _is_cut(lesion, size, spacing_mm))


def _scaled(share: np.ndarray, voxels: float, is_cut: bool) -> np.ndarray:
    """Shares that add up to a number of voxels: the border's are moved a little, whole voxels stay whole."""
    total = share.sum()
    if is_cut:
        return share
    border = (share > 0) & (share < 1)
    missing = voxels - total
    room = (1 - share[border]).sum() if missing > 0 else share[border].sum()
    if room < abs(missing):
        return share * voxels / total
    moved = share.copy()
    moved[border] += missing * ((1 - share[border]) if missing > 0 else share[border]) / room
    return moved


def _is_cut(lesion: Lesion, size: Sequence[int], spacing_mm: Sequence[float]) -> bool:
    """Whether a part of it lies outside the field of view."""
    return any(
        abs(centre) + radius > count * step / 2
        for centre, radius, count, step in zip(lesion.centre_mm, lesion.radii_mm, size, spacing_mm, strict=True)
    )
