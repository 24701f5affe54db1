"""Follow-up that a model of survival can be trained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge

from preceptor.core.cohort import Case, Cohort, Sample
from preceptor.core.errors import CohortError, Problem
from preceptor.core.plain import is_missing
from preceptor.core.plugins import Task


class FollowUp:
    """Times and events of a cohort that a model of survival is to be trained on or judged by.

    An ``error``: a time that is no number or below 0, an event that is neither 0 nor 1, no event among the training
    cases, and a time of the recipe's that no training case was followed to (a survival there would be made up). A
    ``warning``: few events to learn from, cases where one of the two columns is filled in without the other (they count
    as unlabelled), and no event among the cases to be tested.

    Args:
        least_events: Events among the training cases below which is warned.

    Raises: nothing; it returns `Problem` records.

    Source: own; events per candidate: Riley 2020 (doi:10.1136/bmj.m441).

    Example:
        >>> FollowUp()(Cohort((), Path()), {}, None)
        []
    """

    reads = "nothing"

    def __init__(self, least_events: Annotated[int, Ge(1)] = 50) -> None:
        self.least_events = least_events

    @classmethod
    def example(cls) -> FollowUp:
        return cls()

    def look(self, case: Case, sample: Sample | None, error: Exception | None) -> Any:
        return None

    def __call__(self, cohort: Cohort, facts: Mapping[str, Any], task: Task | None) -> list[Problem]:
        if task is None or task.question.task != "survival" or not len(cohort):
            return []
        problems: list[Problem] = []
        wrong: dict[tuple[str, str], list[str]] = {}
        known: dict[str, np.ndarray] = {}
        for case in cohort:
            try:
                known[case.key] = np.asarray(task.encode(case)[task.question.target], dtype=float)
            except CohortError as error:
                wrong.setdefault((error.problem.what, error.problem.expected), []).append(case.key)
        for (what, expected), keys in wrong.items():
            problems.append(
                Problem(
                    f"{what.replace(' of a case', '')} in {len(keys)} case{'s' if len(keys) > 1 else ''}",
                    f"label {' and '.join(task.question.follow_up_columns)}",
                    expected,
                    "mend the column, or leave these cells empty where nothing is known",
                    "follow_up_value",
                    tuple(keys),
                )
            )
        problems += _halves(cohort, task, known)
        # Folds deal the roles later: what holds of all cases holds of them.
        trained = cohort.with_role("train") or cohort.cases
        return problems + self._of_training(_stacked(trained, known), task) + _of_tests(cohort, known, task)

    def _of_training(self, followed: np.ndarray, task: Task) -> list[Problem]:
        time_column, event_column = task.question.follow_up_columns
        events = int((followed[:, 1] == 1).sum())
        if events == 0:
            return [
                Problem(
                    f"no training case had the event ('{event_column}' is 1 in none of {len(followed)})",
                    f"label {event_column}",
                    "cases with the event among those that are learnt from",
                    "is the column the right one, and 1 the event? Else more cases, or a longer follow-up",
                    "no_event",
                )
            ]
        problems = []
        last = float(followed[:, 0].max())
        beyond = [time for time in task.question.times if time > last]
        if beyond:
            problems.append(
                Problem(
                    f"survival is asked for at {', '.join(f'{time:g}' for time in beyond)} {task.question.unit}".rstrip()
                    + f", and no training case was followed longer than {last:g}",
                    "task.survival.times",
                    f"times up to {last:g}",
                    f"leave these times out, or look whether '{time_column}' is in another unit",
                    "time_beyond_follow_up",
                )
            )
        if events < self.least_events:
            problems.append(
                Problem(
                    f"{events} training cases had the event, of {len(followed)} with follow-up: few to learn from",
                    f"label {event_column}",
                    f"{self.least_events} events or more",
                    "intervals will be wide: take a small network, and more cases if they can be had",
                    "few_events",
                    severity="warning",
                )
            )
        return problems


def _halves(cohort: Cohort, task: Task, known: Mapping[str, np.ndarray]) -> list[Problem]:
    """Cases where one column is filled in and the other is not."""
    time_column, event_column = task.question.follow_up_columns
    unlabelled = [case for case in cohort if case.key in known and np.isnan(known[case.key]).any()]
    half = [case.key for case in unlabelled if {time_column, event_column} & {*_filled(case)}]
    if not half:
        return []
    return [
        Problem(
            f"{len(half)} case{'s have' if len(half) > 1 else ' has'} '{time_column}' without '{event_column}' or the "
            "reverse, and counts as unlabelled",
            f"label {time_column} and {event_column}",
            "both, or neither",
            f"a case that was lost from sight has its time, and 0 in '{event_column}'",
            "follow_up_half",
            tuple(half),
            "warning",
        )
    ]


def _filled(case: Case) -> list[str]:
    return [name for name, value in {**case.fields, **case.labels}.items() if not is_missing(value)]


def _stacked(cases: tuple[Case, ...], known: Mapping[str, np.ndarray]) -> np.ndarray:
    """``(case, 3)`` targets of those whose follow-up is known."""
    found = [known[case.key] for case in cases if case.key in known and not np.isnan(known[case.key]).any()]
    return np.array(found).reshape(-1, 3)


def _of_tests(cohort: Cohort, known: Mapping[str, np.ndarray], task: Task) -> list[Problem]:
    cases = cohort.with_role("test", "external")
    if not cases or (_stacked(cases, known)[:, 1] == 1).any():
        return []
    return [
        Problem(
            f"none of the {len(cases)} cases to be tested had the event: nothing can be measured on them",
            f"label {task.question.follow_up_columns[1]}",
            "cases with the event in every role",
            "deal the roles anew with another seed, or ask for a larger share of test cases",
            "no_event_tested",
            severity="warning",
        )
    ]
