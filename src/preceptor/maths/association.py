"""Does an error go with something else?  Rank correlation and differences of groups, patients kept whole."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .intervals import Resamples, Statistic, bootstrap


class Association(NamedTuple):
    """How two things go together.

    Args:
        value: Spearman's rho, or the largest difference of two groups' means.
        interval: At the level asked, or None.
        p: Two-sided.
    """

    value: float
    interval: tuple[float, float] | None
    p: float


def rank_statistic(first: np.ndarray, second: np.ndarray, resamples: Resamples) -> Statistic:
    """The correlation of the ranks that two numbers have among all cases, of resampled clusters.

    Args:
        first, second: ``(case,)``.
        resamples: Of the same cases.

    Source: Spearman 1904; the ranks are those of the sample, so that a resample needs no sorting.
    """
    from scipy.stats import rankdata

    x, y = (rankdata(each) - (len(each) + 1) / 2 for each in (first, second))
    sums = resamples.sum_by_cluster(np.stack([np.ones(len(x)), x, y, x * x, y * y, x * y], 1))

    def statistic(counts: np.ndarray) -> np.ndarray:
        n, sx, sy, xx, yy, xy = sums.T @ counts
        below = np.sqrt(np.maximum((xx - sx * sx / n) * (yy - sy * sy / n), 0.0))
        return np.divide(xy - sx * sy / n, below, out=np.full(len(n), np.nan), where=below > 1e-9)

    return statistic


def rank_correlation(
    first: np.ndarray,
    second: np.ndarray,
    cluster: np.ndarray,
    *,
    level: float = 0.95,
    number: int = 1000,
    seed: int = 0,
) -> Association:
    """Spearman's rho with its interval over resampled patients.

    Args:
        first, second: ``(case,)`` finite numbers.
        cluster: ``(case,)`` patient of each case.
        level: Of the interval.
        number: Of resamples.
        seed: Of the resamples.

    Returns:
        p from Fisher's z with the standard error that the resamples have; NaN where one of the two never changes.

    Source: Spearman 1904; Fisher 1921.
    """
    from scipy.special import ndtr

    resamples = Resamples.of(cluster, number, seed)
    drawn = bootstrap(rank_statistic(np.asarray(first), np.asarray(second), resamples), resamples)
    interval = drawn.interval(level)
    bounded = np.clip(drawn.values[~np.isnan(drawn.values)], -0.999999, 0.999999)
    error = np.arctanh(bounded).std(ddof=1) if len(bounded) > 1 else 0.0
    if np.isnan(drawn.value) or interval is None or not error > 0:
        return Association(drawn.value, None, float("nan"))
    z = np.arctanh(np.clip(drawn.value, -0.999999, 0.999999)) / error
    return Association(drawn.value, (interval.lower, interval.upper), float(2 * ndtr(-abs(z))))


def group_difference(
    values: np.ndarray, group: np.ndarray, cluster: np.ndarray, tries: int = 2000, seed: int = 0
) -> Association:
    """Do groups differ in their mean?  By dealing the groups anew among the patients.

    Args:
        values: ``(case,)`` finite numbers.
        group: ``(case,)``; one for all cases of a patient, or else cases are dealt one by one.
        cluster: ``(case,)`` patient of each case.
        tries: Deals.
        seed: Of the deals.

    Returns:
        The largest difference of two groups' means, without an interval.

    Source: Pitman 1937; the statistic is the sum of squares between groups.
    """
    names, of_case = np.unique(np.asarray(group).astype(str), return_inverse=True)
    units, unit = np.unique(np.asarray(cluster).astype(str), return_inverse=True)
    first = np.full(len(units), -1)
    first[unit] = of_case
    if not (first[unit] == of_case).all():
        unit, first = np.arange(len(of_case)), of_case
    sums, sizes = np.bincount(unit, values), np.bincount(unit).astype(float)
    generator = np.random.default_rng(seed)

    def between(dealt: np.ndarray) -> tuple[float, np.ndarray]:
        total, size = np.bincount(dealt, sums, len(names)), np.bincount(dealt, sizes, len(names))
        means = total / np.maximum(size, 1)
        return float(np.sum(size * (means - sums.sum() / sizes.sum()) ** 2)), means

    seen, means = between(first)
    as_far = sum(between(generator.permutation(first))[0] >= seen - 1e-12 for _ in range(tries))
    return Association(float(means.max() - means.min()), None, (as_far + 1) / (tries + 1))
