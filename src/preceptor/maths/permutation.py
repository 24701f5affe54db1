"""Tests of two answers to the same cases by exchanging them, whole patients at a time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

#: Up to so many clusters every way of exchanging is tried, and p is exact.
_EXACT = 13

#: Numbers held at once: they stay in the processor's cache.
_BLOCK = 2**17


class Exchanged(NamedTuple):
    """What exchanging the two answers of whole patients says of their difference.

    Args:
        difference: First minus second.
        p: Two-sided.
        tried: How many ways of exchanging were looked at.
        exact: Whether those are all there are.
    """

    difference: float
    p: float
    tried: int
    exact: bool


def exchange_means(
    first: np.ndarray, second: np.ndarray, cluster: np.ndarray, tries: int = 10_000, seed: int = 0
) -> Exchanged:
    """Are the means of two numbers per case the same?

    If it did not matter which model gave which number, exchanging the two of any patient would change nothing but the
    sign of that patient's difference. A patient's cases are exchanged together, since they resemble one another.

    Args:
        first, second: ``(case,)``; a case where either is NaN is left out.
        cluster: ``(case,)`` patient of each case.
        tries: Random ways of exchanging, where there are too many to try all.
        seed: Of those.

    Source: Fisher 1935 (sign changes); by cluster: Good 2005 (Permutation, Parametric and Bootstrap Tests), section 3.7.
    """
    gap = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    known = ~np.isnan(gap)
    place = np.unique(np.asarray(cluster)[known], return_inverse=True)[1]
    sums = np.bincount(place, gap[known])
    signs, exact = _signs(len(sums), tries, seed)
    found = sums @ signs
    value = sums.sum()
    return Exchanged(_share(value, known.sum()), _p(value, found, exact), len(found), exact)


def exchange_auroc(
    truth: np.ndarray, first: np.ndarray, second: np.ndarray, cluster: np.ndarray, tries: int = 2000, seed: int = 0
) -> Exchanged:
    """Are the AUROCs of two scores of the same cases the same?

    The scores are turned into ranks first: two models need not speak on one scale.

    Args:
        truth: ``(case,)`` 1, 0, or NaN where unlabelled (such a case enters nothing).
        first, second: ``(case,)`` scores.
        cluster: ``(case,)`` patient of each case.
        tries: Random ways of exchanging, where there are too many to try all.
        seed: Of those.

    Raises:
        ValueError: No case is positive, or none negative.

    Source: Venkatraman & Begg 1996 (exchanging ranks); by cluster: as `exchange_means`.
    """
    from scipy.stats import rankdata

    known = ~np.isnan(np.asarray(truth, dtype=np.float64))
    positive = np.asarray(truth)[known] == 1
    if positive.all() or not positive.any():
        raise ValueError("no case is positive, or none is negative: there is no ranking to compare")
    # Twice the rank is a whole number, ties included.
    ranks = np.stack([2 * rankdata(np.asarray(each)[known]) for each in (first, second)]).astype(np.int64)
    place = np.unique(np.asarray(cluster)[known], return_inverse=True)[1]
    signs, exact = _signs(int(place.max()) + 1, tries, seed)
    value = _area_gap(ranks[:1].T, ranks[1:].T, positive)[0]
    width = max(1, _BLOCK // len(positive))
    found = []
    for start in range(0, signs.shape[1], width):
        stays = signs[place, start : start + width] > 0
        one = np.where(stays, ranks[0][:, None], ranks[1][:, None])
        found.append(_area_gap(one, ranks.sum(0)[:, None] - one, positive))
    drawn = np.concatenate(found)
    return Exchanged(float(value), _p(value, drawn, exact), len(drawn), exact)


def _area_gap(one: np.ndarray, other: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """``(column,)`` AUROC of one less that of the other; both ``(case, column)`` twice the ranks."""
    return _areas(one, positive) - _areas(other, positive)


def _areas(ranks: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """AUROCs by counting: whole numbers need no sorting."""
    cases, columns = ranks.shape
    width = 2 * cases + 1
    cell = ranks + np.arange(columns) * width
    above, below = (
        np.bincount(cell[rows].ravel(), minlength=columns * width).reshape(columns, width)
        for rows in (positive, ~positive)
    )
    wins = (above * (np.cumsum(below, axis=1) - 0.5 * below)).sum(1)
    return wins / (positive.sum() * (~positive).sum())


def _signs(clusters: int, tries: int, seed: int) -> tuple[np.ndarray, bool]:
    """``(cluster, try)`` of 1 (stays) and -1 (exchanged): every way there is where they are few."""
    if clusters <= _EXACT:
        ways = np.arange(2**clusters)
        return 1.0 - 2.0 * ((ways >> np.arange(clusters)[:, None]) & 1), True
    return np.random.default_rng(seed).choice([-1.0, 1.0], (clusters, tries)), False


def _p(value: float, found: np.ndarray, exact: bool) -> float:
    """How often chance does as much. What is observed counts as one try, so that p is never 0."""
    as_far = int((np.abs(found) >= abs(value) - 1e-12 * max(abs(value), 1.0)).sum())
    return as_far / len(found) if exact else (as_far + 1) / (len(found) + 1)


def _share(total: float, cases: int) -> float:
    return float(total / cases) if cases else float("nan")
