"""Features of two domains brought together: subspace alignment, and the distance of their covariances (CORAL)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor


def principal_axes(features: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Where features lie, and the axes along which they vary most.

    Features are centred and not standardised: dividing each by its own deviation would turn the subspace.

    Args:
        features: ``(case, feature)``.
        number: Of axes; at most the cases less one, and the features.

    Returns:
        ``(feature,)`` mean and ``(feature, axis)`` orthonormal axes, the widest first.

    Source: Pearson 1901.
    """
    mean = features.mean(0)
    _, _, axes = np.linalg.svd(features - mean, full_matrices=False)
    return mean, axes[: min(number, len(features) - 1, features.shape[1])].T


def alignment(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The matrix that turns the source's axes as near to the target's as can be: ``source.T @ target``.

    It minimises ``||source @ M - target||_F``. Without it the order and signs of the axes are arbitrary, and the two
    projections can't be compared.

    Args:
        source, target: ``(feature, axis)`` orthonormal.

    Returns:
        ``(source axis, target axis)``.

    Source: Fernando 2013, ICCV, eq. 3.
    """
    return source.T @ target


@dataclass(frozen=True)
class AlignedSubspaces:
    """What was learnt of two domains.

    Args:
        source_mean, target_mean: ``(feature,)``.
        source_axes, target_axes: ``(feature, axis)``.
    """

    source_mean: np.ndarray
    target_mean: np.ndarray
    source_axes: np.ndarray
    target_axes: np.ndarray

    @classmethod
    def fit(cls, source: np.ndarray, target: np.ndarray, axes: int) -> AlignedSubspaces:
        """Learn the axes of either domain; no label is looked at.

        Args:
            source, target: ``(case, feature)``.
            axes: As many of each.
        """
        axes = min(axes, len(source) - 1, len(target) - 1)
        source_mean, source_axes = principal_axes(source, axes)
        target_mean, target_axes = principal_axes(target, axes)
        return cls(source_mean, target_mean, source_axes, target_axes)

    def of_source(self, features: np.ndarray) -> np.ndarray:
        """``(case, axis)``: source features in the target's subspace, ``(x - mean) Ps Ps' Pt``.

        Source: Fernando 2013, section 3.3.
        """
        moved = self.source_axes @ alignment(self.source_axes, self.target_axes)
        return (features - self.source_mean) @ moved

    def of_target(self, features: np.ndarray) -> np.ndarray:
        """``(case, axis)``: target features in their own subspace, ``(x - mean) Pt``."""
        return (features - self.target_mean) @ self.target_axes


def covariance(features: Tensor) -> Tensor:
    """``(feature, feature)``, divided by the cases less one.

    Args:
        features: ``(case, feature)``, two cases or more.
    """
    centred = features - features.mean(0)
    return centred.T @ centred / (len(features) - 1)


def coral_distance(source: Tensor, target: Tensor) -> Tensor:
    """``||Cs - Ct||_F^2 / (4 d^2)``: 0 where both domains' features vary together in the same way.

    Means are not compared, nor what lies beyond the second moment.

    Args:
        source, target: ``(case, feature)``, two cases or more of each.

    Source: Sun & Saenko 2016 (arXiv:1607.01719), eq. 1.
    """
    return (covariance(source) - covariance(target)).square().sum() / (4 * source.shape[1] ** 2)
