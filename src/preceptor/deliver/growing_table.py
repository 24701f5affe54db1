"""A table on disk that grows a row at a time, and loses little to a kill."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas

from preceptor.core.files import write_aside

#: Writing takes no larger share of the time than one of so many parts.
_PARTS = 20


class GrowingTable:
    """Rows by their ``key``, written as CSV now and then and in the end, whatever ends the block it is used in.

    All of it is written each time, so it is written the more rarely the longer that takes: a kill costs no more than
    twenty times the last writing.

    Args:
        path: ``….csv``; rows that are there already are kept.

    Attributes:
        rows: ``{key: row}``.
    """

    def __init__(self, path: Path) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self._path, self._took_s, self._written = path, 0.0, 0.0
        if path.exists():
            table = pandas.read_csv(path, dtype={"key": str}, keep_default_na=True).replace({np.nan: None})
            self.rows = {row["key"]: row for row in table.to_dict("records")}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._write()

    def add(self, row: dict[str, Any]) -> None:
        """Take in a row with its ``key``."""
        self.rows[row["key"]] = row
        if time.monotonic() - self._written >= _PARTS * self._took_s:
            self._write()

    def _write(self) -> None:
        if not self.rows:
            return
        began = time.monotonic()
        with write_aside(self._path) as aside:
            pandas.DataFrame(list(self.rows.values())).to_csv(aside, index=False)
        self._written = time.monotonic()
        self._took_s = self._written - began
