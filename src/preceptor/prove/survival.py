"""Follow-up and predicted risk of every case, as evaluators of survival read them from stored predictions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas

from preceptor.core.cohort import Cohort
from preceptor.core.errors import CohortError
from preceptor.core.evidence import Question
from preceptor.learn.follow_up import follow_up_of
from preceptor.maths.intervals import Resamples
from preceptor.maths.survival_curves import Steps, censoring_distribution
from preceptor.maths.survival_measures import last_followed

from .measuring import Measuring, noted, refused

#: Curves are measured at so many times at most, where none are named.
_MOST_TIMES = 12
_CURVE = re.compile(r"survival_(\d+(?:\.\d+)?(?:e[+-]?\d+)?)$")


@dataclass(frozen=True, eq=False)
class Followed:
    """The rows whose follow-up is known.

    Args:
        rows: ``(row of the predictions,)`` bool: which they are.
        resamples: Of those rows.
        time: ``(case,)`` of follow-up.
        event: ``(case,)`` bool, whether it ended with the event.
        risk: ``(case,)``, higher meaning sooner.
        times: ``(time,)`` ascending times of the curves; empty where there are none.
        survival: ``(case, time)`` predicted share without the event.
        censoring: Of the training cases; None where they are unknown, and the measured cases stand in.
        trained: ``(time, event)`` of the training cases; empty where unknown.
        unit: Of time.
        notes: What a reader must know.
    """

    rows: np.ndarray
    resamples: Resamples
    time: np.ndarray
    event: np.ndarray
    risk: np.ndarray
    times: np.ndarray
    survival: np.ndarray
    censoring: Steps | None
    trained: tuple[np.ndarray, np.ndarray]
    unit: str
    notes: tuple[str, ...]

    @classmethod
    def of(cls, measuring: Measuring, cohort: Cohort) -> Followed:
        """Read the table.

        Raises:
            CohortError: A column is missing, a time is negative, or a case with follow-up has no prediction.
        """
        predictions = measuring.predictions
        table = predictions.table
        for column in ("truth_time", "truth_event", "answer"):
            if column not in table:
                raise CohortError(
                    f"the predictions have no column '{column}'",
                    expected="truth_time, truth_event (1 event, 0 censored) and answer, a risk that is higher sooner",
                    code="survival_columns",
                )
        time, event, risk = (_numbers(table, name) for name in ("truth_time", "truth_event", "answer"))
        rows = ~(np.isnan(time) | np.isnan(event))
        times, survival = _curves(table)
        faults = []
        if (time[rows] < 0).any():
            faults.append(f"{int((time[rows] < 0).sum())} follow-up times below 0")
        if not np.isin(event[rows], (0, 1)).all():
            faults.append("values of truth_event other than 0 and 1")
        unpredicted = rows & (np.isnan(risk) | np.isnan(survival).any(1))
        if unpredicted.any():
            faults.append(f"{int(unpredicted.sum())} cases with follow-up and no prediction")
        outside = (survival < 0) | (survival > 1) | (np.diff(survival, axis=1, append=0) > 1e-6)
        if survival.size and outside[rows].any():
            faults.append("survival curves that rise, or leave 0..1")
        if faults:
            raise CohortError(
                f"the survival predictions hold {'; '.join(faults)}",
                expected="times from 0 on, events 0 or 1, and a prediction for every case with follow-up",
                code="survival_values",
            )
        trained = _trained(cohort, predictions.question)
        censoring = censoring_distribution(*trained) if len(trained[0]) else None
        whence = (
            f"chance to be followed estimated on {len(trained[0])} training cases"
            if censoring is not None
            else "chance to be followed estimated on the measured cases, anew in every resample"
        )
        happened = int((event[rows] == 1).sum())
        return cls(
            rows,
            replace(measuring.resamples, cluster=measuring.resamples.cluster[rows]),
            time[rows],
            event[rows] == 1,
            risk[rows],
            times,
            survival[rows],
            censoring,
            trained,
            predictions.question.unit,
            (
                f"{happened} events, {int(rows.sum()) - happened} censored; {whence}",
                *noted(int((~rows).sum()), "case{s} without follow-up, not measured"),
                *refused(predictions),
            ),
        )

    def chosen(self, times: Sequence[float] | None) -> np.ndarray:
        """The times to measure at, and none that nobody was followed to.

        Args:
            times: As the recipe names them. None takes those of the curves, or the quartiles of the times of events.
        """
        if not self.event.any():
            return np.zeros(0)
        first, last = float(self.time[self.event].min()), last_followed(self.time, self.event, self.censoring)
        if times is not None:
            wanted = np.array(sorted(times), dtype=float)
        elif len(self.times):
            wanted = self.times
        else:
            wanted = np.quantile(self.time[self.event], [0.25, 0.5, 0.75])
        wanted = wanted[(wanted >= first) & (wanted < last)]
        if times is None and len(wanted) > _MOST_TIMES:
            wanted = wanted[np.linspace(0, len(wanted) - 1, _MOST_TIMES).round().astype(int)]
        return wanted

    def beyond(self, times: Sequence[float] | None) -> tuple[str, ...]:
        """Says how many of the named times were left out."""
        return noted(
            0 if times is None else len(times) - len(self.chosen(times)),
            "time{s} before the first event or after the last follow-up left out",
        )

    def survival_at(self, time: float) -> np.ndarray:
        """``(case,)`` predicted share without the event: each curve keeps its value until its next time."""
        column = int(np.searchsorted(self.times, time, "right"))
        return self.survival[:, column - 1] if column else np.ones(len(self.time))

    def risk_at(self, time: float) -> np.ndarray:
        """``(case,)`` predicted share with the event by that time, or the risk score where there are no curves."""
        return 1 - self.survival_at(time) if len(self.times) else self.risk

    def told(self, time: float) -> str:
        """A time in words."""
        return f"{time:g}{f' {self.unit}' if self.unit else ''}"


def curve_columns(columns: Sequence[str]) -> list[str]:
    """The columns ``survival_<time>``, by time."""
    found = {column: _CURVE.match(str(column)) for column in columns}
    return sorted((name for name, match in found.items() if match), key=lambda name: float(name.partition("_")[2]))


def mean_survival_time(survival: np.ndarray, times: np.ndarray) -> np.ndarray:
    """``(case,)`` expected time without the event until the last of the times: the area under each curve's steps."""
    steps = np.concatenate([np.ones((len(survival), 1)), survival[:, :-1]], axis=1)
    return steps @ np.diff(times, prepend=0.0)


def _numbers(table: pandas.DataFrame, column: str) -> np.ndarray:
    return pandas.to_numeric(table[column], errors="coerce").to_numpy(dtype=float)


def _curves(table: pandas.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    named = curve_columns(list(table.columns))
    times = np.array([float(name.partition("_")[2]) for name in named])
    return times, table[named].to_numpy(dtype=float).reshape(len(table), len(named))


def _trained(cohort: Cohort, question: Question) -> tuple[np.ndarray, np.ndarray]:
    """Follow-up of the training cases, where the cohort holds it."""
    told = [follow_up_of(case, question) for case in cohort if case.role == "train"]
    values = np.array([each for each in told if each is not None], dtype=float).reshape(-1, 2)
    return values[:, 0], values[:, 1] == 1
