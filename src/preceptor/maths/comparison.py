"""Tests of differences: two scores on the same cases, two answers on the same cases, many tests at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class DeLong(NamedTuple):
    """Two AUROCs on the same cases.

    Args:
        areas: ``(2,)``.
        covariance: ``(2, 2)`` of the areas.
        z: Difference over its standard error; 0 where the scores are identical.
        p: Two-sided.
    """

    areas: np.ndarray
    covariance: np.ndarray
    z: float
    p: float


def delong(truth: np.ndarray, first: np.ndarray, second: np.ndarray) -> DeLong:
    """Compare the AUROCs of two scores of the same independent cases.

    Cases of one patient are not independent: compare those by resampling patients (`intervals.paired_difference`).

    Args:
        truth: ``(case,)`` 1 for positive, 0 for negative, at least two of each.
        first, second: ``(case,)`` scores.

    Raises:
        ValueError: Fewer than two positive or negative cases: no variance is defined.

    Source: DeLong 1988.
    """
    from scipy.special import ndtr

    positive, negative = truth == 1, truth == 0
    if positive.sum() < 2 or negative.sum() < 2:
        raise ValueError("two positive and two negative cases are the least")
    placed = [_placements(score[positive], score[negative]) for score in (first, second)]
    over_negatives, over_positives = (np.stack(each) for each in zip(*placed, strict=True))
    areas = over_negatives.mean(1)
    covariance = np.cov(over_negatives) / positive.sum() + np.cov(over_positives) / negative.sum()
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    difference = areas[0] - areas[1]
    # Identical scores differ by nothing and vary by nothing: no difference, not NaN.
    z = difference / np.sqrt(variance) if variance > 1e-15 else np.copysign(np.inf, difference) if difference else 0.0
    return DeLong(areas, covariance, float(z), float(2 * ndtr(-abs(z))))


def _placements(positive: np.ndarray, negative: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of negatives below each positive, and of positives above each negative; ties count one half."""
    wins = (positive[:, None] > negative).astype(float) + 0.5 * (positive[:, None] == negative)
    return wins.mean(1), wins.mean(0)


class McNemar(NamedTuple):
    """Two answers to the same cases that disagree in some.

    Args:
        exact: Two-sided p of the binomial test.
        mid: The mid-p version, which is less conservative.
        statistic, p: Chi-square with one degree of freedom, uncorrected.
        corrected_statistic, corrected_p: With continuity correction.
    """

    exact: float
    mid: float
    statistic: float
    p: float
    corrected_statistic: float
    corrected_p: float


def mcnemar(first_only: int, second_only: int) -> McNemar:
    """Compare two answers by the cases that only one of them has right.

    Args:
        first_only, second_only: Cases that only the first, only the second, has right.

    Source: McNemar 1947; mid-p: Fagerland 2013.
    """
    from scipy.special import bdtr, comb, gammaincc

    discordant, fewer = first_only + second_only, min(first_only, second_only)
    if not discordant:
        return McNemar(1.0, 1.0, 0.0, 1.0, 0.0, 1.0)
    exact = min(1.0, 2 * float(bdtr(fewer, discordant, 0.5)))
    at = float(comb(discordant, fewer)) * 0.5**discordant
    mid = 1.0 if first_only == second_only else exact - at
    gap = abs(first_only - second_only)
    statistics = gap**2 / discordant, max(gap - 1, 0) ** 2 / discordant
    plain, corrected = (float(gammaincc(0.5, each / 2)) for each in statistics)
    return McNemar(exact, mid, statistics[0], plain, statistics[1], corrected)


def bonferroni(p: np.ndarray) -> np.ndarray:
    """``(test,)`` adjusted p: holds the chance of any false alarm."""
    return np.minimum(np.asarray(p, dtype=np.float64) * len(p), 1.0)


def holm(p: np.ndarray) -> np.ndarray:
    """``(test,)`` adjusted p: holds the chance of any false alarm, and rejects whatever Bonferroni does.

    Source: Holm 1979.
    """
    p = np.asarray(p, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    return _in_place(np.minimum(stepped, 1.0), order)


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """``(test,)`` adjusted p: holds the share of false alarms among what is called a finding.

    Source: Benjamini & Hochberg 1995.
    """
    p = np.asarray(p, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = p[order] * len(p) / (1 + np.arange(len(p)))
    return _in_place(np.minimum(np.minimum.accumulate(stepped[::-1])[::-1], 1.0), order)


def _in_place(ordered: np.ndarray, order: np.ndarray) -> np.ndarray:
    adjusted = np.empty_like(ordered)
    adjusted[order] = ordered
    return adjusted


def net_benefit(truth: np.ndarray, probability: np.ndarray, threshold: float) -> float:
    """True positives less false positives at the exchange rate of a threshold, per case.

    Treating nobody has 0; treating all is ``net_benefit(truth, ones, threshold)``.

    Args:
        truth: ``(case,)`` 0 or 1.
        probability: ``(case,)``; a case is treated from the threshold on.
        threshold: Of probability, below 1: the odds at which harm and benefit balance.

    Source: Vickers & Elkin 2006.
    """
    treated = np.asarray(probability) >= threshold
    hits, alarms = np.mean(treated & (np.asarray(truth) == 1)), np.mean(treated & (np.asarray(truth) == 0))
    return float(hits - alarms * threshold / (1 - threshold))
