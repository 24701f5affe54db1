"""Follow-up of a case, as the cohort has it and as the losses of survival read it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from preceptor.core.cohort import Case, Sample
from preceptor.core.errors import CohortError
from preceptor.core.evidence import Question
from preceptor.core.plain import is_missing

#: What says that the follow-up ended with the event, and what that it ended without.
_EVENT = {"1": 1.0, "1.0": 1.0, "true": 1.0, "0": 0.0, "0.0": 0.0, "false": 0.0}


def follow_up_of(case: Case | Sample, question: Question) -> tuple[float, float] | None:
    """How long a case was followed, and whether that ended with the event (1) or without (0).

    Args:
        case: Its labels are read, then its fields.
        question: Names the two columns.

    Returns:
        Time and event; None where either is missing: nobody knows, so the case is unlabelled.

    Raises:
        CohortError: The time is no number, not finite or below 0, or the event is neither 0 nor 1.
    """
    time_column, event_column = question.follow_up_columns
    time, event = (case.labels.get(name, case.fields.get(name)) for name in (time_column, event_column))
    if is_missing(time) or is_missing(event):
        return None
    try:
        followed = float(time)
    except (TypeError, ValueError):
        followed = float("nan")
    if not 0 <= followed < float("inf"):
        raise _wrong(case, f"the time of follow-up '{time_column}'", "a number from 0 on")
    happened = _EVENT.get(str(event).strip().casefold())
    if happened is None:
        raise _wrong(case, f"'{event_column}'", "1 (the follow-up ended with the event) or 0 (it ended without)")
    return followed, happened


def _wrong(case: Case | Sample, what: str, expected: str) -> CohortError:
    return CohortError(
        f"{what} of a case can't be used",
        where=f"case {case.key}",
        expected=expected,
        remedy="mend the column, or leave these cells empty where nothing is known",
        code="follow_up_value",
    )


def interval_of(time: float, event: float, times: Sequence[float]) -> int:
    """Which interval of time a follow-up speaks of last; see `Ended`.

    Intervals end at `times`, and begin after the end of the one before. An event falls into the interval that holds it.
    A case that was followed no further counts as without the event in every interval that it was followed *through*:
    the one in which it was lost says nothing.

    Args:
        time: Of follow-up.
        event: 1 where it ended with the event.
        times: Ascending ends of the intervals.

    Returns:
        The place from 0; ``len(times)`` for an event after the last of them; for a case without the event the last
        interval it was followed through, -1 where there is none.
    """
    if event == 1:
        return int(np.searchsorted(times, time, "left"))
    return int(np.searchsorted(times, time, "right")) - 1


class Ended(NamedTuple):
    """A batch of follow-ups, as losses of discrete time read them.

    Args:
        interval: ``(batch,)`` long: the last interval that a case speaks of.
        event: ``(batch,)`` bool: whether the event fell into it.
        told: ``(batch,)`` bool: whether the case says anything: its follow-up is known, and it was followed through an
            interval or to the event.
    """

    interval: Tensor
    event: Tensor
    told: Tensor

    @classmethod
    def of(cls, target: Tensor, intervals: int) -> Ended:
        """Read targets ``(batch, 3)`` of the task `survival`: time, event, interval; NaN where unlabelled."""
        known = is_followed(target)
        place = torch.where(known, target[:, 2], torch.full_like(target[:, 2], -1)).long()
        # An event after the last interval: until then it had not happened.
        event = (target[:, 1] == 1) & known & (place < intervals)
        return cls(place.clamp(0, intervals - 1), event, known & (place >= 0))


def is_followed(target: Tensor) -> Tensor:
    """``(batch,)`` bool: whose follow-up is known, of targets as in `Ended.of`."""
    return ~target.isnan().any(1)


def log_mean_hazard(survival: Tensor) -> Tensor:
    """``(batch, 1)`` the logarithm of the cumulative hazard, averaged over the times: one number to rank curves by.

    For proportional hazards it is the log hazard ratio and a constant.

    Args:
        survival: ``(batch, time)`` logarithm of the share without the event.

    Source: the ensemble mortality of Ishwaran 2008 (arXiv:0811.1645), eq. 4, on a logarithmic scale.
    """
    return torch.log((-survival).mean(1, keepdim=True).clamp_min(torch.finfo(survival.dtype).tiny))


def target_of(case: Case | Sample, question: Question) -> np.ndarray:
    """``(3,)`` float32 target of a case: time, event and interval, all NaN where its follow-up is unknown.

    Raises:
        CohortError: As `follow_up_of`.
    """
    known = follow_up_of(case, question)
    if known is None:
        return np.full(3, np.nan, np.float32)
    time, event = known
    return np.array([time, event, interval_of(time, event, question.times)], np.float32)
