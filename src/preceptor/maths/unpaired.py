"""The difference of two figures from two groups of patients, each with an interval of its own and nothing shared."""

from __future__ import annotations

from typing import NamedTuple


class Difference(NamedTuple):
    """First minus second with its interval."""

    value: float
    lower: float
    upper: float


def unpaired_difference(
    first: float, first_interval: tuple[float, float], second: float, second_interval: tuple[float, float]
) -> Difference:
    """First minus second where nobody is in both groups.

    Each interval lends its own distance on the side that matters (method of variance estimates recovery), so a lopsided
    interval near 1 gives a lopsided difference; of two Wilson intervals it is Newcombe's.

    Args:
        first, second: Figures.
        first_interval, second_interval: At the same level.

    Source: Zou & Donner 2008 (Stat Med 27), eq. 5-6; Newcombe 1998, method 10.
    """
    value = first - second
    below = ((first - first_interval[0]) ** 2 + (second_interval[1] - second) ** 2) ** 0.5
    above = ((first_interval[1] - first) ** 2 + (second - second_interval[0]) ** 2) ** 0.5
    return Difference(value, value - below, value + above)
