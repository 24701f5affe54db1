"""Parquet from strangers: how much a table would take is asked before it is read, and its texts are checked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas

#: Most cells of a table: a million rows of two hundred columns. A run-length code writes a thousand million in ten bytes.
MOST_CELLS = 200_000_000

#: Most bytes that a table may say it unpacks to.
MOST_BYTES = 2**32


def read_parquet(path: Path) -> tuple[pandas.DataFrame, Mapping[bytes, bytes]]:
    """Read a table, and what its writer noted beside it.

    Args:
        path: The file.

    Returns:
        The table, every text in it valid; and the notes, by name.

    Raises:
        OSError: The file is absent or damaged.
        ValueError: It is no Parquet, damaged, or holds more than a table can.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            about = file.metadata
            unpacked = sum(about.row_group(number).total_byte_size for number in range(about.num_row_groups))
            if about.num_rows * about.num_columns > MOST_CELLS or unpacked > MOST_BYTES:
                raise ValueError(f"a table of {about.num_rows:,} rows and {about.num_columns:,} columns")
            table = file.read()
        table.validate(full=True)
        return table.to_pandas(), table.schema.metadata or {}
    except (pyarrow.ArrowException, NotImplementedError, LookupError, TypeError) as error:
        raise ValueError(type(error).__name__) from error
