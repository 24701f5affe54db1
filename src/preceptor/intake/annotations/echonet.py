"""EchoNet-Dynamic's tracings: the left ventricle at the end of diastole and of systole, as chords across its long axis."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from preceptor.intake.sheet import read_sheet
from preceptor.maths.polygons import polygon_area

from .json_file import annotation_error
from .record import Annotation, Annotations

COLUMNS = ("FileName", "X1", "Y1", "X2", "Y2", "Frame")


def read_tracings(path: Path) -> Annotations:
    """Read ``VolumeTracings.csv``.

    The first line of a frame is the long axis, the others are chords that lie along it; the outline goes down their first
    ends and back up their second ones. Whole numbers are taken as the middles of pixels, as the authors' own code paints them.

    Args:
        path: The table.

    Returns:
        Two outlines a clip: ``left_ventricle_diastole`` on the frame where it is larger, ``left_ventricle_systole`` where it is
        smaller; any further frame is ``left_ventricle``. The case is the clip's name without its suffix.

    Raises:
        CohortError: A column is missing, a coordinate is no number, or a frame has fewer than three chords.

    Source: Ouyang et al. 2020, doi:10.1038/s41586-020-2145-8; the data set's tables and published code.
    """
    table = read_sheet(path, ["FileName"])
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise annotation_error(path, f"the table has no column {missing[0]}", ", ".join(COLUMNS), "annotation_table")
    clips: dict[str, list[tuple[float, int, np.ndarray]]] = {}
    for (name, frame), lines in table.groupby(["FileName", "Frame"], sort=True):
        try:
            ends = lines[["X1", "Y1", "X2", "Y2"]].to_numpy(dtype=float)[1:]
            number = int(frame)
        except (TypeError, ValueError) as error:
            raise annotation_error(path, "a coordinate is no number", ", ".join(COLUMNS), "annotation_table") from error
        if len(ends) < 3 or not np.isfinite(ends).all():
            raise annotation_error(
                path,
                "a tracing has fewer than three chords, or one without an end",
                "a long axis and its chords",
                "annotation_table",
            )
        ring = np.concatenate([ends[:, :2], ends[::-1, 2:]])
        clips.setdefault(str(name).removesuffix(".avi"), []).append((abs(polygon_area(ring)), number, ring))
    rows = []
    for name, traced in clips.items():
        traced.sort(key=lambda each: each[0])
        for place, (_, number, ring) in enumerate(traced):
            phase = "_systole" if place == 0 else "_diastole" if place == len(traced) - 1 else ""
            label = f"left_ventricle{phase if len(traced) > 1 else ''}"
            rows.append(Annotation(name, label, "polygon", [["add", ring.tolist()]], image=f"{name}.avi", frame=number))
    return Annotations(tuple(rows), labels=tuple(dict.fromkeys(row.label for row in rows)))
