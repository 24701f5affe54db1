"""Label values that the task does not know."""

from __future__ import annotations

import difflib
import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from preceptor.core.cohort import Case, Cohort, Sample
from preceptor.core.errors import Problem
from preceptor.core.plain import is_missing
from preceptor.core.plugins import Task
from preceptor.intake.masks import count_values

#: What people write where they do not know.
_PLACEHOLDERS = {
    "-1",
    "9",
    "99",
    "999",
    "-9",
    "-99",
    "todo",
    "tbd",
    "unknown",
    "none",
    "nan",
    "na",
    "n/a",
    "?",
    "null",
    "",
}


class UndeclaredLabels:
    """Values in label maps, and labels of cases, that the task declares nowhere.

    In a label map an undeclared value is an ``error``. A case whose class none of the task's classes names counts as
    unlabelled, so that is a ``warning`` unless the value is one letter away from a class (a slip), or a placeholder
    such as ``todo`` or ``-1`` that is about to be counted as a class: those are errors.

    Raises: nothing; it returns `Problem` records.

    Source: own.

    Example:
        >>> UndeclaredLabels()(Cohort((), Path()), {}, None)
        []
    """

    reads = "pixels"

    @classmethod
    def example(cls) -> UndeclaredLabels:
        return cls()

    def look(self, case: Case, sample: Sample | None, error: Exception | None) -> Any:
        return None if sample is None else {name: count_values(mask) for name, mask in sample.masks.items()}

    def __call__(self, cohort: Cohort, facts: Mapping[str, Any], task: Task | None) -> list[Problem]:
        if task is None:
            return []
        if task.mask is not None:
            return _in_maps(cohort, facts, task)
        question = task.question
        if question.task == "survival":
            return []  # the check follow_up looks at times and events together
        if question.is_regression:
            return _numbers(cohort, (question.target,), "a number", lambda value: True)
        if not question.exclusive:
            return _numbers(cohort, question.classes, "0, 1 or nothing", lambda value: value in (0, 1))
        return _classes(cohort, task)


def _in_maps(cohort: Cohort, facts: Mapping[str, Any], task: Task) -> list[Problem]:
    declared = {*task.question.values, *(getattr(task, "unlabelled", None) or ())}
    strange: dict[int, list[str]] = defaultdict(list)
    for case in cohort:
        for value in map(int, (facts.get(case.key) or {}).get(task.mask, {})):
            if value not in declared and not (task.question.numbered and value > 0):
                strange[value].append(case.key)
    if not strange:
        return []
    values = ", ".join(f"{value} (in {len(keys)})" for value, keys in sorted(strange.items())[:10])
    between = any(min(declared) < value < max(declared) for value in strange)
    remedy = "declare them under task.segmentation.labels, or list them as unlabelled"
    if between and len(declared) > 1:
        remedy += "; a value between two others may come of a map that was averaged: resample by nearest neighbour"
    return [
        Problem(
            f"label maps hold {len(strange)} undeclared value{'s' if len(strange) > 1 else ''}: {values}",
            "masks",
            f"values {', '.join(map(str, sorted(declared)))}",
            remedy,
            "label_undeclared",
            tuple(dict.fromkeys(key for keys in strange.values() for key in keys)),
        )
    ]


def _classes(cohort: Cohort, task: Task) -> list[Problem]:
    """Labels that no class names, and placeholders that a class swallows."""
    label = task.question.target
    unnamed: dict[str, list[str]] = defaultdict(list)
    swallowed: dict[str, list[str]] = defaultdict(list)
    named = _named(task)
    for case in cohort:
        value = case.labels.get(label)
        if is_missing(value):
            continue
        text = str(value)
        if int(task.encode(case)[label]) < 0:
            unnamed[text].append(case.key)
        elif text.strip().casefold() in _PLACEHOLDERS and text not in named:
            swallowed[text].append(case.key)
    slips = {text: near[0] for text in unnamed if (near := _near(text, named))}
    problems = []
    for text, meant in slips.items():
        problems.append(
            Problem(
                f"{len(unnamed[text])} cases are labelled '{text}', which no class names",
                f"label {label}",
                f"one of {', '.join(named)}",
                f"did you mean '{meant}'?",
                "label_slip",
                tuple(unnamed[text]),
            )
        )
    if swallowed:
        problems.append(
            Problem(
                f"placeholders are counted as a class: {_counted(swallowed)}",
                f"label {label}",
                "an empty cell where nothing is known",
                "empty the cells, or name the classes' values in the recipe in place of '*'",
                "label_placeholder",
                tuple(key for keys in swallowed.values() for key in keys),
            )
        )
    rest = {text: keys for text, keys in unnamed.items() if text not in slips}
    if rest:
        problems.append(
            Problem(
                f"labels that no class names are taken as unlabelled: {_counted(rest)}",
                f"label {label}",
                f"one of {', '.join(named)}",
                "name them under task.classification.classes if they are meant",
                "label_unnamed",
                tuple(key for keys in rest.values() for key in keys),
                "warning",
            )
        )
    return problems


def _named(task: Task) -> list[str]:
    """Every value that a class names, and the classes' own names."""
    classes = getattr(task, "classes", task.question.classes)
    values = [value for meant in classes.values() for value in meant] if isinstance(classes, Mapping) else list(classes)
    return [str(value) for value in values if value != "*"]


def _near(text: str, named: list[str]) -> list[str]:
    """A class this text is a slip of: the same letters but for case, or one or two of at least five wrong."""
    plain = {each.casefold(): each for each in named}
    if text.strip().casefold() in plain:
        return [plain[text.strip().casefold()]]
    if len(text) < 5:
        return []
    return [plain[each] for each in difflib.get_close_matches(text.casefold(), list(plain), n=1, cutoff=0.85)]


def _numbers(cohort: Cohort, columns: tuple[str, ...], expected: str, fits: Any) -> list[Problem]:
    problems = []
    for column in columns:
        strange: dict[str, list[str]] = defaultdict(list)
        for case in cohort:
            value: Any = case.labels.get(column)
            if not is_missing(value) and not (_is_number(value) and fits(float(value))):
                strange[str(value)].append(case.key)
        if strange:
            problems.append(
                Problem(
                    f"'{column}' holds what is no such label: {_counted(strange)}",
                    f"label {column}",
                    expected,
                    "empty the cells where nothing is known",
                    "label_undeclared",
                    tuple(key for keys in strange.values() for key in keys),
                )
            )
    return problems


def _is_number(value: Any) -> bool:
    try:
        return math.isfinite(float(value))
    except (TypeError, ValueError):
        return False


def _counted(found: Mapping[str, list[str]]) -> str:
    shown = [f"'{text[:40]}' ({len(keys)})" for text, keys in sorted(found.items(), key=lambda each: -len(each[1]))]
    return ", ".join(shown[:8]) + (f" and {len(shown) - 8} more" if len(shown) > 8 else "")
