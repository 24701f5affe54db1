"""Marks of readers: from one format to another, and how far readers agree."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import RecipeError

if TYPE_CHECKING:
    import pandas

    from ..intake.annotations.record import Annotations


def convert_annotations(
    source: str | Path,
    out: str | Path,
    *,
    to: Any = None,
    also: Sequence[str | Path] = (),
    readers: Sequence[str] = (),
    image: str | Path | None = None,
    consensus: Any = None,
    tie: Any = "refuse",
    everyone: bool = False,
) -> tuple[Annotations, pandas.DataFrame | None, list[str]]:
    """Convert annotations between formats, or several readers' into a consensus.

    Args:
        source: MD.ai, COCO, GeoJSON, ASAP's XML, DICOM SEG or RTSTRUCT, or a table that was written here.
        out: The file; of masks a folder. Nothing is overwritten.
        to: ``mdai``, ``coco``, ``geojson``, ``asap``, ``seg``, ``table`` or ``masks``; None where the suffix tells.
        also: Further files.
        readers: Code of each file's reader, where the files do not tell.
        image: The image that was drawn on.
        consensus: ``majority`` or ``staple``.
        tie: Of a majority: ``background``, ``foreground`` or ``refuse``.
        everyone: Every reader looked at everything.

    Returns:
        What was written, the readers' quality where a consensus was made, and what the format could not hold.

    Raises:
        RecipeError: The file is there already, or the names of readers do not fit the files.
        CohortError, PrepareError: A file is damaged, of another kind, or does not fit its image.
    """
    from ..intake.annotations import agreeing
    from ..intake.annotations.files import form_of, write_annotations

    out = Path(out)
    form = form_of(out, to)
    if form != "masks" and out.exists():
        raise RecipeError(
            "the file is there already", where=out.name, expected="a new file", remedy="name another", code="file_taken"
        )
    found = _annotations(source, also, readers, image)
    quality = None
    if consensus is not None:
        found, quality = agreeing.consensus(found, consensus, tie=tie, everyone=everyone)
    left = write_annotations(out, found, form, None if image is None else Path(image))
    return found, quality, left


def agreement_of_annotations(
    source: str | Path,
    *,
    also: Sequence[str | Path] = (),
    readers: Sequence[str] = (),
    image: str | Path | None = None,
    everyone: bool = False,
) -> pandas.DataFrame:
    """How far the readers of annotations agree; arguments as in `convert_annotations`.

    Raises:
        CohortError: There are fewer than two readers.
    """
    from ..intake.annotations.agreeing import agreement

    return agreement(_annotations(source, also, readers, image), everyone=everyone)


def _annotations(
    source: str | Path, also: Sequence[str | Path], readers: Sequence[str], image: str | Path | None
) -> Annotations:
    from ..intake.annotations.files import read_annotations
    from ..intake.annotations.record import joined
    from ..intake.door import read_apart

    files = [Path(each) for each in (source, *also)]
    if readers and len(readers) != len(files):
        raise RecipeError(
            f"{len(readers)} readers are named for {len(files)} files",
            expected="one reader a file, in order, or none where the files tell",
            code="readers_unfit",
        )
    like = None if image is None else read_apart(Path(image).parent, Path(image).name)
    parts = [read_annotations(each, like) for each in files]
    if readers:
        parts = [part.by_reader(name) for part, name in zip(parts, readers, strict=True)]
    return joined(parts)
