"""Columns of a clinical table as a generator learns them: no value of one person is kept, and identifiers are left out."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from preceptor.maths.gaussian_copula import grouped_knots

if TYPE_CHECKING:
    import pandas

#: What fewer people share is kept of nobody: categories, gaps, and the numbers that a knot is the mean of.
LEAST = 5

#: More categories than this are free text or identifiers; so few distinct numbers are categories.
_MOST_CATEGORIES, _FEW_NUMBERS = 30, 10

#: Categories that several people share must hold this share of the known rows, or the column is something else.
_COVERED = 0.8

_IDENTIFIER = re.compile(r"(^|[_\W])(id|key|name|patient|mrn|uid|role|group|date|birthdate|dob|zip|postcode)($|[_\W])")


@dataclass(frozen=True, eq=False)
class TableColumn:
    """One column, fitted.

    Args:
        name: Of the column.
        categories: Its values in an order that counts; None for a column of numbers.
        shares: Of the categories, adding up to 1; of a column of numbers, where its knots lie in 0 to 1.
        knots: Values of a column of numbers at those shares.
        decimals: That its numbers are rounded to.
        gaps: Share of rows in which it is missing; 0 where that is true of hardly anyone.
    """

    name: str
    categories: tuple[Any, ...] | None
    shares: np.ndarray
    knots: np.ndarray
    decimals: int
    gaps: float

    @property
    def is_number(self) -> bool:
        return self.categories is None

    @property
    def record(self) -> dict[str, Any]:
        """All that is known of it, as JSON."""
        return asdict(self) | {"shares": self.shares.tolist(), "knots": self.knots.tolist()}

    def encode(self, values: pandas.Series) -> np.ndarray:
        """``(row,)`` numbers, or places in the categories; NaN where missing or of no category."""
        if self.categories is None:
            import pandas

            return np.asarray(pandas.to_numeric(values, errors="coerce"), float)
        place = {value: float(number) for number, value in enumerate(self.categories)}
        return np.array([place.get(_plain(value), np.nan) for value in values], float)

    def decode(self, uniform: np.ndarray, missing: np.ndarray) -> list[Any]:
        """Values from uniform numbers; None where missing."""
        if self.categories is None:
            found: list[Any] = np.round(np.interp(uniform, self.shares, self.knots), self.decimals).tolist()
            if self.decimals == 0:
                found = [int(each) for each in found]
        else:
            ends = np.cumsum(self.shares)[:-1]
            found = [self.categories[each] for each in np.searchsorted(ends, uniform, side="right")]
        return [None if gap else value for value, gap in zip(found, missing, strict=True)]


def fit_columns(
    table: pandas.DataFrame, leave_out: Collection[str] = (), label: str | None = None
) -> tuple[list[TableColumn], dict[str, str]]:
    """Fit each column that can be made up.

    Categories without an order are put in one: by how often the label's later class goes with them, else by how common they
    are. The generator can then make neighbours in that order alike, which is all that a Gaussian copula knows of
    categories.

    Args:
        table: Training rows alone.
        leave_out: Columns to leave out.
        label: Column that orders the categories of the others.

    Returns:
        The fitted columns, and for each other the reason why it is left out.
    """
    answer = None
    if label is not None:
        answer = _categories(table[label], None)
    fitted, left_out = [], {}
    for name in map(str, table.columns):
        if name in leave_out:
            left_out[name] = "asked for"
            continue
        if name != label and (_IDENTIFIER.search(name.lower()) or ":" in name):
            left_out[name] = "its name says an identifier, a date or a file"
            continue
        column = _fit(table[name], None if answer is None or name == label else (table[label], answer))
        if isinstance(column, str):
            left_out[name] = column
        else:
            fitted.append(column)
    return fitted, left_out


def _fit(values: pandas.Series, order_by: tuple[pandas.Series, list[Any]] | None) -> TableColumn | str:
    import pandas

    known = values.dropna()
    if len(known) < 2 * LEAST:
        return f"fewer than {2 * LEAST} values are known"
    gaps = float(values.isna().mean()) if int(values.isna().sum()) >= LEAST else 0.0
    is_number = pandas.api.types.is_numeric_dtype(known) and not pandas.api.types.is_bool_dtype(known)
    if is_number and known.nunique() > _FEW_NUMBERS:
        numbers = np.asarray(known, float)
        if not np.isfinite(numbers).all():
            return "some of its numbers are infinite"
        shares, knots = grouped_knots(numbers, LEAST)
        return TableColumn(str(values.name), None, shares, knots, _decimals(numbers), gaps)
    categories = _categories(values, None if is_number else order_by)
    counts = pandas.Series([_plain(value) for value in known], dtype=object).value_counts()
    sizes = np.array([counts[value] for value in categories], float)
    if len(categories) > _MOST_CATEGORIES or sizes.sum() < _COVERED * len(known):
        return "free text or identifiers: too many values, or too few that several people share"
    return TableColumn(str(values.name), tuple(categories), sizes / sizes.sum(), np.empty(0), 0, gaps)


def _categories(values: pandas.Series, order_by: tuple[pandas.Series, list[Any]] | None) -> list[Any]:
    """Values that enough people share, numbers in their order, others as the label, or how common they are, has it."""
    import pandas

    plain = pandas.Series([_plain(value) for value in values], dtype=object)
    counts = plain.dropna().value_counts()
    found = [value for value, number in counts.items() if number >= LEAST]
    if all(isinstance(value, (int, float)) for value in found):
        return sorted(found)
    if order_by is None:
        return sorted(found, key=lambda value: (-int(counts[value]), str(value)))
    label, classes = order_by
    place = {value: number for number, value in enumerate(classes)}
    answers = pandas.Series([place.get(_plain(each), np.nan) for each in label], dtype=float)
    return sorted(found, key=lambda value: (float(answers[plain == value].mean()), str(value)))


def _plain(value: Any) -> Any:
    """A cell as text, a number or a truth value; None where it is missing. Whole numbers are whole."""
    from ..sheet import plain

    found = plain(value)
    return int(found) if isinstance(found, float) and found.is_integer() else found


def _decimals(numbers: np.ndarray) -> int:
    return next((count for count in range(6) if np.allclose(np.round(numbers, count), numbers, rtol=0, atol=1e-9)), 6)
