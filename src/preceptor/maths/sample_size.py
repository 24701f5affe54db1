"""How many patients a study needs: for an interval of a given width, or to see a difference of a given size.

Each answer is of independent cases; patients with several images count for fewer by the `design_effect`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

#: No study is this large: a request that needs more has no answer.
_MOST = 10**8


def design_effect(images_per_patient: float, correlation: float, variation: float = 0.0) -> float:
    """By how much images of the same patients inflate a variance.

    Args:
        images_per_patient: Mean.
        correlation: Of a patient's images within the patient (intraclass), 0 to 1.
        variation: Coefficient of variation of the images per patient (standard deviation over mean).

    Raises:
        ValueError: Fewer than one image a patient, or a correlation outside 0..1.

    Source: Kish 1965; unequal clusters: Eldridge 2006 (Int J Epidemiol 35:1292).
    """
    if images_per_patient < 1 or not 0 <= correlation <= 1:
        raise ValueError("at least one image a patient, and a correlation within 0..1")
    return 1 + ((1 + variation**2) * images_per_patient - 1) * correlation


def patients(cases: int, images_per_patient: float = 1.0, correlation: float = 0.0, variation: float = 0.0) -> int:
    """How many patients stand for so many independent cases.

    Args:
        cases: Independent cases that are needed.
        images_per_patient, correlation, variation: See `design_effect`.
    """
    return math.ceil(cases * design_effect(images_per_patient, correlation, variation) / images_per_patient - 1e-9)


def auroc_variance(area: float, positives: float, negatives: float) -> float:
    """Variance of an AUROC expected of so many cases, if scores were exponential.

    Source: Hanley & McNeil 1982, eq. 2 to 4.
    """
    above, twice = area / (2 - area), 2 * area**2 / (1 + area)
    spread = (positives - 1) * (above - area**2) + (negatives - 1) * (twice - area**2)
    return (area * (1 - area) + spread) / (positives * negatives)


def cases_for_auroc(area: float, half_width: float, prevalence: float, level: float = 0.95) -> int:
    """Cases that bring the interval of an AUROC down to ``area ± half_width``.

    Args:
        area: Expected.
        half_width: Of the interval.
        prevalence: Share of positive cases.
        level: Of the interval.

    Raises:
        ValueError: A number lies outside where it has a meaning.
    """
    _within(area=area, prevalence=prevalence, level=level)
    z = _z(level)

    def narrow(cases: int) -> bool:
        positives = cases * prevalence
        return (
            min(positives, cases - positives) >= 1
            and z * math.sqrt(max(auroc_variance(area, positives, cases - positives), 0.0)) <= half_width
        )

    return _least(narrow)


def cases_for_proportion(share: float, half_width: float, level: float = 0.95) -> int:
    """Trials that bring the Wilson interval of a proportion down to twice the half width.

    Args:
        share: Expected.
        half_width: Of the interval.
        level: Of the interval.

    Raises:
        ValueError: A number lies outside where it has a meaning.

    Source: Wilson 1927; for a share of 0.5 near ``z² / (4 d²)``.
    """
    _within(level=level)
    if not 0 <= share <= 1:
        raise ValueError("a share lies within 0..1")
    z = _z(level)

    def narrow(cases: int) -> bool:
        half = z * math.sqrt(share * (1 - share) / cases + z**2 / (4 * cases**2)) / (1 + z**2 / cases)
        return half <= half_width

    return _least(narrow)


def cases_for_sensitivity(sensitivity: float, half_width: float, prevalence: float, level: float = 0.95) -> int:
    """Cases of a cohort with that prevalence that hold enough diseased ones for the interval of a sensitivity.

    For a specificity give the share of the healthy as the prevalence.

    Args:
        sensitivity: Expected.
        half_width: Of its interval.
        prevalence: Share of the cases that count.
        level: Of the interval.

    Source: Buderer 1996, with Wilson's interval.
    """
    _within(prevalence=prevalence)
    return math.ceil(cases_for_proportion(sensitivity, half_width, level) / prevalence - 1e-9)


def pairs_for_mean(
    difference: float, deviation: float, *, margin: float = 0.0, power: float = 0.8, level: float = 0.95
) -> int:
    """Cases to see that a paired mean (of Dice, say) differs, or that it is no worse by a margin.

    Args:
        difference: Expected, first minus second.
        deviation: Standard deviation of the differences case by case.
        margin: 0 for superiority; else how much worse would still do.
        power: Chance to see it.
        level: Of the two-sided interval.

    Raises:
        ValueError: There is nothing to see: no difference and no margin.

    Source: Julious 2004, section 4 (normal quantiles, with Guenther's ``z² / 2`` for the t distribution).
    """
    _within(power=power, level=level)
    gap = difference + margin if margin else abs(difference)
    if gap <= 0:
        raise ValueError("there is nothing to see: the difference lies beyond the margin, or there is neither")
    z = _z(level)
    return math.ceil(((z + _quantile(power)) * deviation / gap) ** 2 + z**2 / 2)


def pairs_for_mcnemar(first_only: float, second_only: float, power: float = 0.8, level: float = 0.95) -> int:
    """Cases to see that one of two answers is right more often.

    Args:
        first_only, second_only: Expected share of cases that only the first, only the second, has right.
        power: Chance to see it.
        level: Of the two-sided test.

    Raises:
        ValueError: The shares are alike, or add up to more than 1.

    Source: Connor 1987 (Biometrics 43:207), eq. 3.
    """
    _within(power=power, level=level)
    both, gap = first_only + second_only, abs(first_only - second_only)
    if gap == 0 or both > 1:
        raise ValueError("two different shares that add up to 1 at most")
    needed = _z(level) * math.sqrt(both) + _quantile(power) * math.sqrt(both - gap**2)
    return math.ceil((needed / gap) ** 2)


def cases_for_paired_auroc(
    first: float,
    second: float,
    prevalence: float,
    correlation: float,
    *,
    margin: float = 0.0,
    power: float = 0.8,
    level: float = 0.95,
) -> int:
    """Cases to see that two AUROCs on the same cases differ, or that the first is no worse by a margin.

    Args:
        first, second: Expected.
        prevalence: Share of positive cases.
        correlation: Of the two estimates; 0.5 or more for models that read the same images.
        margin: 0 for superiority; else how much worse would still do.
        power: Chance to see it.
        level: Of the two-sided interval.

    Raises:
        ValueError: A number lies outside where it has a meaning, or there is nothing to see.

    Source: Hanley & McNeil 1983; Obuchowski 1997 (planning by the variance of the difference).
    """
    _within(first=first, second=second, prevalence=prevalence, power=power, level=level)
    gap = first - second + margin if margin else abs(first - second)
    if gap <= 0 or not -1 <= correlation < 1:
        raise ValueError("a difference (or a margin beyond it), and a correlation below 1")
    needed = _z(level) + _quantile(power)

    def seen(cases: int) -> bool:
        positives = cases * prevalence
        if min(positives, cases - positives) < 1:
            return False
        one, two = (max(auroc_variance(area, positives, cases - positives), 0.0) for area in (first, second))
        return needed * math.sqrt(one + two - 2 * correlation * math.sqrt(one * two)) <= gap

    return _least(seen)


def clusters_for_difference(
    standard_error: float, clusters: int, difference: float, power: float = 0.8, level: float = 0.95
) -> int:
    """Patients that a next study needs to see a difference, judged by the standard error that this one has.

    Holds for any measure whose standard error falls with the root of the patients, images per patient being the same.

    Args:
        standard_error: Of the paired difference here.
        clusters: Patients here.
        difference: To be seen.
        power: Chance to see it.
        level: Of the two-sided interval.

    Raises:
        ValueError: The difference is 0.
    """
    _within(power=power, level=level)
    if difference == 0:
        raise ValueError("no number of patients shows a difference of 0")
    return math.ceil(clusters * ((_z(level) + _quantile(power)) * standard_error / abs(difference)) ** 2)


def _least(holds: Callable[[int], bool]) -> int:
    """The smallest number from which on it holds."""
    high = 2
    while not holds(high):
        high *= 2
        if high > _MOST:
            raise ValueError("no study of any size does")
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _within(**shares: float) -> None:
    for name, value in shares.items():
        if not 0 < value < 1:
            raise ValueError(f"{name.replace('_', ' ')} lies between 0 and 1, not at {value:g}")


def _z(level: float) -> float:
    return _quantile((1 + level) / 2)


def _quantile(share: float) -> float:
    from scipy.special import ndtri

    return float(np.asarray(ndtri(share)))
