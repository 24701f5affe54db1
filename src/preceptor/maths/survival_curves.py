"""Curves of time to an event: Kaplan-Meier, the censoring distribution, Nelson-Aalen, Breslow's baseline.

A case is followed for a ``time`` that ends with the event (``event`` true) or without it (censored).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Steps:
    """A right-continuous step function of time.

    Args:
        time: ``(step,)`` ascending times at which it changes.
        value: ``(step,)`` its value from that time on.
        start: Its value before the first step.
    """

    time: np.ndarray
    value: np.ndarray
    start: float

    def at(self, time: np.ndarray | float) -> np.ndarray:
        """The value at these times, a step at exactly that time included."""
        return np.append(self.start, self.value)[np.searchsorted(self.time, time, "right")]

    def before(self, time: np.ndarray | float) -> np.ndarray:
        """The value just before these times."""
        return np.append(self.start, self.value)[np.searchsorted(self.time, time, "left")]


@dataclass(frozen=True, eq=False)
class _Counts:
    """What happened at each distinct time, weighted by how often each case counts.

    Args:
        time: ``(moment,)`` distinct times.
        moment: ``(case,)`` which of them ends a case.
        at_risk, events, censored: ``(moment, column)``.
    """

    time: np.ndarray
    moment: np.ndarray
    at_risk: np.ndarray
    events: np.ndarray
    censored: np.ndarray

    @classmethod
    def of(cls, time: np.ndarray, event: np.ndarray, weight: np.ndarray) -> _Counts:
        order = np.argsort(time, kind="stable")
        moments, first, moment = np.unique(time[order], return_index=True, return_inverse=True)
        weight, event = weight[order], np.asarray(event, dtype=bool)[order][:, None]
        ended = np.add.reduceat(weight, first, axis=0)
        events = np.add.reduceat(np.where(event, weight, 0.0), first, axis=0)
        at_risk = np.cumsum(ended[::-1], axis=0)[::-1]
        back = np.empty_like(moment)
        back[order] = moment
        return cls(moments, back, at_risk, events, ended - events)

    def remaining(self, censoring: bool) -> np.ndarray:
        """``(moment + 1, column)`` share without the event (or, of the censoring, still followed): 1 at first.

        Where an event and a censoring fall on one time the event came first, as Kaplan and Meier have it.
        """
        leaving, exposed = (self.censored, self.at_risk - self.events) if censoring else (self.events, self.at_risk)
        stay = 1 - np.divide(leaving, exposed, out=np.zeros_like(exposed), where=exposed > 0)
        return np.concatenate([np.ones((1, stay.shape[1])), np.cumprod(stay, axis=0)])


def kaplan_meier(time: np.ndarray, event: np.ndarray) -> Steps:
    """The share of cases without the event.

    Args:
        time: ``(case,)`` of follow-up.
        event: ``(case,)`` whether it ended with the event.

    Source: Kaplan & Meier 1958.
    """
    counts = _Counts.of(np.asarray(time, dtype=float), event, np.ones((len(time), 1)))
    return Steps(counts.time, counts.remaining(censoring=False)[1:, 0], 1.0)


def censoring_distribution(time: np.ndarray, event: np.ndarray) -> Steps:
    """The share of cases still followed, as if nobody had the event: ``G(t)`` of every inverse-probability weight.

    Args:
        time: ``(case,)`` of follow-up: of the training cases where they are known.
        event: ``(case,)`` whether it ended with the event.

    Source: Graf 1999; Uno 2007.
    """
    counts = _Counts.of(np.asarray(time, dtype=float), event, np.ones((len(time), 1)))
    return Steps(counts.time, counts.remaining(censoring=True)[1:, 0], 1.0)


def resampled(
    time: np.ndarray, event: np.ndarray, weight: np.ndarray, *, censoring: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`kaplan_meier` or `censoring_distribution` of many resamples at once.

    Args:
        time, event: ``(case,)``.
        weight: ``(case, column)`` how often a resample drew each case.
        censoring: Which of the two.

    Returns:
        ``(moment,)`` distinct times; ``(moment + 1, column)`` the curve, 1 before the first; ``(case,)`` each case's
        moment, so that ``curve[moment]`` is the value just before a case ended and ``curve[moment + 1]`` that at it.
    """
    counts = _Counts.of(np.asarray(time, dtype=float), event, weight)
    return counts.time, counts.remaining(censoring), counts.moment


def nelson_aalen(time: np.ndarray, event: np.ndarray) -> Steps:
    """The cumulative hazard of all cases together.

    Source: Nelson 1972; Aalen 1978.
    """
    return breslow(time, event, np.zeros(len(time)))


def breslow(time: np.ndarray, event: np.ndarray, risk: np.ndarray) -> Steps:
    """The cumulative baseline hazard of a proportional hazards model: that of a case whose risk score is 0.

    Args:
        time: ``(case,)`` of follow-up, of the training cases.
        event: ``(case,)`` whether it ended with the event.
        risk: ``(case,)`` log hazard ratios, centred like those that it is applied to.

    Source: Breslow 1972, contribution to the discussion of Cox 1972.
    """
    risk = np.asarray(risk, dtype=float)
    largest = risk.max()
    ones, exponential = np.ones((len(risk), 1)), np.exp(risk - largest)[:, None]
    time = np.asarray(time, dtype=float)
    happened, exposed = _Counts.of(time, event, ones), _Counts.of(time, event, exponential)
    steps = happened.events[:, 0] / exposed.at_risk[:, 0] * np.exp(-largest)
    changes = happened.events[:, 0] > 0
    return Steps(happened.time[changes], np.cumsum(steps[changes]), 0.0)


def survival_of(baseline: Steps, risk: np.ndarray, times: np.ndarray) -> np.ndarray:
    """``(case, time)`` share of such cases without the event, ``exp(-H0(t) exp(risk))``.

    Args:
        baseline: From `breslow`.
        risk: ``(case,)`` log hazard ratios.
        times: ``(time,)``.
    """
    return np.exp(-np.exp(np.asarray(risk, dtype=float))[:, None] * baseline.at(np.asarray(times, dtype=float)))
