"""``preceptor convert IN OUT``"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from . import console


def convert(
    source: Path, out: Path, *, untilt: Annotated[bool, Parameter(negative="")] = False, as_json: console.Json = False
) -> None:
    """Convert DICOM series to NIfTI, and tell what was not converted and why.

    The same command again goes on where it stopped.

    Parameters
    ----------
    source
        A folder, a DICOMDIR, a zip archive, or one file.
    out
        The folder to write to. Files are named after keys, which name nobody; conversion.csv lists them.
    untilt
        Move the slices of a tilted gantry onto one grid, by linear interpolation, instead of refusing them.
    """
    from preceptor import api

    rows = api.convert(source, out, untilt=untilt, tell=console.bar("converting"))
    counts = dict(Counter(row.verdict for row in rows))
    lines = [(row.verdict, row.series or "-", row.source or row.reason) for row in rows]
    told = ", ".join(f"{number} {verdict}" for verdict, number in counts.items()) or "no DICOM found"
    text = "\n".join(filter(None, [console.columns(lines, ""), f"{told}; see {out / 'conversion.csv'}"]))
    record = {"folder": str(out), "images": counts, "files": [row.source for row in rows if row.is_taken]}
    console.result(text, record, as_json)
