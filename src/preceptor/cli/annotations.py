"""``preceptor annotations convert|agree``"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from . import console

if TYPE_CHECKING:
    import pandas

app = App(name="annotations", help="Annotations between formats; several readers compared.", help_format="plaintext")

_Also = Annotated[tuple[Path, ...], Parameter(name="--also", negative="")]
_Readers = Annotated[tuple[str, ...], Parameter(name="--reader", negative="")]


def _records(table: pandas.DataFrame) -> Any:
    """Rows as JSON has them: no NaN."""
    from preceptor.core.plain import finite

    return finite(table.astype(object).where(table.notna(), None).to_dict("records"))


@app.command
def convert(
    source: Path,
    out: Path,
    *,
    to: Literal["mdai", "coco", "geojson", "asap", "seg", "table", "masks"] | None = None,
    also: _Also = (),
    reader: _Readers = (),
    image: Path | None = None,
    consensus: Literal["majority", "staple"] | None = None,
    tie: Literal["background", "foreground", "refuse"] = "refuse",
    everyone: Annotated[bool, Parameter(negative="")] = False,
    as_json: console.Json = False,
) -> None:
    """Convert annotations: MD.ai, COCO, GeoJSON, ASAP's XML, DICOM SEG, RTSTRUCT or a table into any but RTSTRUCT, or masks.

    Parameters
    ----------
    source
        A file of annotations; what it is follows from its content.
    out
        The file to write; a folder for masks.
    to
        What to write; by default what the suffix tells: .csv and .parquet a table, .geojson and .xml those, .dcm a segmentation,
        a folder masks.
    also
        Another file, of another reader say; once for each.
    reader
        Code of the reader of each file, in order, where the files do not tell. No names.
    image
        The image that was drawn on: a DICOM series' folder, or a file. RTSTRUCT and SEG need it.
    consensus
        Make one reading of several: 'majority' or 'staple'. Readers' sensitivity and specificity are printed.
    tie
        Of a majority: what becomes of voxels that exactly half of the readers marked.
    everyone
        Every reader looked at everything: silence means that there was nothing.
    """
    from preceptor import api

    found, quality, left = api.convert_annotations(
        source, out, to=to, also=also, readers=reader, image=image, consensus=consensus, tie=tie, everyone=everyone
    )
    record = {
        "out": str(out),
        "annotations": len(found),
        "labels": list(found.labels),
        "readers": list(found.readers),
        "left_out": left,
        "notes": list(found.notes),
        "quality": None if quality is None else _records(quality),
    }
    for line in (*found.notes, *left):
        console.say(line)
    told = [str(out), f"{len(found)} annotations of {len({row.label for row in found.rows})} labels"]
    if quality is not None and len(quality):
        told.append(quality.to_string(index=False))
    console.result("\n".join(told), record, as_json)


@app.command
def agree(
    source: Path,
    *,
    also: _Also = (),
    reader: _Readers = (),
    image: Path | None = None,
    everyone: Annotated[bool, Parameter(negative="")] = False,
    as_json: console.Json = False,
) -> None:
    """How far readers agree: overlap of what they drew, kappa of what they said.

    Parameters
    ----------
    source
        A file of annotations.
    also
        Another file, of another reader say; once for each.
    reader
        Code of the reader of each file, in order, where the files do not tell. No names.
    image
        The image that was drawn on, for RTSTRUCT and SEG.
    everyone
        Every reader looked at everything: silence means that there was nothing.
    """
    from preceptor import api

    table = api.agreement_of_annotations(source, also=also, readers=reader, image=image, everyone=everyone)
    console.result(table.to_string(index=False), {"agreement": _records(table)}, as_json)
