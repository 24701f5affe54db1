"""How often labels from reports are wrong: a sample of every verdict is read again by a person."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from preceptor.core.errors import CohortError
from preceptor.maths.intervals import clopper_pearson

from .rules import Said


@dataclass(frozen=True)
class ErrorEstimate:
    """How often a labeller errs, from a sample read again.

    Args:
        error: Share of all reports whose label is wrong.
        low, high: Its interval.
        by_said: ``{what was said: (wrong, read again, in all)}``.
    """

    error: float
    low: float
    high: float
    by_said: Mapping[str, tuple[int, int, int]]

    def exact(self, said: str) -> tuple[float, float]:
        """The exact 95 % interval (Clopper and Pearson) of the share that is wrong among reports of one verdict."""
        wrong, read, number = self.by_said[said]
        if read == number:
            return wrong / number, wrong / number
        found = clopper_pearson(wrong, read)
        return found.lower, found.upper


def draw_sample(said: Mapping[str, Said | None], each: int, seed: int = 0) -> list[str]:
    """Reports to be read again: the same number of each verdict, for rare verdicts are where rules err.

    Args:
        said: ``{report: what the rules say of one label}``.
        each: Reports of each verdict (all, where there are fewer).
        seed: Of the draw.

    Returns:
        Keys of the reports, shuffled, so that the order does not tell the reader what the rules said.
    """
    rng = np.random.default_rng(seed)
    groups: dict[str, list[str]] = defaultdict(list)
    for key in sorted(said):
        groups[str(said[key])].append(key)
    drawn = [key for name in sorted(groups) for key in rng.permutation(groups[name])[:each]]
    return [str(key) for key in rng.permutation(drawn)]


def estimate_error(
    said: Mapping[str, Said | None], read: Mapping[str, Said | None], confidence: float = 0.95, seed: int = 0
) -> ErrorEstimate:
    """The share of reports that are labelled wrongly, each verdict weighted by how often it was given.

    Args:
        said: What the rules say of every report.
        read: What a reader says of those drawn with `draw_sample`.
        confidence: Of the interval.
        seed: Of the draws from the posterior.

    Returns:
        The estimate, its interval the quantiles of the weighted sum of independent Beta posteriors (Jeffreys' prior),
        which holds where no error was seen as well.

    Raises:
        CohortError: A verdict was given and none of its reports was read again.

    Source: stratified sampling as in Cochran 1977, chapter 5; Brown, Cai & DasGupta 2001 (Jeffreys' interval).
    """
    rng = np.random.default_rng(seed)
    names = sorted({str(value) for value in said.values()})
    counted: dict[str, tuple[int, int, int]] = {}
    draws, error = np.zeros(20_000), 0.0
    for name in names:
        of_it = [key for key, value in said.items() if str(value) == name]
        again = [key for key in of_it if key in read]
        if not again:
            raise CohortError(
                f"none of {len(of_it)} reports labelled {name} was read again",
                expected="some of each verdict",
                remedy="draw the reports with `draw_sample`",
                code="report_sample",
            )
        wrong = sum(read[key] != said[key] for key in again)
        counted[name] = (wrong, len(again), len(of_it))
        share = len(of_it) / len(said)
        error += share * wrong / len(again)
        whole = len(again) == len(of_it)
        draws += share * (wrong / len(again) if whole else rng.beta(wrong + 0.5, len(again) - wrong + 0.5, draws.size))
    low, high = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    return ErrorEstimate(error, min(float(low), error), max(float(high), error), counted)
