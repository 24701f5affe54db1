"""Tables of cases: CSV, TSV and Parquet, with identifiers kept as text."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from preceptor.core.errors import CohortError
from preceptor.core.parquet import read_parquet
from preceptor.core.plain import as_text, is_missing

if TYPE_CHECKING:
    import pandas

#: Columns of a cohort's own table: no field may be called so.
RESERVED = ("key", "patient", "group", "role")


def read_sheet(path: Path, text: Iterable[str] = ()) -> pandas.DataFrame:
    """Read a table.

    Args:
        path: ``.csv``, ``.tsv`` or ``.parquet``.
        text: Columns to keep as text: 007 is not 7 where it names a patient.

    Raises:
        CohortError: It is no table, or lacks one of the columns.
    """
    wanted = list(text)
    table = open_table(path, dtype=dict.fromkeys(wanted, str), low_memory=False)
    require_columns(table, wanted, path.name)
    return table


def open_table(path: Path, **options: Any) -> pandas.DataFrame:
    """A table that someone else wrote, whatever its columns.

    Args:
        path: ``.csv``, ``.tsv`` or ``.parquet``.
        options: Of `pandas.read_csv`, for those that are text.

    Raises:
        CohortError: It is no table.
    """
    import pandas

    try:
        if path.suffix == ".parquet":
            return read_parquet(path)[0]
        return pandas.read_csv(path, sep="\t" if path.suffix == ".tsv" else ",", **options)
    except (ValueError, OSError, pandas.errors.ParserError, UnicodeDecodeError) as error:
        raise CohortError(
            "the file is not a table",
            where=path.name,
            expected="CSV or TSV in UTF-8 with a first line of column names, or Parquet",
            code="table_unreadable",
        ) from error


def require_columns(table: pandas.DataFrame, wanted: Iterable[str], where: str) -> None:
    """Refuse a table that lacks a column.

    Raises:
        CohortError: With every missing column, and those that are there.
    """
    missing = [column for column in wanted if column not in table]
    if missing:
        raise CohortError(
            f"the table has no column {', '.join(repr(column) for column in missing)}",
            where=where,
            expected=f"one of {', '.join(map(str, table.columns))}",
            code="no_column",
        )


def plain(value: Any) -> Any:
    """A cell as plain data: None where it is missing, Python numbers, text for the rest."""
    if hasattr(value, "item"):
        value = value.item()
    if is_missing(value):
        return None
    if isinstance(value, (bool, int, float, str)):
        return value
    return None if str(value) in ("NaT", "<NA>", "nan") else str(value)


def same(value: Any, wanted: Any) -> bool:
    """Whether a cell holds the value a recipe names: a column with gaps turns 1 into 1.0, and YAML 1 into a number."""
    value, wanted = plain(value), plain(wanted)
    if value is None or wanted is None:
        return value is None and wanted is None
    return value == wanted or as_text(value) == as_text(wanted)
