"""``preceptor scan FOLDER|DICOMDIR|ZIP``"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from . import console

if TYPE_CHECKING:
    from preceptor.intake.dicom.scanning import Row


def scan(
    source: Path,
    *,
    out: Annotated[Path | None, Parameter(alias="-o", negative="")] = None,
    pixels: Annotated[bool, Parameter(negative="")] = False,
    as_json: console.Json = False,
) -> None:
    """Find every DICOM series in a folder of any mess: taken, split or refused, and why.

    Nothing is changed. Files are found by their content, whatever they are called, and grouped by study and series;
    planes are put in order by where they lie in the patient.

    Parameters
    ----------
    source
        A folder, a DICOMDIR, or a zip archive.
    out
        Write the rows to a table as well (.csv or .parquet). Its column `source` holds file names.
    pixels
        Decode every image too, so that what can't be decoded is refused.
    """
    from preceptor import api

    found = api.scan(source, out, pixels=pixels, tell=console.bar("scanning series"))
    rows = [row.record() for row in found.rows]
    shown = [{name: value for name, value in row.items() if name != "source"} for row in rows]
    counts = {"rows": found.counts(), "files_that_are_no_dicom": found.others, "dicomdir": found.indices}
    told = ", ".join(f"{number} {verdict}" for verdict, number in found.counts().items()) or "no DICOM found"
    others = f"; {found.others} files are no DICOM" if found.others else ""
    text = "\n".join(filter(None, [console.columns(map(_line, found.rows), ""), told + others]))
    console.result(text, {**counts, "series": shown}, as_json)


def _line(row: Row) -> tuple[str, ...]:
    files = "1 file" if row.files == 1 else f"{row.files} files"
    size = " x ".join(map(str, row.shape)) + (f" x {row.repeats} times" if row.repeats > 1 else "")
    name = f"{row.series or '-'}{f' ({row.part})' if row.part else ''}"
    return row.verdict, name, row.modality or "-", files, size or "-", row.reason
