"""How good predicted risks and survival curves are at a time, when some cases are not followed that long.

A case that left early says nothing of later times. Those that stayed speak for it: each is weighted by the inverse of
the chance ``G`` to be followed so long. ``G`` had best come from the training cases; where it is estimated on the cases
that are measured, every resample estimates it anew. No weight exists where ``G`` is 0: the value there is NaN.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .intervals import Resamples, Statistic
from .survival_curves import Steps, censoring_distribution, resampled


def brier(
    time: np.ndarray, event: np.ndarray, survival: np.ndarray, at: float, censoring: Steps | None = None
) -> float:
    """Mean squared distance of the predicted survival from what happened, weighted for censoring.

    Args:
        time: ``(case,)`` of follow-up.
        event: ``(case,)`` whether it ended with the event.
        survival: ``(case,)`` predicted share without the event at that time.
        at: The time.
        censoring: From the training cases; of these cases where None.

    Source: Graf 1999, eq. 3 (with ``G(t-)`` at events).
    """
    everyone = Resamples.of(np.arange(len(time)), number=1)
    return float(brier_statistic(time, event, survival, at, everyone, censoring)(np.ones((len(time), 1)))[0])


def time_dependent_auc(
    time: np.ndarray, event: np.ndarray, risk: np.ndarray, at: float, censoring: Steps | None = None
) -> float:
    """The chance that a case with the event by a time has a higher risk than one still without it; NaN without both.

    Args:
        time, event: As in `brier`.
        risk: ``(case,)``, higher means sooner; ties count one half.
        at: The time.
        censoring: As in `brier`.

    Source: Uno 2007; Hung & Chiang 2010 (cumulative cases, dynamic controls).
    """
    everyone = Resamples.of(np.arange(len(time)), number=1)
    return float(auc_statistic(time, event, risk, at, everyone, censoring)(np.ones((len(time), 1)))[0])


def integrated(values: Sequence[float] | np.ndarray, times: Sequence[float] | np.ndarray) -> float:
    """The mean of a measure over a span of time, by trapezia; the value itself at a single time."""
    return float(trapezia(times) @ np.asarray(values, dtype=float))


def trapezia(times: Sequence[float] | np.ndarray) -> np.ndarray:
    """``(time,)`` weights of the mean over a span; they add up to 1."""
    times = np.asarray(times, dtype=float)
    if len(times) == 1:
        return np.ones(1)
    gaps = np.diff(times)
    return (np.append(gaps, 0) + np.append(0, gaps)) / (2 * (times[-1] - times[0]))


def brier_statistic(
    time: np.ndarray,
    event: np.ndarray,
    survival: np.ndarray,
    at: float,
    resamples: Resamples,
    censoring: Steps | None = None,
) -> Statistic:
    """`brier` of resampled clusters.

    Args:
        time, event, survival, at, censoring: As in `brier`.
        resamples: Of the same cases.
    """
    time, event = np.asarray(time, dtype=float), np.asarray(event, dtype=bool)
    gone, still = event & (time <= at), time > at
    survival = np.asarray(survival, dtype=float)
    missed, kept = np.where(gone, survival**2, 0.0)[gone], np.where(still, (1 - survival) ** 2, 0.0)

    def statistic(counts: np.ndarray) -> np.ndarray:
        drawn = counts[resamples.cluster]
        before, then = _followed(time, event, drawn, gone, at, censoring)
        with np.errstate(divide="ignore", invalid="ignore"):
            lost = np.einsum("ij,ij->j", drawn[gone], missed[:, None] / before)
            # Where nobody is still there, nothing is weighted by the chance to be.
            stayed = np.where(drawn[still].sum(0) > 0, kept @ drawn / then, 0.0)
        value = (lost + stayed) / drawn.sum(0)
        return np.where(np.isfinite(value), value, np.nan)

    return statistic


def auc_statistic(
    time: np.ndarray,
    event: np.ndarray,
    risk: np.ndarray,
    at: float,
    resamples: Resamples,
    censoring: Steps | None = None,
) -> Statistic:
    """`time_dependent_auc` of resampled clusters; NaN in a resample without a case or without a control.

    Args:
        time, event, risk, at, censoring: As in `time_dependent_auc`.
        resamples: Of the same cases.
    """
    time, event = np.asarray(time, dtype=float), np.asarray(event, dtype=bool)
    gone = event & (time <= at)
    risk = np.asarray(risk, dtype=float)
    controls = np.flatnonzero(time > at)
    controls = controls[np.argsort(risk[controls], kind="stable")]
    first = np.searchsorted(risk[controls], risk[gone], "left")
    after = np.searchsorted(risk[controls], risk[gone], "right")

    def statistic(counts: np.ndarray) -> np.ndarray:
        drawn = counts[resamples.cluster]
        before, _ = _followed(time, event, drawn, gone, at, censoring)
        with np.errstate(divide="ignore", invalid="ignore"):
            weight = np.where(drawn[gone] > 0, drawn[gone] / before, 0.0)
        below = np.zeros((len(controls) + 1, counts.shape[1]))
        np.cumsum(drawn[controls], axis=0, out=below[1:])
        wins = 0.5 * (np.einsum("ij,ij->j", weight, below[first]) + np.einsum("ij,ij->j", weight, below[after]))
        pairs = weight.sum(0) * below[-1]
        defined = (pairs > 0) & np.isfinite(pairs)
        return np.divide(wins, pairs, out=np.full(counts.shape[1], np.nan), where=defined)

    return statistic


def observed_risk_statistic(
    time: np.ndarray, event: np.ndarray, within: np.ndarray, at: float, resamples: Resamples
) -> Statistic:
    """The share with the event by a time, by Kaplan-Meier, of some of the cases; NaN in a resample without them.

    Args:
        time, event: As in `brier`.
        within: ``(case,)`` bool: of whom.
        at: The time.
        resamples: Of all cases.
    """
    within = np.asarray(within, dtype=bool)
    time, event, cluster = np.asarray(time, dtype=float)[within], np.asarray(event)[within], resamples.cluster[within]

    def statistic(counts: np.ndarray) -> np.ndarray:
        drawn = counts[cluster]
        if not len(drawn):
            return np.full(counts.shape[1], np.nan)
        moments, curve, _ = resampled(time, event, drawn, censoring=False)
        risk = 1 - curve[np.searchsorted(moments, at, "right")]
        return np.where(drawn.sum(0) > 0, risk, np.nan)

    return statistic


def last_followed(time: np.ndarray, event: np.ndarray, censoring: Steps | None = None) -> float:
    """Times before this one can be measured: from it on nobody, or nobody by `censoring`, is followed.

    Args:
        time, event: As in `brier`.
        censoring: As in `brier`.
    """
    censoring = censoring_distribution(time, event) if censoring is None else censoring
    never = censoring.time[censoring.value <= 0]
    return float(min(never[0] if len(never) else np.inf, np.max(time)))


def _followed(
    time: np.ndarray, event: np.ndarray, drawn: np.ndarray, gone: np.ndarray, at: float, censoring: Steps | None
) -> tuple[np.ndarray, np.ndarray]:
    """``G``: ``(gone, column or 1)`` just before each such case's event, ``(column or 1,)`` at the time."""
    if censoring is not None:
        return censoring.before(time[gone])[:, None], np.atleast_1d(censoring.at(at))
    moments, curve, moment = resampled(time, event, drawn, censoring=True)
    return curve[moment[gone]], curve[np.searchsorted(moments, at, "right")]
