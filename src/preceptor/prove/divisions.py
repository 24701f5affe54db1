"""Dividing cases into groups of people: by sex, age band, site, scanner, view, quality, and two of these at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from preceptor.core.cohort import Cohort
from preceptor.core.evidence import Predictions
from preceptor.prove.report.table_one import AGE, SCANNER, SEX, SITE, age_band

#: What is divided by unasked, under whatever of these names the cohort has it.
USUAL = {
    "sex": SEX,
    "age": AGE,
    "site": SITE,
    "scanner": SCANNER,
    "view": ("view", "views", "projection"),
    "quality": ("quality", "image_quality", "quality_score"),
}

#: A numeric field of more values than this is cut into thirds.
_MOST_VALUES = 8


@dataclass(frozen=True, eq=False)
class Division:
    """One way of dividing cases.

    Args:
        name: ``sex``, or ``sex & age``.
        group: ``(row,)`` name of each row's group, "" where it is not known.
        groups: Names of the groups that are large enough, in order.
        small: ``(groups, patients)`` that are too small to be shown.
    """

    name: str
    group: np.ndarray
    groups: tuple[str, ...]
    small: tuple[int, int] = (0, 0)

    def of(self, name: str) -> np.ndarray:
        """``(row,)`` which rows are of a group."""
        return self.group == name

    @property
    def known(self) -> np.ndarray:
        """``(row,)`` which rows are of any group, small ones included."""
        return self.group != ""


def divisions(
    predictions: Predictions,
    cohort: Cohort,
    fields: Sequence[str] | None,
    *,
    smallest: int,
    intersections: bool = True,
) -> tuple[list[Division], list[str]]:
    """Every division that leaves two groups or more.

    Args:
        predictions: The rows.
        cohort: Whom they are of: its views are a division where cases differ in them.
        fields: What to divide by; None takes sex, age, site, scanner, view and quality where they are known.
        smallest: Patients that a group needs.
        intersections: Whether to divide by every two fields at once too.

    Returns:
        The divisions, and the fields that were asked for and are not there.
    """
    known: dict[str, np.ndarray] = {}
    absent = []
    for field in USUAL if fields is None else fields:
        column = _column(predictions, field)
        if column is not None:
            known[field] = _named(field, column)
        elif field == "view" and (views := _views(predictions, cohort)) is not None:
            known[field] = views
        elif fields is not None:
            absent.append(field)
    if intersections:
        known |= {f"{one} & {two}": _both(known[one], known[two]) for one, two in combinations(list(known), 2)}
    clusters = predictions.table["cluster"].astype(str).to_numpy()
    made = [_division(name, group, clusters, smallest) for name, group in known.items()]
    return made, absent


def _division(name: str, group: np.ndarray, clusters: np.ndarray, smallest: int) -> Division:
    found = [each for each in np.unique(group) if each]
    patients = {each: len(np.unique(clusters[group == each])) for each in found}
    large = tuple(sorted((each for each in found if patients[each] >= smallest), key=_natural))
    small = [patients[each] for each in found if patients[each] < smallest]
    return Division(name, group, large, (len(small), sum(small)))


def _column(predictions: Predictions, field: str) -> Sequence[Any] | None:
    """The field's values, whatever the case of its name or which of its usual names it has."""
    there = {str(column).removeprefix("field:").lower(): column for column in predictions.table.columns}
    for name in (field.lower(), *USUAL.get(field.lower(), ())):
        if name in there:
            return predictions.table[there[name]].tolist()
    return None


def _named(field: str, values: Sequence[Any]) -> np.ndarray:
    name_of: Callable[[Any], str | None] = age_band if field.lower() in AGE else _text
    texts = np.array([name_of(value) or "" for value in values], dtype=object)
    numbers = np.array([_number(value) for value in values])
    if field.lower() in AGE or len({text for text in texts if text}) <= _MOST_VALUES:
        return texts.astype(str)
    if np.isnan(numbers[texts != ""]).any():
        return texts.astype(str)
    low, high = np.nanquantile(numbers, [1 / 3, 2 / 3])
    thirds = np.where(numbers <= low, "low", np.where(numbers <= high, "middle", "high"))
    return np.where(texts == "", "", thirds).astype(str)


def _views(predictions: Predictions, cohort: Cohort) -> np.ndarray | None:
    """Which views each case has; None where all have the same."""
    views = {case.key: " and ".join(case.images) for case in cohort}
    found = np.array([views.get(str(key), "") for key in predictions.table["key"]])
    return found if len({each for each in found if each}) > 1 else None


def _both(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    joined = np.array([f"{first} & {second}" for first, second in zip(one, two, strict=True)], dtype=object)
    return np.where((one == "") | (two == ""), "", joined).astype(str)


def _text(value: Any) -> str | None:
    """A value as text; 1.0 is 1, as tables make of it where one is missing."""
    if value is None or (isinstance(value, float) and np.isnan(value)) or value == "":
        return None
    return f"{value:g}" if isinstance(value, float) else str(value)


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


def _natural(name: str) -> tuple[Any, ...]:
    """Bands by age, everything else by name."""
    start = name.partition("–")[0].partition(" ")[0]
    return (0, int(start), name) if start.isdigit() else (1, 0, name)
