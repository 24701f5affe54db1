"""From a score to a decision: thresholds chosen by a rule, predictive values at a prevalence, net benefit."""

from __future__ import annotations

from typing import Literal

import numpy as np

from .intervals import Statistic
from .roc import curve

Rule = Literal["youden", "sensitivity", "specificity"]


def choose_threshold(truth: np.ndarray, score: np.ndarray, rule: Rule, at: float | None = None) -> float:
    """The score from which on a case is called positive.

    Among thresholds that do as well the one farthest from both neighbouring scores is taken: halfway down to the next
    score that occurs, so that a score just below the last one that must be found is found as well.

    Args:
        truth: ``(case,)`` 1 or 0.
        score: ``(case,)`` higher is more positive.
        rule: ``youden``: the largest sum of sensitivity and specificity; ``sensitivity``: the highest threshold with
            at least `at`; ``specificity``: the lowest with at least `at`.
        at: What is asked of sensitivity or specificity, 0 to 1.

    Raises:
        ValueError: No case is positive or none negative, or `at` is missing.

    Source: Youden 1950.
    """
    truth, score = np.asarray(truth, dtype=np.float64), np.asarray(score, dtype=np.float64)
    if not 0 < truth.mean() < 1:
        raise ValueError("a threshold is chosen on positive and negative cases, and one kind is absent")
    points = curve(truth, score)
    sensitivity, specificity = points.sensitivity, 1 - points.false_positive_rate
    if rule == "youden":
        chosen = int(np.argmax(np.round(sensitivity + specificity, 12)))
    elif at is None:
        raise ValueError(f"how much {rule}?")
    elif rule == "sensitivity":
        chosen = int(np.flatnonzero(sensitivity >= at - 1e-12)[0])
    else:
        chosen = int(np.flatnonzero(specificity >= at - 1e-12)[-1])
    here = points.threshold[chosen]
    below = points.threshold[chosen + 1] if chosen + 1 < len(points.threshold) else None
    if np.isinf(here):  # nobody is positive: just above the highest score
        return float(np.nextafter(points.threshold[1], np.inf))
    return float(here if below is None else (here + below) / 2)


def predictive_values(
    sensitivity: np.ndarray, specificity: np.ndarray, prevalence: np.ndarray | float
) -> tuple[np.ndarray, np.ndarray]:
    """Positive and negative predictive value where the disease is as common as a prevalence says.

    Holds where the clinic's diseased and healthy resemble those that were tested: the rates travel, the mix does not.

    Args:
        sensitivity, specificity: Of the test.
        prevalence: Of the disease, 0 to 1.

    Returns:
        NaN where nobody is called positive (negative).

    Source: Bayes 1763; Altman & Bland 1994 (BMJ 309:102).
    """
    sensitivity, specificity = np.asarray(sensitivity), np.asarray(specificity)
    hits, alarms = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
    misses, spared = (1 - sensitivity) * prevalence, specificity * (1 - prevalence)
    with np.errstate(invalid="ignore", divide="ignore"):
        return hits / (hits + alarms), spared / (spared + misses)


def net_benefit_statistic(
    sensitivity: Statistic, specificity: Statistic, prevalence: Statistic | float, threshold: float
) -> Statistic:
    """`comparison.net_benefit` of resampled clusters, at the prevalence of the resample or at another one.

    Args:
        sensitivity, specificity: Of calling positive from the threshold on.
        prevalence: Of the resample, or a number.
        threshold: Of probability, below 1.

    Source: Vickers & Elkin 2006; another prevalence: Vickers 2006 by the rates of the two groups.
    """
    odds = threshold / (1 - threshold)

    def statistic(counts: np.ndarray) -> np.ndarray:
        share = prevalence(counts) if callable(prevalence) else prevalence
        return sensitivity(counts) * share - (1 - specificity(counts)) * (1 - share) * odds

    return statistic
