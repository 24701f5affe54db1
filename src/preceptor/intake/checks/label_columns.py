"""Labels beside the one that is asked: slips, placeholders, columns that say nothing, follow-up that can't be."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any

from annotated_types import Ge

from preceptor.core.cohort import Case, Cohort, Sample
from preceptor.core.errors import Problem
from preceptor.core.plain import is_missing
from preceptor.core.plugins import Task
from preceptor.intake.columns import PLACEHOLDERS, number_of

#: A slip is rarer than what it is a slip of by this factor.
_RARER = 10

#: Columns that are a time of follow-up, or whether the event came.
_TIME = re.compile(r"(^|_)(time|days|weeks|months|years|survival|follow_?up)(_|$)", re.IGNORECASE)
_EVENT = re.compile(r"(^|_)(event|status|death|died|dead|censor(ed)?|relapse|progression)(_|$)", re.IGNORECASE)


class LabelColumns:
    """Every column of labels that the task does not ask for, judged by itself, without knowing what it means.

    The label of the task is `undeclared_labels`' and `class_counts`' to judge, follow-up that is asked for
    `follow_up`'s. Here the others are looked at, and all of them where there is no recipe: a value written in a way
    that occurs once where a nearly equal one occurs often; ``todo``, ``-1`` or ``99`` among real values; a column with
    one value, or with positives and blanks alone, where nobody can say whether a blank is a no; times of follow-up not
    above 0, and events other than 0 and 1.

    Args:
        least_labelled: Labelled cases below which a column with one value is not told.

    Raises: nothing; it returns `Problem` records of severity ``error``: a column that was called a label is meant to
    be one.

    Source: own.

    Example:
        >>> LabelColumns()(Cohort((), Path()), {}, None)
        []
    """

    reads = "nothing"

    def __init__(self, least_labelled: Annotated[int, Ge(2)] = 10) -> None:
        self.least_labelled = least_labelled

    @classmethod
    def example(cls) -> LabelColumns:
        return cls()

    def look(self, case: Case, sample: Sample | None, error: Exception | None) -> Any:
        return None

    def __call__(self, cohort: Cohort, facts: Mapping[str, Any], task: Task | None) -> list[Problem]:
        asked = _asked(task)
        columns = [name for name in dict.fromkeys(each for case in cohort for each in case.labels) if name not in asked]
        problems = []
        for name in columns:
            held = {case.key: case.labels[name] for case in cohort if not is_missing(case.labels.get(name))}
            blanks = len(cohort) - len(held)
            if any(number_of(value) is None for value in held.values()):
                problems += _slips(name, held)
            unknown = _placeholders(held)
            if unknown:
                problems.append(_unknown(name, held, unknown))
            rest = {key: value for key, value in held.items() if key not in unknown}
            if len(rest) >= self.least_labelled and not _is_follow_up(name, columns):
                problems += _of_one_value(name, rest, blanks)
        return problems + _follow_up(cohort, columns)


def _asked(task: Task | None) -> set[str]:
    if task is None:
        return set()
    question = task.question
    return {question.target, *question.classes, *(question.follow_up_columns or ())}


def _is_follow_up(name: str, columns: list[str]) -> bool:
    return name in _pair(columns)


def _pair(columns: list[str]) -> tuple[str, ...]:
    """A column of times and one of events, where there are both."""
    time = next((name for name in columns if _TIME.search(name)), None)
    event = next((name for name in columns if _EVENT.search(name)), None)
    return (time, event) if time and event and time != event else ()


def _slips(name: str, held: Mapping[str, Any]) -> list[Problem]:
    counts = Counter(str(value) for value in held.values())
    problems = []
    for text, number in sorted(counts.items()):
        usual = [other for other, times in counts.items() if times >= _RARER * number]
        meant = _near(text, usual)
        if meant is not None:
            problems.append(
                Problem(
                    f"{number} case{'s are' if number > 1 else ' is'} labelled '{text[:40]}', and {counts[meant]} '{meant[:40]}'",
                    f"label {name}",
                    "one way to write a class",
                    f"did you mean '{meant[:40]}'?",
                    "label_slip",
                    tuple(key for key, value in held.items() if str(value) == text),
                )
            )
    return problems


def _near(text: str, usual: list[str]) -> str | None:
    plain = {each.strip().casefold(): each for each in usual}
    wanted = text.strip().casefold()
    if wanted in plain:
        return plain[wanted]
    if len(wanted) < 5 or wanted in PLACEHOLDERS:
        return None
    near = difflib.get_close_matches(wanted, list(plain), n=1, cutoff=0.85)
    return plain[near[0]] if near else None


def _placeholders(held: Mapping[str, Any]) -> set[str]:
    """Keys whose value stands for "not known": words in any column, numbers far outside a column of few classes."""
    words = {
        key for key, value in held.items() if str(value).strip().casefold() in PLACEHOLDERS and not _is_number(value)
    }
    numbers = {key: number for key, value in held.items() if (number := number_of(value)) is not None}
    coded = {key for key, number in numbers.items() if f"{number:g}" in PLACEHOLDERS}
    real = {number for key, number in numbers.items() if key not in coded}
    # Classes are counted from 0 without a gap; 9 after 0 to 8 is a class, 9 after 0 and 1 is not.
    few = bool(real) and all(number.is_integer() for number in real) and min(real) >= 0 and max(real) <= 8
    return words | (coded if few and max(real) < 8 else set())


def _is_number(value: Any) -> bool:
    return number_of(value) is not None


def _unknown(name: str, held: Mapping[str, Any], keys: set[str]) -> Problem:
    shown = Counter(str(held[key]) for key in keys).most_common(5)
    return Problem(
        f"placeholders stand where a class is expected: {', '.join(f'{text!r} ({number})' for text, number in shown)}",
        f"label {name}",
        "an empty cell where nothing is known",
        "empty these cells, or list the values under the data set's `unlabelled`",
        "label_placeholder",
        tuple(key for key in held if key in keys),
    )


def _of_one_value(name: str, held: Mapping[str, Any], blanks: int) -> list[Problem]:
    values = {str(number_of(value)) if _is_number(value) else str(value) for value in held.values()}
    if len(values) != 1:
        return []
    if blanks and values == {"1.0"}:
        what = f"'{name}' holds 1 in {len(held)} cases and nothing in {blanks}: a blank may be a no, or not looked for"
        remedy = "write 0 where the answer was no, and leave empty only what nobody looked for"
        return [Problem(what, f"label {name}", "0 as well as 1", remedy, "label_positive_only", tuple(held))]
    what = (
        f"'{name}' is '{next(iter(held.values()))}' in all {len(held)} labelled cases: there is nothing to tell apart"
    )
    remedy = "look at how the column was made; take it out of the labels if it is none"
    return [Problem(what, f"label {name}", "two values or more", remedy, "label_constant")]


def _follow_up(cohort: Cohort, columns: list[str]) -> list[Problem]:
    problems = []
    for name, fits, expected in zip(
        _pair(columns),
        (lambda value: value is not None and value > 0, lambda value: value in (0, 1)),
        ("times above 0", "0 (followed without the event) or 1 (the event)"),
        strict=False,
    ):
        wrong = [
            case.key
            for case in cohort
            if not is_missing(case.labels.get(name)) and not fits(number_of(case.labels[name]))
        ]
        if wrong:
            problems.append(
                Problem(
                    f"'{name}' holds what can't be in {len(wrong)} case{'s' if len(wrong) > 1 else ''}",
                    f"label {name}",
                    expected,
                    "look at how follow-up was counted; leave both cells empty where nothing is known",
                    "follow_up_value",
                    tuple(wrong),
                )
            )
    return problems
