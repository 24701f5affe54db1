"""DICOM series converted to NIfTI, each in the geometry it was taken in; what makes no image is told, not guessed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core.errors import PrepareError, Problem
from preceptor.core.image import Image

from ..door import read_apart
from ..tables import write_rows
from ..write import write_image
from .scanning import Row, read_part, scan

_TABLE = "conversion.csv"


def convert(
    source: Path, out: Path, tell: Callable[[int, int], None] | None = None, *, untilt: bool = False
) -> list[Row]:
    """Write every image below a folder as NIfTI, and a table of what was written and what not.

    Voxels keep the order they have in DICOM, x along a row and y down a column; the affine says where they lie. Files
    that are there already are kept, so a conversion that was stopped goes on.

    Args:
        source: A folder, a DICOMDIR, or one file.
        out: The folder of ``<series>[-<part>].nii.gz`` and ``conversion.csv``. Names are keys, which name nobody.
        tell: Is told how many of how many images are done.
        untilt: Move the slices of a tilted gantry onto one grid (see `preceptor.intake.dicom.untilting`) and say so.

    Returns:
        A row for each image, ``source`` being the file written, relative to `out`; what was not is ``refused`` or
        ``left out`` with its reason.

    Raises:
        CohortError: The source is absent.
        OSError: The disk is full.
    """
    source = Path(source)
    root = source if source.is_dir() else source.parent
    out.mkdir(parents=True, exist_ok=True)
    found = scan(source)
    rows = []
    for number, row in enumerate(found.rows, start=1):
        is_tilted = untilt and row.code == "shear"
        rows.append(_converted(row, root, out, is_tilted) if row.is_taken or is_tilted else row)
        if tell is not None:
            tell(number, len(found.rows))
    write_rows(out / _TABLE, [_record(row) for row in rows])
    return rows


def _record(row: Row) -> dict[str, Any]:
    record = row.record()
    record["file"] = record.pop("source")
    return record


def _converted(row: Row, root: Path, out: Path, is_tilted: bool) -> Row:
    number = row.part.partition(" ")[0]
    name = f"{row.series}{f'-{number}' if number else ''}{'-untilted' if is_tilted else ''}.nii.gz"
    if is_tilted:
        row = replace(row, verdict="taken", reason="untilted: its slices were moved onto one grid", code="", remedy="")
    if (out / name).exists():
        return replace(row, source=name)
    try:
        if is_tilted:
            image = read_part(root, f"{row.series}{f'.{number}' if number else ''}", untilt=True)
        else:
            image = read_apart(root, row.source)
        write_image(out / name, _with_time_step(image))
    except PrepareError as error:
        problem: Problem = error.problem
        reason = f"{problem.what} ({problem.where})" if problem.where else problem.what
        return replace(row, verdict="refused", reason=reason, code=problem.code, remedy=problem.remedy, source="")
    return replace(row, source=name)


def _with_time_step(image: Image) -> Image:
    """The image with the one time step that NIfTI has room for, where its frames are evenly apart."""
    times_s = image.meta.get("frame_times_s")
    if times_s is None or len(times_s) < 2:
        return image
    steps = np.diff(times_s)
    if np.ptp(steps) > 1e-6:
        return image
    return replace(image, meta={**image.meta, "time_step_s": float(steps.mean())})
