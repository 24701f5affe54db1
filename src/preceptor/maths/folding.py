"""Whether a deformation folds: its Jacobian determinant is 0 or less somewhere."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np


@lru_cache(maxsize=512)
def _weights(points: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A natural cubic spline through `points` that span `size` voxels, at three places to an interval: values and slopes."""
    from scipy.interpolate import CubicSpline

    knots = np.linspace(0, max(size - 1, 1), points)
    spline = CubicSpline(knots, np.eye(points), bc_type="natural")
    places = np.linspace(0, max(size - 1, 1), 3 * (points - 1) + 1)
    return spline(places).astype(np.float32), spline(places, 1).astype(np.float32)


def jacobian_determinant(control: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Of ``x -> x + displacement(x)``, three places to each interval between control points.

    Args:
        control: ``(axis, *points)`` displacement in voxels at control points that span the grid.
        shape: Of the grid.

    Returns:
        ``(*places)`` float32.
    """
    dims = len(shape)
    weights = [_weights(number, size) for number, size in zip(control.shape[1:], shape, strict=True)]
    slopes = []
    for along in range(dims):
        field = control
        for axis in reversed(
            range(dims)
        ):  # contract the last axis first; the new one goes in front and moves to its place
            field = np.moveaxis(np.tensordot(field, weights[axis][int(axis == along)], (1 + axis, 1)), -1, 1 + axis)
        slopes.append(field)
    jacobian = np.stack(slopes, axis=1)  # (axis of displacement, axis of slope, *places)
    for axis in range(dims):
        jacobian[axis, axis] += 1
    if dims == 2:
        return jacobian[0, 0] * jacobian[1, 1] - jacobian[0, 1] * jacobian[1, 0]
    return (
        jacobian[0, 0] * (jacobian[1, 1] * jacobian[2, 2] - jacobian[1, 2] * jacobian[2, 1])
        - jacobian[0, 1] * (jacobian[1, 0] * jacobian[2, 2] - jacobian[1, 2] * jacobian[2, 0])
        + jacobian[0, 2] * (jacobian[1, 0] * jacobian[2, 1] - jacobian[1, 1] * jacobian[2, 0])
    )


def folds(control: np.ndarray, shape: Sequence[int]) -> bool:
    """Whether the deformation turns some place inside out."""
    return bool(jacobian_determinant(control, shape).min() <= 0)
