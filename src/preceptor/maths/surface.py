"""Distances between the surfaces of two masks, in the unit of the spacing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class SurfaceDistances:
    """From every surface voxel of one mask to the nearest of the other, both ways.

    A surface voxel lies in the mask and has a face neighbour outside it; outside the image counts as outside.

    Args:
        forth: ``(surface voxels of the truth,)`` distances to the answer's surface.
        back: ``(surface voxels of the answer,)`` distances to the truth's surface.
    """

    forth: np.ndarray
    back: np.ndarray

    @property
    def hausdorff(self) -> float:
        """The largest distance, either way."""
        return float(max(self.forth.max(), self.back.max()))

    def percentile(self, percent: float = 95.0, pooled: bool = False) -> float:
        """A percentile of the distances.

        Three libraries give three values for one pair of masks, so the choice is named.

        Args:
            percent: 95 for HD95.
            pooled: Of both directions' distances together (MedPy), instead of the larger of the two directions'
                percentiles (MONAI).
        """
        if pooled:
            return float(np.percentile(np.concatenate([self.forth, self.back]), percent))
        return float(max(np.percentile(self.forth, percent), np.percentile(self.back, percent)))

    def average(self, pooled: bool = True) -> float:
        """The average symmetric surface distance.

        Args:
            pooled: The mean of both directions' distances together (MONAI, MedPy), not the mean of the two means.
        """
        if pooled:
            return float((self.forth.sum() + self.back.sum()) / (len(self.forth) + len(self.back)))
        return float((self.forth.mean() + self.back.mean()) / 2)

    def within(self, tolerance: float) -> float:
        """Normalised surface distance: the share of surface voxels, of both masks, that lie within a tolerance.

        Source: Nikolov 2021 (arXiv:1809.04430), with voxels counted instead of surface elements.
        """
        close = np.count_nonzero(self.forth <= tolerance) + np.count_nonzero(self.back <= tolerance)
        return close / (len(self.forth) + len(self.back))


def surface(mask: np.ndarray) -> np.ndarray:
    """The mask minus its erosion by face neighbours.

    Args:
        mask: Boolean, of any number of axes.
    """
    inside = mask.copy()
    for axis in range(mask.ndim):
        lower, upper = [slice(None)] * mask.ndim, [slice(None)] * mask.ndim
        lower[axis], upper[axis] = slice(None, -1), slice(1, None)
        inside[tuple(upper)] &= mask[tuple(lower)]
        inside[tuple(lower)] &= mask[tuple(upper)]
        first: list[int | slice] = [slice(None)] * mask.ndim
        last = first.copy()
        first[axis], last[axis] = 0, -1
        inside[tuple(first)] = False
        inside[tuple(last)] = False
    return mask & ~inside


def surface_distances(truth: np.ndarray, answer: np.ndarray, spacing: Sequence[float]) -> SurfaceDistances | None:
    """All surface distances of a pair of masks at once.

    Only the box that holds a mask is looked at, and only voxels that lie on one surface alone are sought on the other:
    the rest are at distance 0.

    Args:
        truth, answer: Boolean, of one shape.
        spacing: Distance between voxel centres along each axis, in the axes' order.

    Returns:
        None where a mask is empty: distances to nothing are undefined.

    Raises:
        ValueError: The masks differ in shape, or the spacing has not one number an axis.
    """
    if truth.shape != answer.shape or len(spacing) != truth.ndim:
        raise ValueError(f"masks of shapes {truth.shape} and {answer.shape} with {len(spacing)} spacings")
    box = _box(truth, answer)
    if box is None:
        return None
    ours, theirs = surface(truth[box]), surface(answer[box])
    if not ours.any() or not theirs.any():
        return None
    points = [_points(each, spacing) for each in (ours, theirs)]
    return SurfaceDistances(_directed(ours, theirs, *points), _directed(theirs, ours, *reversed(points)))


def _box(truth: np.ndarray, answer: np.ndarray) -> tuple[slice, ...] | None:
    """The smallest box that holds both masks; None where both are empty."""
    either = truth | answer
    flat = either.any(axis=0)  # along the slowest axis first: whole planes at once
    sides = [flat.any(axis=tuple(other for other in range(flat.ndim) if other != axis)) for axis in range(flat.ndim)]
    if not flat.any():
        return None
    box = tuple(_span(side) for side in sides)
    first = either[(slice(None), *box)].reshape(len(either), -1).any(axis=1)
    return (_span(first), *box)


def _span(filled: np.ndarray) -> slice:
    where = np.flatnonzero(filled)
    return slice(int(where[0]), int(where[-1]) + 1)


def _points(mask: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """``(voxel, axis)`` places of a mask's voxels, in the unit of the spacing, in the array's order."""
    flat = np.flatnonzero(mask)  # several times faster than asking for an index per axis at once
    places = np.unravel_index(flat, mask.shape)
    return np.stack([place * float(side) for place, side in zip(places, spacing, strict=True)], axis=1)


def _directed(here: np.ndarray, there: np.ndarray, points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """``(voxels of here,)`` distance of each to the nearest voxel of there."""
    from scipy.spatial import KDTree

    apart = ~there[here]
    distances = np.zeros(len(points))
    if apart.any():
        # An unbalanced tree is faster to build, and it is asked once.
        tree = KDTree(others, leafsize=16, compact_nodes=False, balanced_tree=False)
        distances[apart] = tree.query(points[apart])[0]
    return distances
