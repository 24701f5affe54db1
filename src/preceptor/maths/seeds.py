"""One training is one draw: the spread of a measure over trainings that differ by their seed alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .intervals import Interval


class Spread(NamedTuple):
    """A measure over several seeds.

    Args:
        mean: Over the seeds.
        deviation: Standard deviation with ``n - 1``; NaN of one seed.
        number: Of seeds.
        lowest, highest: Of the values.
        interval: Of the mean (Student's t); None of one seed.
    """

    mean: float
    deviation: float
    number: int
    lowest: float
    highest: float
    interval: Interval | None


def spread(values: Sequence[float] | np.ndarray, level: float = 0.95) -> Spread:
    """Mean and spread of a measure over seeds.

    The interval is of the mean over seeds, the cases being what they are: it says nothing of other patients.

    Args:
        values: One a seed.
        level: Of the interval.

    Raises:
        ValueError: There is no value, or one is not a number.

    Source: Student 1908; why: Bouthillier 2021 (arXiv:2103.03098).
    """
    given = np.asarray(values, dtype=np.float64)
    if not given.size or not np.isfinite(given).all():
        raise ValueError("the spread over seeds needs a number from every seed")
    number, mean = len(given), float(given.mean())
    lowest, highest = float(given.min()), float(given.max())
    if number == 1:
        return Spread(mean, float("nan"), 1, lowest, highest, None)
    from scipy.special import stdtrit

    deviation = float(given.std(ddof=1))
    half = float(stdtrit(number - 1, (1 + level) / 2)) * deviation / np.sqrt(number)
    return Spread(mean, deviation, number, lowest, highest, Interval(mean - half, mean + half, level, "Student's t"))


class Paired(NamedTuple):
    """Two methods over the same seeds.

    Args:
        differences: The spread of first minus second, seed by seed.
        p: Two-sided, of the paired t test; NaN of one seed.
    """

    differences: Spread
    p: float


def paired_over_seeds(first: Sequence[float], second: Sequence[float], level: float = 0.95) -> Paired:
    """Compare two methods by trainings with the same seeds: what a seed brings to both cancels out.

    Args:
        first, second: One value a seed, in the same order.
        level: Of the interval.

    Raises:
        ValueError: They are not of the same seeds.

    Source: Student 1908.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} seeds are no pairs")
    found = spread(np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64), level)
    if found.number == 1:
        return Paired(found, float("nan"))
    from scipy.special import stdtr

    if found.deviation == 0:
        return Paired(found, 1.0 if found.mean == 0 else 0.0)
    statistic = found.mean / (found.deviation / np.sqrt(found.number))
    return Paired(found, float(2 * stdtr(found.number - 1, -abs(statistic))))
