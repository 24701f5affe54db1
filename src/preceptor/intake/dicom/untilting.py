"""A tilted gantry set right: slices that lie aside of one another brought onto one rectangular grid."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from preceptor.core.image import Image


def untilted(image: Image) -> Image:
    """The volume on a grid whose third axis is the normal of the slices.

    Each slice is moved within its own plane, by linear interpolation, and not along the normal, so nothing is blended
    between slices. The grid grows by as much as the last slice lies aside of the first; what no slice covers holds the
    lowest value there is (air, in CT).

    Args:
        image: ``(channel, x, y, z)`` or ``(channel, time, x, y, z)``, whose affine shears.

    Returns:
        The image, float32; ``meta["untilted_degrees"]`` is the angle.
    """
    from scipy import ndimage

    affine = image.affine_mm
    across, down, step = affine[:3, 0], affine[:3, 1], affine[:3, 2]
    normal = np.cross(across, down)
    normal /= np.linalg.norm(normal)
    rise = step @ normal
    aside = step - rise * normal
    # How many pixels each slice lies aside of the one before, along both axes of the plane.
    moved = np.linalg.lstsq(np.column_stack([across, down]), aside, rcond=None)[0]
    slices = image.shape[2]
    offsets = np.arange(slices)[:, None] * moved
    first, last = np.floor(offsets.min(axis=0)).astype(int), np.ceil(offsets.max(axis=0)).astype(int)
    size = (image.shape[0] + last[0] - first[0], image.shape[1] + last[1] - first[1])
    array = np.full((*image.array.shape[:-3], *size, slices), image.array.min(), np.float32)
    for k in range(slices):
        for lead in np.ndindex(image.array.shape[:-3]):
            plane = image.array[(*lead, slice(None), slice(None), k)].astype(np.float32)
            shift = first - offsets[k]
            array[(*lead, slice(None), slice(None), k)] = ndimage.affine_transform(
                plane, np.ones(2), shift, output_shape=size, order=1, mode="grid-constant", cval=float(array.min())
            )
    straight = affine.copy()
    straight[:3, 2] = rise * normal
    straight[:3, 3] += first[0] * across + first[1] * down
    degrees = math.degrees(math.atan2(float(np.linalg.norm(aside)), abs(float(rise))))
    return replace(image, array=array, affine_mm=straight, meta={**image.meta, "untilted_degrees": round(degrees, 3)})
