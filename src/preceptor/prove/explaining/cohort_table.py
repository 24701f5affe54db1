"""The fields of a cohort as a table of numbers, with the truth that a table could tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from preceptor.core.cohort import Case, Cohort
from preceptor.core.errors import CohortError, RecipeError
from preceptor.core.evidence import Question
from preceptor.core.plain import is_missing
from preceptor.core.plugins import Task

#: A field with more values than this, none of them a number, names cases rather than groups.
_MOST_LEVELS = 12


@dataclass(frozen=True)
class CohortTable:
    """What the fields say of each case.

    Args:
        names: Of the columns; a group is a column of its own (``site=north``).
        features: ``(case, column)``, NaN where missing.
        truths: ``{question: (case,)}``, a class, a number, or None where unlabelled; one for each label of several.
        clusters: ``(case,)`` patient of each.
        left_out: Fields that tell nothing here, and why.
    """

    names: tuple[str, ...]
    features: np.ndarray
    truths: dict[str, list[Any]]
    clusters: np.ndarray
    left_out: dict[str, str]


def cohort_table(
    cohort: Cohort, task: Task, fields: Sequence[str] = (), roles: Sequence[str] = ("train", "tune")
) -> CohortTable:
    """The fields of cases with these roles, numbers as they are and groups as columns of 0 and 1.

    The cases that the model learnt from are asked, so that who chooses columns by the answer has not looked at the test.

    Args:
        cohort: With roles.
        task: Of one class, of several labels or of a number a case.
        fields: Which ones; none takes every field.
        roles: Whose cases.

    Raises:
        RecipeError: The task's truth is no class and no number.
        CohortError: No case, no such field, or none that varies.
    """
    question = task.question
    if question.dense or (question.is_regression and not question.is_number):
        raise RecipeError(
            f"a table can't be held against the truth of the task '{question.task}'",
            expected="a task of one class, several labels or a number a case",
            code="table_truth",
        )
    cases = cohort.with_role(*roles)
    known = list(dict.fromkeys(name for case in cases for name in case.fields))
    absent = [name for name in fields if name not in known]
    if absent or not cases or not known:
        raise CohortError(
            f"no case has the field {', '.join(absent)}" if absent else f"{len(cases)} cases with {len(known)} fields",
            expected=f"cases with the role {' or '.join(roles)}"
            + (f"; their fields: {', '.join(known)}" if known else ""),
            remedy="name fields of the cohort, or build the cohort with them",
            code="table_fields",
        )
    columns: dict[str, np.ndarray] = {}
    left_out: dict[str, str] = {}
    for name in fields or known:
        made = _columns(name, [case.fields.get(name) for case in cases])
        if isinstance(made, str):
            left_out[name] = made
        else:
            columns |= made
    if not columns:
        raise CohortError(
            "no field varies enough to tell anything",
            expected=f"numbers, or groups of at most {_MOST_LEVELS}",
            code="table_empty",
        )
    features = np.stack(list(columns.values()), axis=1)
    clusters = np.array([case.cluster for case in cases])
    return CohortTable(tuple(columns), features, _truths(cases, task, question), clusters, left_out)


def _columns(name: str, values: Sequence[Any]) -> dict[str, np.ndarray] | str:
    """The columns of a field, or why it has none."""
    missing = np.array([is_missing(value) for value in values])
    given = list(dict.fromkeys(str(value) for value, gone in zip(values, missing, strict=True) if not gone))
    if len(given) < 2:
        return "it is the same for every case"
    numbers = np.array([np.nan if gone else _number(value) for value, gone in zip(values, missing, strict=True)])
    if not np.isnan(numbers[~missing]).any():
        return {name: numbers}
    if len(given) > _MOST_LEVELS:
        return f"{len(given)} values that are no numbers"
    levels = sorted(given)
    # Of two groups the second says all.
    return {
        f"{name}={level}": np.array(
            [np.nan if gone else float(str(value) == level) for value, gone in zip(values, missing, strict=True)]
        )
        for level in (levels[1:] if len(levels) == 2 else levels)
    }


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


def _truths(cases: Sequence[Case], task: Task, question: Question) -> dict[str, list[Any]]:
    told = [np.asarray(task.encode(each)[question.target]) for each in cases]
    if question.is_number:
        numbers = [float(each.ravel()[0]) for each in told]
        return {question.classes[0]: [None if np.isnan(each) else each for each in numbers]}
    if question.exclusive:
        codes = [int(each) for each in told]
        return {question.target: [None if code < 0 else question.classes[code] for code in codes]}
    return {
        name: [None if np.isnan(each[at]) else ("yes" if each[at] else "no") for each in told]
        for at, name in enumerate(question.classes)
    }
