"""Follow a deformation backwards: which place of the output shows a given place of the input."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .warps import field_at

#: How far from the place asked for the answer may be, in voxels.
TOLERANCE = 1e-3
_ROUNDS = 60
_STEP = 1e-3  # voxels, for slopes


def deformed_back(control: np.ndarray, places: np.ndarray, shape: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Solve ``output + displacement(output) = place`` for each place.

    Fixed-point steps (``output <- place - displacement(output)``) reach it wherever displacements change by less than a voxel
    a voxel; what they leave is finished by Newton's steps, halved while they lead away.

    Args:
        control: ``(axis, *points)`` displacement in voxels at control points that span the grid.
        places: ``(place, axis)`` in voxels.
        shape: Of the grid.

    Returns:
        ``(place, axis)`` outputs, and ``(place,)`` how far each misses, in voxels: below `TOLERANCE` where the deformation does
        not fold.

    Source: fixed point: Chen 2008, "A simple fixed-point approach to invert a deformation field".
    """
    target = np.asarray(places, dtype=float).T
    found = target.copy()
    for _ in range(_ROUNDS):
        missed = found + field_at(control, found, shape) - target
        if np.abs(missed).max(initial=0) < TOLERANCE / 10:
            break
        found = found - missed
    missed = np.linalg.norm(found + field_at(control, found, shape) - target, axis=0)
    left = ~(missed < TOLERANCE)
    if left.any():
        found[:, left], missed[left] = _by_newton(control, target[:, left], shape)
    return found.T, missed


def _by_newton(control: np.ndarray, target: np.ndarray, shape: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """All places side by side, from where they would be without a deformation: ``(axis, place)``, and how far each misses."""
    dims = len(target)

    def missing(at: np.ndarray) -> np.ndarray:
        return at + field_at(control, at, shape) - target

    here = target.copy()
    missed = missing(here)
    for _ in range(_ROUNDS // 2):
        length = np.linalg.norm(missed, axis=0)
        if length.max() < TOLERANCE / 10:
            break
        moved = [(missing(here + _STEP * along[:, None]) - missed) / _STEP for along in np.eye(dims)]
        slopes = np.moveaxis(np.stack(moved, axis=1), 2, 0)  # (place, of, along)
        step = (np.linalg.pinv(slopes) @ missed.T[:, :, None])[:, :, 0].T
        share = np.ones(len(length))
        for _ in range(8):
            tried = missing(here - share * step)
            worse = np.linalg.norm(tried, axis=0) >= length
            if not worse.any():
                break
            share = np.where(worse, share / 2, share)
        here = here - share * step
        missed = missing(here)
    return here, np.linalg.norm(missed, axis=0)
