"""Intervals by the bootstrap of clusters: whole patients are drawn, never their images one by one.

A resample is a column of counts: how often each cluster was drawn. Every statistic is a function of such columns, so
that thousands of resamples are a few matrix products; the same columns serve every measure of a cohort, which makes
differences of two measures paired.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

#: A statistic of counts ``(cluster, column)``: one value a column; NaN where it is undefined.
Statistic = Callable[[np.ndarray], np.ndarray]

#: Numbers held at once while a statistic is evaluated: bounds memory, and keeps a block in the processor's cache.
_BLOCK = 2**22

#: With more clusters than this they are left out by the group: the acceleration, a mean over clusters, is the same but for
#: a few thousandths, and the cost no longer grows with their square.
_LEFT_OUT_ALONE = 1000
_GROUPS = 500

#: Counters that are filled at once: they stay in the processor's cache, since draws hit them in any order.
_COUNTED_AT_ONCE = 2**16


class Interval(NamedTuple):
    """Where the true value lies, at a level of confidence.

    Args:
        lower, upper: Its ends.
        level: Of confidence.
        method: "BCa" or "percentile".
    """

    lower: float
    upper: float
    level: float
    method: str


@dataclass(frozen=True, eq=False)
class Resamples:
    """Which clusters each resample drew.

    Args:
        names: ``(cluster,)`` sorted names of the clusters.
        cluster: ``(case,)`` the cluster of each case, as a position in `names`.
        number: How many resamples.
        seed: Of the draws. The same clusters, number and seed give the same draws in the same order.
    """

    names: np.ndarray
    cluster: np.ndarray
    number: int
    seed: int

    @classmethod
    def of(cls, clusters: Sequence[Any] | np.ndarray, number: int = 2000, seed: int = 0) -> Resamples:
        """Resamples of the clusters that cases belong to.

        Args:
            clusters: ``(case,)`` name of each case's cluster.
            number: How many resamples to draw.
            seed: Of the draws.

        Raises:
            ValueError: There is no case.
        """
        given = np.asarray(clusters)
        if given.size == 0:
            raise ValueError("there is no case to resample")
        names, cluster = np.unique(given, return_inverse=True)
        return cls(names, cluster, number, seed)

    @cached_property
    def counts(self) -> np.ndarray:
        """``(cluster, resample)`` how often each cluster was drawn: every column adds up to the number of clusters."""
        size, generator = len(self.names), np.random.default_rng(self.seed)
        counts = np.empty((size, self.number))
        width = max(1, _COUNTED_AT_ONCE // size)
        for start in range(0, self.number, width):
            columns = min(width, self.number - start)
            drawn: np.ndarray = generator.integers(0, size, size=(size, columns), dtype=np.int32)
            drawn = drawn * np.int32(columns) + np.arange(columns, dtype=np.int32)
            block = np.bincount(drawn.ravel(), minlength=size * columns)
            counts[:, start : start + columns] = block.reshape(size, columns)
        return counts

    @cached_property
    def key(self) -> str:
        """The same for resamples that drew the same clusters in the same order."""
        text = "\n".join(map(str, self.names))
        return hashlib.sha256(f"{self.seed}|{self.number}|{text}".encode()).hexdigest()[:16]

    def sum_by_cluster(self, values: np.ndarray) -> np.ndarray:
        """``(cluster, ...)`` sums of ``(case, ...)`` values."""
        values = np.asarray(values, dtype=np.float64)
        total = np.zeros((len(self.names), *values.shape[1:]))
        np.add.at(total, self.cluster, values)
        return total


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """A statistic with its resampled values.

    Args:
        value: On the cases as they are.
        values: ``(resample,)``; NaN where the statistic is undefined (a class was not drawn).
        key: Of the `Resamples`.
        jackknife: ``(cluster,)`` the statistic with each cluster left out (of more than a thousand, with each of 500
            groups of them); None leaves the percentile interval.
    """

    value: float
    values: np.ndarray
    key: str
    jackknife: np.ndarray | None = None

    @property
    def degenerate(self) -> int:
        """In how many resamples the statistic is undefined. They enter no interval, so their number is reported."""
        return int(np.isnan(self.values).sum())

    def interval(self, level: float = 0.95) -> Interval | None:
        """The interval of the statistic: bias-corrected and accelerated (BCa), or of percentiles.

        Args:
            level: Of confidence.

        Returns:
            None where the statistic, or every resample, is undefined. Percentiles where there is no jackknife, or
            where the correction is (no resample lies on one side of the value).

        Source: Efron 1987 (Better bootstrap confidence intervals), eq. 2.3 (BCa), 6.6 (acceleration).
        """
        values = self.values[~np.isnan(self.values)]
        if np.isnan(self.value) or not len(values):
            return None
        tails = np.array([(1 - level) / 2, (1 + level) / 2])
        shares = None if self.jackknife is None else self._corrected(values, tails)
        lower, upper = np.quantile(values, tails if shares is None else shares)
        return Interval(float(lower), float(upper), level, "percentile" if shares is None else "BCa")

    def _corrected(self, values: np.ndarray, tails: np.ndarray) -> np.ndarray | None:
        """The shares at which BCa reads the resampled values."""
        from scipy.special import ndtr, ndtri

        below = (np.sum(values < self.value) + 0.5 * np.sum(values == self.value)) / len(values)
        assert self.jackknife is not None  # `interval` asks only then
        left_out = self.jackknife[~np.isnan(self.jackknife)]
        deviation = left_out.mean() - left_out if len(left_out) else np.zeros(1)
        spread = np.sum(deviation**2)
        if not 0 < below < 1 or spread == 0:
            return None
        acceleration = np.sum(deviation**3) / (6 * spread**1.5)
        bias = ndtri(below)
        moved = bias + ndtri(tails)
        return ndtr(bias + moved / (1 - acceleration * moved))


def bootstrap(statistic: Statistic, resamples: Resamples, accelerated: bool = True) -> Bootstrap:
    """Evaluate a statistic on the cases as they are, on every resample, and with each cluster left out.

    Args:
        statistic: ``(cluster, column)`` counts to ``(column,)`` values.
        resamples: Which clusters each resample drew.
        accelerated: Whether to leave clusters out in turn, which BCa needs.
    """
    size = len(resamples.names)
    value = float(statistic(np.ones((size, 1)))[0])
    values = _in_blocks(statistic, resamples.counts, len(resamples.cluster))
    jackknife = None
    if accelerated and size > 1:
        groups = np.arange(size) if size <= _LEFT_OUT_ALONE else np.arange(size) % _GROUPS
        left_out = (groups[:, None] != np.arange(groups.max() + 1)).astype(np.float64)
        jackknife = _in_blocks(statistic, left_out, len(resamples.cluster))
    return Bootstrap(value, values, resamples.key, jackknife)


def _in_blocks(statistic: Statistic, counts: np.ndarray, cases: int) -> np.ndarray:
    width = max(1, _BLOCK // max(cases, 1))
    blocks = [statistic(counts[:, start : start + width]) for start in range(0, counts.shape[1], width)]
    return np.concatenate(blocks)


def mean_statistic(values: np.ndarray, resamples: Resamples) -> Statistic:
    """The mean over cases; cases whose value is NaN do not enter (the caller counts and reports them).

    Args:
        values: ``(case,)``.
        resamples: Of the same cases.
    """
    values = np.asarray(values, dtype=np.float64)
    known = ~np.isnan(values)
    return ratio_statistic(np.where(known, values, 0.0), known, resamples)


def ratio_statistic(numerator: np.ndarray, denominator: np.ndarray, resamples: Resamples) -> Statistic:
    """The sum of one quantity over the sum of another, such as hits over trials; NaN where the latter is 0.

    Args:
        numerator, denominator: ``(case,)``.
        resamples: Of the same cases.
    """
    sums = resamples.sum_by_cluster(np.stack([numerator, denominator], axis=-1)).T

    def ratio(counts: np.ndarray) -> np.ndarray:
        top, bottom = sums @ counts
        return np.divide(top, bottom, out=np.full(len(top), np.nan), where=bottom > 0)

    return ratio


def undefined(counts: np.ndarray) -> np.ndarray:
    """The statistic of what can't be measured: NaN, whatever is drawn."""
    return np.full(counts.shape[1], np.nan)


