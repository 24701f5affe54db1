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
        first, last = [slice(None)] * mask.ndim, [slice(None)] * mask.ndim
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
    scale = np.asarray(spacing, dtype=np.float64)
    return SurfaceDistances(_directed(ours, theirs, scale), _directed(theirs, ours, scale))


def _box(truth: np.ndarray, answer: np.ndarray) -> tuple[slice, ...] | None:
    """The smallest box that holds both masks; None where both are empty."""
    either = truth | answer
    box = []
    for axis in range(either.ndim):
        filled = np.flatnonzero(either.any(axis=tuple(other for other in range(either.ndim) if other != axis)))
        if not len(filled):
            return None
        box.append(slice(filled[0], filled[-1] + 1))
    return tuple(box)


def _directed(here: np.ndarray, there: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """``(voxels of here,)`` distance of each to the nearest voxel of there; those on both come first, with 0."""
    from scipy.spatial import KDTree

    apart = np.argwhere(here & ~there)
    distances = np.zeros(np.count_nonzero(here))
    if len(apart):
        # Unbalanced trees are faster to build, and each is asked once.
        tree = KDTree(np.argwhere(there) * scale, leafsize=16, compact_nodes=False, balanced_tree=False)
        distances[len(distances) - len(apart) :] = tree.query(apart * scale)[0]
    return distances
