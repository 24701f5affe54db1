"""Definitions of fairness between groups of people, from stored answers: rates, gaps, and whether they are chance.

Demographic parity: groups are called positive equally often. Equal opportunity: the truly positive of every group are
found equally often. Equalised odds: so are the truly negative called positive. Predictive parity: a positive answer is
right equally often. Where groups differ in how many are ill the definitions exclude one another (Chouldechova 2017), so
all are told and none is "the" fairness. (`fairness` holds what is trained on instead: differentiable penalties.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

#: Which rates a definition asks to be equal.
CRITERIA: Mapping[str, tuple[str, ...]] = {
    "demographic_parity": ("selection",),
    "equal_opportunity": ("true_positive",),
    "equalised_odds": ("true_positive", "false_positive"),
    "predictive_parity": ("positive_predictive",),
}


class Rate(NamedTuple):
    """A share as counts of every case.

    Args:
        hits, trials: ``(case,)`` 0 or 1.
    """

    hits: np.ndarray
    trials: np.ndarray


def rates(truth: np.ndarray, answer: np.ndarray) -> dict[str, Rate]:
    """The rates that definitions of fairness compare.

    Args:
        truth: ``(case,)`` 1, 0, or NaN where unlabelled (such a case counts for how often it is called positive alone).
        answer: ``(case,)`` 1, 0, or NaN where there is none.

    Returns:
        ``selection`` (called positive), ``true_positive``, ``false_positive`` and ``positive_predictive``.

    Source: Hardt 2016 (arXiv:1610.02413) for equal opportunity and equalised odds; Chouldechova 2017
        (arXiv:1610.07524) for predictive parity.
    """
    answered, said = ~np.isnan(answer), answer == 1
    return {
        "selection": Rate(said, answered),
        "true_positive": Rate(said & (truth == 1), answered & (truth == 1)),
        "false_positive": Rate(said & (truth == 0), answered & (truth == 0)),
        "positive_predictive": Rate(said & (truth == 1), said & ~np.isnan(truth)),
    }


def share(rate: Rate, inside: np.ndarray) -> float:
    """The rate among some cases; NaN where there was no trial.

    Args:
        rate: Of every case.
        inside: ``(case,)`` bool.
    """
    trials = rate.trials[inside].sum()
    return float(rate.hits[inside].sum() / trials) if trials else float("nan")


class Spread(NamedTuple):
    """The two groups that differ most.

    Args:
        gap: Highest minus lowest.
        highest, lowest: Positions of the groups.
    """

    gap: float
    highest: int
    lowest: int


def spread(values: Sequence[float] | np.ndarray) -> Spread:
    """Highest minus lowest of some groups' values; NaN values are left out.

    Raises:
        ValueError: Fewer than two groups have a value.
    """
    values = np.asarray(values, dtype=np.float64)
    if np.isfinite(values).sum() < 2:
        raise ValueError("a gap needs two groups with a value")
    highest, lowest = int(np.nanargmax(values)), int(np.nanargmin(values))
    return Spread(float(values[highest] - values[lowest]), highest, lowest)


class Equality(NamedTuple):
    """Whether some groups' values are the same but for chance.

    Args:
        covariance: ``(group, group)`` of the values.
        freedom: Degrees of freedom of the covariance, after Welch.
        p: The chance of groups at least so different where all are the same; NaN where it can't be told.
    """

    covariance: np.ndarray
    freedom: float
    p: float


def equality(values: np.ndarray, resampled: np.ndarray, patients: np.ndarray, share_of_trials: bool) -> Equality:
    """A Wald test with the covariance that resampled patients show.

    A share of exactly 0 or 1 is the same in every resample and would seem to be known without error, and one next to
    them nearly so: its variance is then at least that of a share with one success and one failure added (Agresti &
    Coull).

    Args:
        values: ``(group,)`` as measured.
        resampled: ``(group, resample)`` from the same resamples of patients; NaN where undefined.
        patients: ``(group,)`` how many each value rests on.
        share_of_trials: Whether the values are shares of trials, or of pairs (AUROC).

    Source: Wald 1943; denominators as in Hotelling 1931 with the degrees of freedom of Welch 1947.
    """
    from scipy.special import fdtrc

    values, patients = np.asarray(values, dtype=np.float64), np.asarray(patients, dtype=np.float64)
    whole = np.isfinite(resampled).all(0)
    if whole.sum() < 2 or not np.isfinite(values).all():
        return Equality(np.full((len(values), len(values)), np.nan), float("nan"), float("nan"))
    covariance = np.atleast_2d(np.cov(resampled[:, whole]))
    if share_of_trials:
        # Of so few patients not one whole failure (or success): the resamples hardly know of any either.
        certain = np.minimum(values, 1 - values) * patients < 1
        smoothed = (values * patients + 1) / (patients + 2)
        least = np.where(certain, smoothed * (1 - smoothed) / (patients + 2), 0.0)
        covariance = covariance + np.diag(np.maximum(least - np.diag(covariance), 0.0))
    variance = np.diag(covariance)
    if (patients < 2).any() or not variance.sum():
        return Equality(covariance, float("nan"), float("nan"))
    freedom = float(variance.sum() ** 2 / np.sum(variance**2 / (patients - 1)))
    # Every group but the last, less the last.
    contrast = np.hstack([np.eye(len(values) - 1), -np.ones((len(values) - 1, 1))])
    apart, spread_of = contrast @ values, contrast @ covariance @ contrast.T
    asked = len(apart)
    left = freedom - asked + 1
    if left < 1 or np.linalg.matrix_rank(spread_of) < asked:
        return Equality(covariance, freedom, float("nan"))
    statistic = float(apart @ np.linalg.solve(spread_of, apart)) * left / (freedom * asked)
    return Equality(covariance, freedom, float(fdtrc(asked, left, statistic)))


def margin(found: Equality, first: int, second: int, level: float) -> float:
    """Half the width of the interval of one group's value less another's.

    Args:
        found: What `equality` found.
        first, second: Positions of the groups.
        level: Of confidence.
    """
    from scipy.special import stdtrit

    each = found.covariance
    variance = each[first, first] + each[second, second] - 2 * each[first, second]
    return float(stdtrit(found.freedom, (1 + level) / 2) * np.sqrt(max(variance, 0.0)))
