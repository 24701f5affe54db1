"""Readers' answers: a tidy table, one row a reading, every fault of it told at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas

from preceptor.core.errors import CohortError, Problem
from preceptor.intake.sheet import open_table

from .allocation import UNAIDED

#: What a table may hold; the first three and one of score and finding are needed.
COLUMNS = ("reader", "key", "arm", "session", "date", "score", "finding", "seconds")


def read_answers(*paths: Path) -> pandas.DataFrame:
    """Read what readers answered (``.csv`` or ``.parquet``), from one table or from one a reader.

    Args:
        paths: Tables with the columns ``reader, key``, ``score`` (a number, higher where the finding is more likely)
            or ``finding`` (a class name), and where known ``arm`` (``unaided`` where it is absent), ``session``,
            ``date`` (as 2026-11-21), ``seconds``. Rows with neither score nor finding are readings not yet made.

    Returns:
        The rows with an answer, columns `COLUMNS` alone, in the order read.

    Raises:
        CohortError: A column is missing, a value is no number or no date, or one reader answered one case twice in one
            arm. Every fault is named with its row; readers are not.
    """
    tables = [_read(Path(path)) for path in paths]
    table = pandas.concat(tables, ignore_index=True) if tables else pandas.DataFrame()
    problems = _problems(table)
    if problems:
        raise CohortError(
            f"the readers' answers can't be used: {len(problems)} fault{'s' if len(problems) > 1 else ''}",
            expected=f"columns {', '.join(COLUMNS)}, one row a reading",
            remedy="mend the table; `preceptor readers allocate` writes sheets with the right columns",
            code="reader_answers",
            problems=problems,
        )
    return _tidy(table)


def _read(path: Path) -> pandas.DataFrame:
    if not path.exists():
        raise CohortError("the table of answers is not there", where=path.name, code="reader_answers_absent")
    table = open_table(path, dtype=str, keep_default_na=False)
    # The line in the file, which has its header above.
    return table.assign(_where=[f"{path.name}, row {row + 2}" for row in range(len(table))])


def _problems(table: pandas.DataFrame) -> list[Problem]:
    absent = [name for name in ("reader", "key") if name not in table]
    if "score" not in table and "finding" not in table:
        absent.append("score' or 'finding")
    if absent:
        return [Problem(f"no column '{name}'", code="reader_answers_column") for name in absent]
    answered = table[_answered(table)]
    problems: list[Problem] = []

    def add(wrong: pandas.Series, what: str, expected: str) -> None:
        for where in answered["_where"][wrong].head(5):
            problems.append(Problem(what, where, expected, code="reader_answers_value"))

    if not len(answered):
        return [Problem("no row holds an answer", expected="a score or a finding", code="reader_answers_empty")]
    for name in ("reader", "key"):
        add(_text(answered, name) == "", f"the {name} is empty", f"a {name} in every row")
    for name in ("score", "seconds"):
        given = _text(answered, name)
        wrong = given.ne("") & ~np.isfinite(pandas.to_numeric(given, errors="coerce"))
        add(wrong, f"the {name} is no number", "a number, or nothing")
    seconds = pandas.to_numeric(_text(answered, "seconds"), errors="coerce")
    add(seconds < 0, "the seconds are negative", "0 or more")
    dates = _text(answered, "date")
    add(
        dates.ne("") & pandas.to_datetime(dates, errors="coerce", format="ISO8601").isna(),
        "the date can't be read",
        "a date such as 2026-11-21",
    )
    same = pandas.DataFrame({name: _text(answered, name) for name in ("reader", "key")}).assign(arm=_arm(answered))
    add(same.duplicated(), "a second answer of one reader to one case in one arm", "one answer a reader, case and arm")
    return problems


def _tidy(table: pandas.DataFrame) -> pandas.DataFrame:
    rows = table[_answered(table)]
    tidy = pandas.DataFrame({name: _text(rows, name) for name in ("reader", "key", "session", "finding")})
    tidy["arm"] = _arm(rows)
    for name in ("score", "seconds"):
        tidy[name] = pandas.to_numeric(_text(rows, name), errors="coerce")
    tidy["date"] = pandas.to_datetime(_text(rows, "date"), errors="coerce", format="ISO8601")
    return tidy[list(COLUMNS)].reset_index(drop=True)


def _answered(table: pandas.DataFrame) -> pandas.Series:
    return _text(table, "score").ne("") | _text(table, "finding").ne("")


def _arm(table: pandas.DataFrame) -> pandas.Series:
    return _text(table, "arm").replace("", UNAIDED)


def _text(table: pandas.DataFrame, name: str) -> pandas.Series:
    if name not in table:
        return pandas.Series("", index=table.index, dtype=str)
    return table[name].map(lambda value: "" if pandas.isna(value) else str(value).strip())
