"""How much two label maps lie on each other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Overlap(NamedTuple):
    """Voxels of each class.

    Args:
        both: ``(class,)`` in both maps.
        truth: ``(class,)`` in the truth.
        answer: ``(class,)`` in the answer.
    """

    both: np.ndarray
    truth: np.ndarray
    answer: np.ndarray


def overlap(truth: np.ndarray, answer: np.ndarray, classes: int) -> Overlap:
    """Count the voxels of every class in one pass.

    Args:
        truth: ``(*space,)`` class index, -1 where nobody looked: such a voxel enters no count.
        answer: ``(*space,)`` class index.
        classes: How many.

    Raises:
        ValueError: The maps differ in shape.
    """
    if truth.shape != answer.shape:
        raise ValueError(f"truth has the shape {truth.shape}, the answer {answer.shape}")
    known = truth >= 0
    pairs = truth[known].astype(np.int64) * classes + answer[known]
    table = np.bincount(pairs, minlength=classes**2).reshape(classes, classes)
    return Overlap(np.diagonal(table).copy(), table.sum(1), table.sum(0))


def dice(counts: Overlap) -> np.ndarray:
    """``(class,)`` twice the shared voxels over the voxels of both; NaN where both are empty."""
    return _ratio(2 * counts.both, counts.truth + counts.answer)


def iou(counts: Overlap) -> np.ndarray:
    """``(class,)`` shared voxels over the voxels of either (Jaccard index); NaN where both are empty."""
    return _ratio(counts.both, counts.truth + counts.answer - counts.both)


def expected_dice(answer: np.ndarray, top: np.ndarray) -> float:
    """The Dice that probabilities foretell for all structures against the background, as if they were calibrated.

    Args:
        answer: Boolean, where a structure is answered.
        top: Probability of what was answered, structure or background, voxel by voxel.

    Returns:
        Expected shared voxels, twice, over the voxels answered and those expected to be a structure; 1 where neither
        is any.
    """
    shared = float(np.sum(top, where=answer, dtype=np.float64))
    missed = float(np.sum(1.0 - top, where=~answer, dtype=np.float64))
    size = np.count_nonzero(answer) + shared + missed
    return 2 * shared / size if size > 0 else 1.0


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)
