"""Who is in the cohort: the flow of exclusions, and the table that every clinical paper begins with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from preceptor.core.cohort import ROLES, Case, Cohort
from preceptor.core.plain import is_empty
from preceptor.prove.report.wording import whole

#: What columns of a cohort are called, lower case; the first that is there is taken.
SEX = ("sex", "gender")
AGE = ("age", "age_years", "age_at_scan", "patient_age")
SITE = ("site", "location", "centre", "center", "hospital", "institution")
SCANNER = ("scanner", "manufacturer", "device", "field_strength_t", "modality")

#: What a role is for, as a reader of the report calls it.
ROLE_NAMES = {
    "train": "Training",
    "tune": "Tuning",
    "calibrate": "Calibration",
    "test": "Test",
    "adapt": "Adaptation",
    "external": "External",
    None: "No role",
}

_MOST_LEVELS = 8
_AGE_BANDS = ((0, 18), (18, 40), (40, 60), (60, 80), (80, 200))


@dataclass(frozen=True)
class Row:
    """One line of table one.

    Args:
        label: What is counted.
        values: One per column.
        level: Whether it is a level of the characteristic above it.
    """

    label: str
    values: tuple[str, ...]
    level: bool = False


@dataclass(frozen=True)
class TableOne:
    """Columns are the splits, the last one all of them.

    Args:
        columns: Names of the splits with their number of cases.
        rows: Lines.
        notes: What a reader must know.
    """

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]


def column_of(cohort: Cohort, names: Iterable[str]) -> str | None:
    """The first field of the cohort that goes by one of these names, whatever its case."""
    fields = {str(name).lower(): name for case in cohort for name in case.fields}
    return next((fields[name] for name in names if name in fields), None)


def age_band(age: Any) -> str | None:
    """``60–79`` for 64; None where the age is unknown."""
    years = _number(age)
    if years is None:
        return None
    for low, high in _AGE_BANDS:
        if low <= years < high:
            return f"{low} and over" if high == _AGE_BANDS[-1][1] else f"{low}–{high - 1}"
    return None


def flow(cohort: Cohort) -> list[tuple[str, int]]:
    """``(what, how many cases)``: found, each exclusion (negative), included."""
    gone = sum(number for _, number in cohort.exclusions)
    steps = [("found", len(cohort) + gone)]
    steps += [(reason, -number) for reason, number in cohort.exclusions]
    return [*steps, ("included", len(cohort))]


def table_one(cohort: Cohort, task: Any = None) -> TableOne:
    """Cases, patients, sex, age, site, scanner, views and classes, by split.

    Sex and age are counted once a patient (from the first case that has them), everything else once a case.

    Args:
        cohort: With roles.
        task: Counts the labels as it reads them; None shows every label as it stands.
    """
    roles = [role for role in (*ROLES, None) if any(case.role == role for case in cohort)]
    groups = [[case for case in cohort if case.role == role] for role in roles]
    if len(groups) > 1:
        groups.append(list(cohort))
    columns = [ROLE_NAMES[role] for role in roles] + (["All"] if len(roles) > 1 else [])

    rows = [Row("Cases", tuple(whole(len(group)) for group in groups))]
    if cohort.knows_patients:
        rows.append(Row("Patients", tuple(whole(len({case.cluster for case in group})) for group in groups)))
    if sex := column_of(cohort, SEX):
        rows += _levels("Sex", [[_field(case, sex) for case in _patients(group, sex)] for group in groups])
    if age := column_of(cohort, AGE):
        ages = [[_number(_field(case, age)) for case in _patients(group, age)] for group in groups]
        rows.append(Row("Age in years, median (quartiles)", tuple(_quartiles(each) for each in ages)))
        if any(value is None for each in ages for value in each):
            rows.append(Row("unknown", tuple(_share(each.count(None), len(each)) for each in ages), level=True))
    for title, names in (("Site", SITE), ("Scanner", SCANNER)):
        if column := column_of(cohort, names):
            rows += _levels(title, [[_field(case, column) for case in group] for group in groups])
    if len(cohort.views) > 1:
        rows.append(Row("Views", ("",) * len(groups)))
        for view in cohort.views:
            rows.append(Row(view, tuple(_share(sum(view in c.images for c in g), len(g)) for g in groups), level=True))
    rows += _label_rows(cohort, groups, task)
    notes = [
        f"Percentages are of the column. {'Sex and age are counted once a patient. ' if sex or age else ''}".strip()
    ]
    if not cohort.knows_patients:
        notes.append("No column names a patient: every image is counted as a person of its own.")
    return TableOne(tuple(columns), tuple(rows), tuple(notes))


def _label_rows(cohort: Cohort, groups: Sequence[Sequence[Case]], task: Any) -> list[Row]:
    """The labels that were asked for, as the task reads them; without a task every label as it stands."""
    if task is None:
        names = dict.fromkeys(name for case in cohort for name in case.labels)
        return [row for name in names for row in _any_label(name, groups)]
    question = task.question
    if question.dense:
        return []
    if question.task == "survival":
        return [row for name in question.follow_up_columns for row in _any_label(name, groups)]
    if question.is_regression:
        return _any_label(question.target, groups)
    targets = [[np.asarray(task.encode(case)[question.target]) for case in group] for group in groups]
    if question.exclusive:
        named = [[question.classes[int(each)] if each >= 0 else None for each in group] for group in targets]
        return _levels(question.target, named, missing="unlabelled")
    rows = [Row(question.target, ("",) * len(groups))]
    for at, name in enumerate(question.classes):
        there = [sum(each[at] == 1 for each in group) for group in targets]
        known = [sum(not np.isnan(each[at]) for each in group) for group in targets]
        shares = tuple(f"{whole(n)} of {whole(k)} labelled" for n, k in zip(there, known, strict=True))
        rows.append(Row(name, shares, level=True))
    return rows


def _any_label(label: str, groups: Sequence[Sequence[Case]]) -> list[Row]:
    values = [[case.labels.get(label) for case in group] for group in groups]
    known = {value for group in values for value in group if not is_empty(value)}
    if len(known) <= 12 or any(_number(value) is None for value in known):
        return _levels(label, values, missing="unlabelled")
    rows = [Row(f"{label}, median (quartiles)", tuple(_quartiles([_number(v) for v in group]) for group in values))]
    unknown = [sum(is_empty(value) for value in group) for group in values]
    return [*rows, Row("unlabelled", _shares(unknown, groups), level=True)] if any(unknown) else rows


def _levels(title: str, groups: Sequence[Sequence[Any]], missing: str = "unknown") -> list[Row]:
    """A line of the title, then one a level: the commonest first, the rest together, what is missing last."""
    counts = [Counter(missing if is_empty(value) else str(value) for value in group) for group in groups]
    total = sum(counts, Counter())
    known = [level for level, _ in total.most_common() if level != missing]
    shown, rest = known[:_MOST_LEVELS], known[_MOST_LEVELS:]
    rows = [Row(title, ("",) * len(groups))]
    for level in shown:
        rows.append(Row(level, _shares([each[level] for each in counts], groups), level=True))
    if rest:
        others = [sum(each[level] for level in rest) for each in counts]
        rows.append(Row(f"{len(rest)} others", _shares(others, groups), level=True))
    if total[missing]:
        rows.append(Row(missing, _shares([each[missing] for each in counts], groups), level=True))
    return rows


def _patients(group: Iterable[Case], column: str) -> list[Case]:
    """One case a patient: the first that has the column filled, else the first."""
    chosen: dict[str, Case] = {}
    for case in group:
        kept = chosen.get(case.cluster)
        if kept is None or (is_empty(_field(kept, column)) and not is_empty(_field(case, column))):
            chosen[case.cluster] = case
    return list(chosen.values())


def _field(case: Case, column: str) -> Any:
    fields: Mapping[str, Any] = case.fields
    return fields.get(column)


def _number(value: Any) -> float | None:
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if np.isfinite(found) else None


def _quartiles(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    low, middle, high = np.percentile(known, [25, 50, 75])
    return f"{middle:.3g} ({low:.3g}–{high:.3g})"


def _shares(numbers: Sequence[int], groups: Sequence[Sequence[Any]]) -> tuple[str, ...]:
    return tuple(_share(number, len(group)) for number, group in zip(numbers, groups, strict=True))


def _share(number: int, total: int) -> str:
    return f"{whole(number)} ({number / total:.0%})" if total else "0"
