"""Random deformations, and whether they fold: whether their Jacobian determinant is 0 or less somewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from .warps import natural_spline


@lru_cache(maxsize=512)
def _values_and_slopes(points: int, size: int) -> np.ndarray:
    """A natural cubic spline through control points that span an axis, looked at in three places to an interval.

    Returns:
        ``(2 * places, points)``: what each value takes from the control points, then what each slope takes.
    """
    places = np.linspace(0, max(size - 1, 1), 3 * (points - 1) + 1)
    both = [natural_spline(places, points, size, derivative) for derivative in (0, 1)]
    return np.concatenate(both).astype(np.float32)


def jacobian_determinant(control: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Of ``x -> x + displacement(x)``, in three places to each interval between control points.

    Args:
        control: ``(axis, *points)`` float32 displacement in voxels at control points that span the grid.
        shape: Of the grid.

    Returns:
        ``(*places)`` float32.
    """
    dims = len(shape)
    field = control
    for axis in reversed(range(dims)):  # all values and slopes of one axis by one product
        weights = _values_and_slopes(field.shape[1 + axis], shape[axis])
        before, after = field.shape[: 1 + axis], field.shape[2 + axis :]
        field = (weights @ field.reshape(*before, field.shape[1 + axis], -1)).reshape(*before, len(weights), *after)
    half = [size // 2 for size in field.shape[1:]]

    def slope(of: int, along: int) -> np.ndarray:
        cut = tuple(slice(n, None) if axis == along else slice(n) for axis, n in enumerate(half))
        index: tuple[int | slice, ...] = (of, *cut)
        return field[index]

    if dims == 2:
        return (1 + slope(0, 0)) * (1 + slope(1, 1)) - slope(0, 1) * slope(1, 0)
    xx, yy, zz = (1 + slope(axis, axis) for axis in range(3))
    xy, xz, yx, yz, zx, zy = (slope(i, j) for i in range(3) for j in range(3) if i != j)
    return xx * (yy * zz - yz * zy) - xy * (yx * zz - yz * zx) + xz * (yx * zy - yy * zx)


def folds(control: np.ndarray, shape: Sequence[int]) -> bool:
    """Whether the deformation turns some place inside out."""
    return bool(jacobian_determinant(control, shape).min() <= 0)


def unfolded(draw: Callable[[], np.ndarray], shape: Sequence[int]) -> np.ndarray:
    """Draw displacements until one does not fold; after eight that do, halve the last until it does not.

    Args:
        draw: Gives ``(axis, *points)`` float32 displacements in voxels.
        shape: Of the grid that the control points span.
    """
    for _ in range(8):
        control = draw()
        if not folds(control, shape):
            return control
    while folds(control, shape):
        control = control / 2
    return control


def simard_displacement(rng: np.random.Generator, shape: Sequence[int], alpha: float, sigma: float) -> np.ndarray:
    """A random displacement of every voxel: even from -1 to 1 along each axis, blurred, times `alpha`.

    Args:
        rng: Drawn from axis by axis, the first axis first.
        shape: Of the grid.
        alpha: In voxels.
        sigma: Of the Gaussian, in voxels; the image is surrounded by zeros.

    Returns:
        ``(axis, *shape)`` float64, in voxels.

    Source: Simard 2003, section 2.
    """
    from scipy import ndimage

    fields = [rng.uniform(-1, 1, size=tuple(shape)) for _ in shape]
    return np.stack([ndimage.gaussian_filter(field, sigma, mode="constant") * alpha for field in fields])
