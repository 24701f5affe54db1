"""Rows written as a table, CSV or Parquet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from preceptor.core.errors import CohortError
from preceptor.core.files import write_aside


def refuse_existing(path: Path) -> None:
    """Refuse to write over a file, and a suffix that is no table's.

    Raises:
        CohortError: It exists, or is neither ``.csv`` nor ``.parquet``.
    """
    if path.suffix not in (".csv", ".parquet"):
        raise CohortError(
            f"tables are not written as '{path.suffix}'", where=path.name, expected=".csv or .parquet", code="suffix"
        )
    if path.exists():
        raise CohortError("the output exists already", where=path.name, remedy="name another file", code="exists")


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows of the same columns.

    Args:
        path: ``.csv`` or ``.parquet``; in CSV what is missing is an empty cell.
        rows: One mapping a row.
    """
    import pandas

    table = pandas.DataFrame(list(rows)).convert_dtypes()
    with write_aside(path) as aside:
        if path.suffix == ".csv":
            table.to_csv(aside, index=False, lineterminator="\n")
        else:
            table.to_parquet(aside, index=False)