def average_of(statistics: Sequence[Statistic]) -> Statistic:
    """The mean of several statistics (over classes, say): NaN as soon as one of them is, or where there is none."""
    if not statistics:
        return undefined

    def average(counts: np.ndarray) -> np.ndarray:
        return np.mean([each(counts) for each in statistics], axis=0)

    return average


def paired_difference(first: Bootstrap, second: Bootstrap) -> Bootstrap:
    """The first minus the second, resample by resample: what both share cancels out.

    Args:
        first, second: From the same resamples: two measures of the same cases, or two models on them.

    Raises:
        ValueError: They were drawn differently (other clusters, number or seed), so nothing pairs them.
    """
    if first.key != second.key:
        raise ValueError("the two were not measured on the same resamples: same clusters, number of resamples and seed")
    jackknife = None
    if first.jackknife is not None and second.jackknife is not None:
        jackknife = first.jackknife - second.jackknife
    return Bootstrap(first.value - second.value, first.values - second.values, first.key, jackknife)


def wilson(successes: int, trials: int, level: float = 0.95) -> Interval:
    """The score interval of a proportion of independent trials.

    Source: Wilson 1927; Agresti & Coull 1998.

    Raises:
        ValueError: There is no trial.
    """
    from scipy.special import ndtri

    if trials < 1:
        raise ValueError("a proportion of no trials has no interval")
    z = ndtri((1 + level) / 2)
    share = successes / trials
    centre = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z * np.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2)) / (1 + z**2 / trials)
    return Interval(float(centre - half), float(centre + half), level, "Wilson")


def clopper_pearson(successes: int, trials: int, level: float = 0.95) -> Interval:
    """The exact interval of a proportion of independent trials: never covers less than its level.

    Source: Clopper & Pearson 1934.

    Raises:
        ValueError: There is no trial.
    """
    from scipy.special import betaincinv

    if trials < 1:
        raise ValueError("a proportion of no trials has no interval")
    tail = (1 - level) / 2
    lower = 0.0 if successes == 0 else betaincinv(successes, trials - successes + 1, tail)
    upper = 1.0 if successes == trials else betaincinv(successes + 1, trials - successes, 1 - tail)
    return Interval(float(lower), float(upper), level, "Clopper-Pearson")
