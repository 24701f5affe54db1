"""``preceptor tags FOLDER OUT``"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from . import console


def tags(
    source: Path,
    out: Path,
    *,
    level: Annotated[Literal["series", "file"], Parameter()] = "series",
    as_json: console.Json = False,
) -> None:
    """Write what DICOM headers say to one table, units in the names of its columns.

    Parameters
    ----------
    source
        A folder, a DICOMDIR, a zip archive, or one file.
    out
        The table to write (.csv or .parquet). It holds dates; patients, studies and series are keys.
    level
        A row for each series, or for each file.
    """
    from preceptor import api

    rows = api.tags(source, out, level=level, tell=console.bar("reading series"))
    findings = sorted({code for row in rows for code in row["findings"].split(";") if code})
    text = f"{out}: {len(rows)} rows" + (f"; findings: {', '.join(findings)}" if findings else "")
    columns = list(rows[0]) if rows else []
    console.result(text, {"table": str(out), "rows": len(rows), "columns": columns, "findings": findings}, as_json)
