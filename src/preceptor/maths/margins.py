"""Better, no worse, alike: what the interval of a difference says against a margin named beforehand."""

from __future__ import annotations

from typing import NamedTuple

from .intervals import Bootstrap, Interval


class Claims(NamedTuple):
    """What may be claimed of the first against the second.

    Args:
        superior: The interval lies wholly on the better side of 0.
        inferior: It lies wholly on the worse side of 0.
        non_inferior: Its worse end lies within the margin.
        equivalent: The narrower interval lies within the margin on both sides.
        interval: Of the difference, at the level asked.
        narrow: At twice the error, as two one-sided tests ask.
    """

    superior: bool
    inferior: bool
    non_inferior: bool
    equivalent: bool
    interval: Interval
    narrow: Interval

    @property
    def sentence(self) -> str:
        """The strongest claim in words."""
        if self.superior:
            return "the first is better"
        if self.inferior:
            return "the second is better, by less than the margin" if self.equivalent else "the second is better"
        if self.equivalent:
            return "the two are alike within the margin"
        if self.non_inferior:
            return "the first is no worse than the second by the margin"
        return "neither better, nor alike, nor no worse can be claimed: too few patients for this margin"


def claims(
    difference: Bootstrap, margin: float, *, higher_is_better: bool = True, level: float = 0.95
) -> Claims | None:
    """Hold the interval of a paired difference against a margin.

    At a level of 95 %: superiority and non-inferiority are one-sided tests at 2.5 % (an end of the 95 % interval),
    equivalence is two one-sided tests at 5 % each (the 90 % interval within the margin).

    Args:
        difference: First minus second, resampled in pairs.
        margin: The largest difference that does not matter, above 0, in the measure's unit; named before looking.
        higher_is_better: Of the measure.
        level: Of the interval.

    Returns:
        None where the difference has no interval.

    Raises:
        ValueError: The margin is not above 0.

    Source: Schuirmann 1987 (two one-sided tests); Piaggio 2012 (CONSORT extension for non-inferiority).
    """
    if not margin > 0:
        raise ValueError("a margin is above 0: how much worse would still be good enough")
    interval, narrow = difference.interval(level), difference.interval(1 - 2 * (1 - level))
    if interval is None or narrow is None:
        return None
    worse, better = (interval.lower, interval.upper) if higher_is_better else (-interval.upper, -interval.lower)
    return Claims(
        superior=worse > 0,
        inferior=better < 0,
        non_inferior=worse > -margin,
        equivalent=narrow.lower > -margin and narrow.upper < margin,
        interval=interval,
        narrow=narrow,
    )
