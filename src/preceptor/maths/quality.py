"""How noisy, how sharp and how whole an image is, from its pixels alone.

To be asked of images as they were stored: resampling takes noise away and blurs.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

#: Slices of a volume that are looked at, evenly spread: more say no more.
_MOST_SLICES = 32


def noise_deviation(planes: np.ndarray, form: Literal["mean", "median"] = "mean") -> float:
    """Standard deviation of the noise, from what a second difference along both axes leaves of a picture.

    Args:
        planes: ``(x, y)`` or ``(plane, x, y)``; 3 x 3 pixels at least.
        form: ``mean`` of the absolute response; ``median`` heeds edges and texture less.

    Returns:
        In the image's own units; the median over the planes. Structure as fine as the pixels counts as noise.

    Raises:
        ValueError: The planes are smaller than 3 x 3.

    Source: Immerkaer 1996, "Fast noise variance estimation", equation 4; the median form as in Donoho & Johnstone 1994.
    """
    planes = _as_planes(planes)
    response = np.abs(np.diff(np.diff(planes, 2, axis=1), 2, axis=2)).reshape(len(planes), -1)
    if form == "mean":
        found = np.sqrt(np.pi / 2) / 6 * response.mean(axis=1)
    else:
        found = 1.4826 / 6 * np.median(response, axis=1)
    return float(np.median(found))


def sharpness(planes: np.ndarray) -> float:
    """Logarithm of the mean absolute Laplacian of the standardised picture: lower is more blurred.

    Args:
        planes: ``(x, y)`` or ``(plane, x, y)``; 3 x 3 pixels at least, not constant.

    Returns:
        Without units; the median over the planes. NaN where every plane is constant.

    Raises:
        ValueError: The planes are smaller than 3 x 3.

    Source: variance and sum of the Laplacian as measures of focus, Pertuz 2013, Pattern Recognition 46(5).
    """
    planes = _as_planes(planes)
    planes = planes[np.ptp(planes, axis=(1, 2)) > 0]
    if not len(planes):
        return float("nan")
    plain = (planes - planes.mean(axis=(1, 2), keepdims=True)) / planes.std(axis=(1, 2), keepdims=True)
    curved = np.diff(plain, 2, axis=1)[:, :, 1:-1] + np.diff(plain, 2, axis=2)[:, 1:-1]
    return float(np.median(np.log(np.abs(curved).mean(axis=(1, 2)) + 1e-12)))


def shares_at_ends(array: np.ndarray, margin: float = 0.005) -> tuple[float, float]:
    """Share of the pixels at the lowest and at the highest value: what was cut off there can't be told from the rest.

    Args:
        array: Of any shape.
        margin: How near to the end counts, as a share of the range.

    Returns:
        ``(lowest, highest)``; both 1 where all values are equal.
    """
    lowest, highest = float(array.min()), float(array.max())
    near = margin * (highest - lowest)
    return float((array <= lowest + near).mean()), float((array >= highest - near).mean())


def spoilt_slices(volume: np.ndarray) -> tuple[int, int]:
    """Slices that hold nothing between slices that do, and slices that repeat the one before.

    Args:
        volume: ``(*space)``, three axes: each of them is looked along.

    Returns:
        ``(empty, repeated)``: the most along any axis. Margins of a constant value are no fault.
    """
    empty, repeated = 0, 0
    for axis in range(volume.ndim):
        flat = np.moveaxis(volume, axis, 0).reshape(volume.shape[axis], -1)
        constant = flat.min(axis=1) == flat.max(axis=1)
        shown = np.flatnonzero(~constant)
        if len(shown) < 2:
            continue
        inside = slice(shown[0], shown[-1] + 1)
        empty = max(empty, int(constant[inside].sum()))
        same = (flat[1:] == flat[:-1]).all(axis=1) & ~constant[1:]
        repeated = max(repeated, int(same.sum()))
    return empty, repeated


def planes_of(array: np.ndarray, spacing_mm: tuple[float, ...]) -> np.ndarray:
    """The planes of an image in which it is finest.

    Args:
        array: ``(*space)``, two or three axes.
        spacing_mm: Of each axis.

    Returns:
        ``(plane, x, y)``: of a volume up to 32, across the axis of the largest spacing (the last of equal ones).
    """
    if array.ndim == 2:
        return array[None]
    across = max(range(3), key=lambda axis: (round(spacing_mm[axis], 3), axis))
    planes = np.moveaxis(array, across, 0)
    return planes[:: max(1, len(planes) // _MOST_SLICES)][:_MOST_SLICES]


def _as_planes(planes: np.ndarray) -> np.ndarray:
    planes = np.asarray(planes, dtype=np.float32)
    planes = planes[None] if planes.ndim == 2 else planes
    if planes.ndim != 3 or min(planes.shape[1:]) < 3:
        raise ValueError(f"planes of 3 x 3 pixels at least are needed, not {planes.shape}")
    return planes
