"""AUROC where cases weigh differently: a cohort as it would be if its sites had the same mix of classes."""

from __future__ import annotations

import numpy as np

from .intervals import Resamples, Statistic


def weighted_auroc_statistic(
    truth: np.ndarray, score: np.ndarray, weight: np.ndarray, resamples: Resamples
) -> Statistic:
    """The chance that a positive case scores above a negative one, pairs weighed by the product of their weights.

    Args:
        truth: ``(case,)`` 1, 0, or NaN where unlabelled.
        score: ``(case,)``.
        weight: ``(case,)`` at least 0.
        resamples: Of the same cases.
    """
    known = ~np.isnan(np.asarray(truth, dtype=float))
    order = np.flatnonzero(known)[np.argsort(score[known], kind="stable")]
    sorted_score, cluster = score[order], resamples.cluster[order]
    positive = np.where(truth[order] == 1, weight[order], 0.0)[:, None]
    negative = np.where(truth[order] == 0, weight[order], 0.0)[:, None]
    first = np.searchsorted(sorted_score, sorted_score, "left")
    after = np.searchsorted(sorted_score, sorted_score, "right")

    def statistic(counts: np.ndarray) -> np.ndarray:
        drawn = counts[cluster]
        below = np.concatenate([np.zeros((1, counts.shape[1])), np.cumsum(negative * drawn, axis=0)])
        wins = (positive * drawn * (below[first] + below[after])).sum(0) / 2
        pairs = (positive * drawn).sum(0) * below[-1]
        return np.divide(wins, pairs, out=np.full(counts.shape[1], np.nan), where=pairs > 0)

    return statistic
