"""Columns of a cohort as numbers, days or levels: what the checks of tables read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from preceptor.core.cohort import Case
from preceptor.core.plain import is_missing

#: What people write where they do not know.
PLACEHOLDERS = frozenset(
    {"-1", "9", "99", "999", "-9", "-99", "todo", "tbd", "unknown", "none", "nan", "na", "n/a", "?", "null", ""}
)

_DATES = ("%Y%m%d", "%d.%m.%Y", "%m/%d/%Y", "%Y/%m/%d", "%d-%m-%Y")


def number_of(value: Any) -> float | None:
    """A value as a number; None where it is none, is missing, or is not finite."""
    if is_missing(value):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None


def day_of(value: Any) -> float | None:
    """A date, or the text of one, in days since the year 1; None where it is none.

    Args:
        value: ISO 8601 (``2021-03-04``, with a time or without), DICOM's ``20210304``, or one of the usual ways with
            dots, slashes or dashes. Years before 1900 and after 2100 are no dates here.
    """
    if is_missing(value):
        return None
    if isinstance(value, (date, datetime)):
        return float(value.toordinal())
    text = str(value).strip().removesuffix(".0")
    for read in (datetime.fromisoformat, *(lambda each, form=form: datetime.strptime(each, form) for form in _DATES)):
        try:
            found = read(text)
        except ValueError:
            continue
        if not 1900 <= found.year <= 2100:
            return None
        return found.toordinal() + (found.hour * 60 + found.minute) / 1440
    return None


def file_name(case: Case) -> str | None:
    """The name of a case's first image without folder and suffix; None for members of one file."""
    source = next(iter(case.images.values()), "")
    if not source or "::" in source:
        return None
    return PurePosixPath(source).name.split(".")[0]


def number_in(name: str | None) -> float | None:
    """The last whole number in a name."""
    found = re.findall(r"\d+", name or "")
    return float(found[-1][:15]) if found else None


def levels_of(values: Sequence[float | None], parts: int = 10) -> list[int | None]:
    """Which tenth of its column each number lies in; None where it is missing.

    Args:
        values: A column.
        parts: How many parts of equal size.
    """
    present = np.array([value for value in values if value is not None], dtype=float)
    if not len(present):
        return [None] * len(values)
    edges = np.unique(np.quantile(present, np.linspace(0, 1, parts + 1)[1:-1]))
    return [None if value is None else int(np.searchsorted(edges, value, side="right")) for value in values]
