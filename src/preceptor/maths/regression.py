"""How well measured numbers agree: explained variance, rank correlation, limits of agreement, all resampled at once."""

from __future__ import annotations

import numpy as np

from .intervals import Resamples, Statistic

#: Standard deviations on either side of the mean that hold 95 % of a normal distribution.
NORMAL_95 = 1.959963984540054


def r_squared_statistic(truth: np.ndarray, answer: np.ndarray, resamples: Resamples) -> Statistic:
    """``1 - sum of squared errors / sum of squared distances of the truth from its mean``; NaN where the truth is one.

    Below 0 the mean of the truth would have been the better answer.

    Args:
        truth, answer: ``(case,)``; a case with a NaN enters nothing.
        resamples: Of the same cases.
    """
    known = ~np.isnan(truth + answer)
    centred = np.where(known, truth - (truth[known].mean() if known.any() else 0.0), 0.0)
    columns = np.stack([known, centred, centred**2, np.where(known, answer - truth, 0.0) ** 2], axis=1)
    sums = resamples.sum_by_cluster(columns).T

    def statistic(counts: np.ndarray) -> np.ndarray:
        number, first, second, errors = sums @ counts
        with np.errstate(divide="ignore", invalid="ignore"):
            spread = second - first**2 / number
            return np.where(spread > 1e-12 * np.maximum(second, 1e-300), 1 - errors / spread, np.nan)

    return statistic


def limits_statistic(difference: np.ndarray, resamples: Resamples, standard_deviations: float) -> Statistic:
    """The mean of differences plus so many of their standard deviations; NaN with fewer than two.

    Args:
        difference: ``(case,)`` answer minus truth; NaN enters nothing.
        resamples: Of the same cases.
        standard_deviations: -1.96 for the lower limit of agreement, 1.96 for the upper one.

    Source: Bland & Altman 1986.
    """
    known = ~np.isnan(difference)
    middle = float(np.mean(difference[known])) if known.any() else 0.0
    centred = np.where(known, difference - middle, 0.0)
    sums = resamples.sum_by_cluster(np.stack([known, centred, centred**2], axis=1)).T

    def statistic(counts: np.ndarray) -> np.ndarray:
        number, first, second = sums @ counts
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = first / number
            spread = np.sqrt(np.maximum(second - number * mean**2, 0) / (number - 1))
            return np.where(number > 1, middle + mean + standard_deviations * spread, np.nan)

    return statistic


def limit_interval(
    mean: float, deviation: float, cases: int, standard_deviations: float, level: float = 0.95
) -> tuple[float, float]:
    """The exact interval of a limit of agreement, of differences that are normal and of different patients.

    Args:
        mean: Of the differences.
        deviation: Their standard deviation (divisor ``cases - 1``).
        cases: How many, two or more.
        standard_deviations: -1.96 for the lower limit of agreement, 1.96 for the upper one.
        level: Of the interval.

    Raises:
        ValueError: There are fewer than two differences.

    Source: Carkeet 2015 (Optom Vis Sci 92:e71), equations 4 and 5: quantiles of the noncentral t distribution.
    """
    from scipy.special import nctdtrit

    if cases < 2:
        raise ValueError("two differences are the least")
    root = np.sqrt(cases)
    tails = [(1 - level) / 2, (1 + level) / 2]
    # The distribution of the lower limit mirrors that of the upper one; scipy's inverse is good on the positive side.
    low, high = (float(nctdtrit(cases - 1, abs(standard_deviations) * root, tail) / root) for tail in tails)
    if standard_deviations < 0:
        low, high = -high, -low
    return mean + low * deviation, mean + high * deviation


def spearman_statistic(first: np.ndarray, second: np.ndarray, resamples: Resamples) -> Statistic:
    """Correlation of ranks, ties sharing the mean of theirs; NaN where all values of a side are one.

    Args:
        first, second: ``(case,)``; a case with a NaN in either enters nothing.
        resamples: Of the same cases.

    Source: Spearman 1904.
    """
    known = np.flatnonzero(~np.isnan(first + second))
    cluster = resamples.cluster[known]
    sides = [np.unique(each[known], return_inverse=True)[1] for each in (first, second)]
    orders = [np.argsort(each, kind="stable") for each in sides]
    starts = [
        np.flatnonzero(np.append(True, np.diff(each[order]) != 0)) if len(known) else np.zeros(0, dtype=int)
        for each, order in zip(sides, orders, strict=True)
    ]

    def statistic(counts: np.ndarray) -> np.ndarray:
        if not len(known):
            return np.full(counts.shape[1], np.nan)
        drawn = counts[cluster]
        number = drawn.sum(0)
        centred = []
        for side, order, start in zip(sides, orders, starts, strict=True):
            group = np.add.reduceat(drawn[order], start, axis=0)
            rank = np.cumsum(group, axis=0) - (group - 1) / 2
            centred.append((rank - (number + 1) / 2)[side])
        one, other = centred
        both = np.einsum("ij,ij,ij->j", drawn, one, other)
        spread = np.einsum("ij,ij,ij->j", drawn, one, one) * np.einsum("ij,ij,ij->j", drawn, other, other)
        return np.divide(both, np.sqrt(spread), out=np.full(len(both), np.nan), where=spread > 0)

    return statistic
