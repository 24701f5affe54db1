"""AUROC among cases of one stratum only: what is left of a ranking once the strata themselves can't help it."""

from __future__ import annotations

import numpy as np

from .intervals import Resamples, Statistic
from .roc import auroc_statistic


def stratified_auroc_statistic(
    truth: np.ndarray, score: np.ndarray, stratum: np.ndarray, resamples: Resamples
) -> Statistic:
    """The chance that a positive case scores above a negative one *of its own stratum*, ties counting one half.

    Every pair of a positive and a negative case within a stratum counts once, so a stratum weighs as many pairs as it
    has; one with a single class has none.

    Args:
        truth: ``(case,)`` 1, 0, or NaN where unlabelled.
        score: ``(case,)``.
        stratum: ``(case,)`` names of the strata (sites, say).
        resamples: Of the same cases.

    Returns:
        NaN in a resample that drew no pair.

    Source: the stratified c-statistic; van Oirbeek & Lesaffre 2012, within-cluster concordance.
    """
    parts = []
    for name in np.unique(stratum):
        here = np.where(stratum == name, truth, np.nan)
        if not ((here == 1).any() and (here == 0).any()):
            continue
        positive = resamples.sum_by_cluster(np.where(here == 1, 1.0, 0.0))
        negative = resamples.sum_by_cluster(np.where(here == 0, 1.0, 0.0))
        parts.append((auroc_statistic(here, score, resamples), positive, negative))

    def statistic(counts: np.ndarray) -> np.ndarray:
        wins, pairs = np.zeros((2, counts.shape[1]))
        for auroc, positive, negative in parts:
            here = (positive @ counts) * (negative @ counts)
            wins += np.where(here > 0, np.nan_to_num(auroc(counts)) * here, 0.0)
            pairs += here
        return np.divide(wins, pairs, out=np.full(counts.shape[1], np.nan), where=pairs > 0)

    return statistic
