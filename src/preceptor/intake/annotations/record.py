"""What somebody drew or said about an image: one row each, whatever the format it came in.

Coordinates are in voxels ``x, y[, z]``, x being the column of a picture; whole numbers are the middles of voxels, so the first
pixel reaches from -0.5 to 0.5. Every format's own convention is brought to this one by its reader.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from preceptor.core.errors import CohortError
from preceptor.core.plain import finite, is_missing

if TYPE_CHECKING:
    import pandas

Kind = Literal["none", "point", "line", "box", "polygon", "mask"]
Scope = Literal["study", "series", "image"]

_KINDS = ("none", "point", "line", "box", "polygon", "mask")

#: No image is so wide that a place on it, or beside it, lies further out.
_FARTHEST = 1e9

#: Coordinates are written to a billionth of a pixel: half a pixel added and taken away again leaves no trace.
_DIGITS = 9


@dataclass(frozen=True)
class Annotation:
    """One thing that one reader said.

    Args:
        case: What the format calls the study or the picture: a study's UID, a file's name.
        label: What was found.
        kind: ``none`` is said of the whole case, series or image.
        geometry: By kind. ``none``: None. ``point``: ``[x, y]``. ``line``: ``[[x, y], …]``. ``box``: ``[[x, y], [x, y]]``, its
            lowest and highest edge. ``polygon``: rings in the order they are painted, ``[["add" | "cut", [[x, y], …]], …]``.
            ``mask``: ``{"shape": [x, y(, z)], "counts": run lengths}``, see `preceptor.maths.run_lengths`; of a volume with
            ``affine_mm``, 4x4 from voxels to RAS+ millimetres, where it is known.
        reader: Who said it, by a code; None where the format does not tell.
        scope: What it is said of.
        series, image: Identifiers of the series and the image, where it is said of one.
        frame: Of the image, from 0; None for all, or the only one.
        extra: ``{format: its own fields}`` that have no place here, so that writing the same format loses nothing.
    """

    case: str
    label: str
    kind: Kind
    geometry: Any = None
    reader: str | None = None
    scope: Scope = "image"
    series: str | None = None
    image: str | None = None
    frame: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def place(self) -> tuple[str, str | None, str | None, int | None]:
        """What was looked at: annotations of one place can be compared."""
        return self.case, self.series, self.image, self.frame


@dataclass(frozen=True)
class Annotations:
    """All that a file says.

    Args:
        rows: One an annotation.
        sizes: ``{image: (pixels along x, along y)}`` of every image the file names. One without a row was looked at, and
            nothing found, in formats that list images (COCO); elsewhere it says nothing.
        labels: Names of all labels there are to give, in order; those of the rows among them.
        notes: What the reader of the file found worth telling, one a line.
        extra: ``{format: its own frame}``: what is neither a row nor an image.
    """

    rows: tuple[Annotation, ...]
    sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def readers(self) -> tuple[str | None, ...]:
        """Who annotated, in order of first appearance."""
        return tuple(dict.fromkeys(row.reader for row in self.rows))

    def by_reader(self, name: str) -> Annotations:
        """The same, said by one reader: for files that do not tell whose they are."""
        return replace(self, rows=tuple(replace(row, reader=name) for row in self.rows))

    def table(self) -> pandas.DataFrame:
        """One row an annotation: case, reader, label, kind, scope, series, image, frame, width, height, geometry (JSON)."""
        import pandas

        names = ("case", "reader", "label", "kind", "scope", "series", "image", "frame")
        rows = []
        for row in self.rows:
            width, height = self.sizes.get(row.image or row.case, (None, None))
            told = {name: getattr(row, name) for name in names}
            told |= {"width": width, "height": height}
            told["geometry"] = None if row.geometry is None else json.dumps(finite(row.geometry))
            rows.append(told)
        columns = [*names, "width", "height", "geometry"]
        table = pandas.DataFrame(rows, columns=columns)
        return table.astype(dict.fromkeys(("frame", "width", "height"), "Int64"))


def joined(parts: Iterable[Annotations]) -> Annotations:
    """Several files as one, the readers kept apart; what belonged to one format's frame alone is dropped where they are many.

    Raises:
        CohortError: One image has two sizes.
    """
    parts = list(parts)
    if len(parts) == 1:
        return parts[0]
    sizes: dict[str, tuple[int, int]] = {}
    for part in parts:
        for image, size in part.sizes.items():
            if sizes.setdefault(image, size) != size:
                raise CohortError(
                    f"one image has two sizes: {sizes[image]} and {size} pixels",
                    where="annotations",
                    expected="files of the same images",
                    remedy="check that both were made on the same export",
                    code="annotation_size",
                )
    return Annotations(
        rows=tuple(row for part in parts for row in part.rows),
        sizes=sizes,
        labels=tuple(dict.fromkeys(label for part in parts for label in part.labels)),
        notes=tuple(note for part in parts for note in part.notes),
    )


def from_table(table: pandas.DataFrame) -> Annotations:
    """Read what `Annotations.table` made.

    Raises:
        CohortError: A column is missing, or a geometry is no JSON or does not fit its kind.
    """
    missing = [name for name in ("case", "label", "kind") if name not in table]
    if missing:
        raise CohortError(
            f"the table of annotations has no column '{missing[0]}'",
            expected="case, label, kind and geometry; reader, scope, series, image, frame, width, height where known",
            code="annotation_table",
        )
    import pandas

    rows, sizes = [], {}
    for number, record in enumerate(table.to_dict("records")):
        told: dict[str, Any] = {
            str(name): None if is_missing(value) or value is pandas.NA else value for name, value in record.items()
        }
        try:
            geometry = json.loads(told["geometry"]) if told.get("geometry") else None
            row = Annotation(
                case=str(told["case"]),
                label=str(told["label"]),
                kind=told["kind"],
                geometry=checked(told["kind"], geometry),
                reader=_text(told.get("reader")),
                scope=told.get("scope") or "image",
                series=_text(told.get("series")),
                image=_text(told.get("image")),
                frame=None if told.get("frame") is None else int(told["frame"]),
            )
            if row.scope not in get_args(Scope):
                raise ValueError
            if told.get("width") is not None and told.get("height") is not None:
                sizes[row.image or row.case] = int(told["width"]), int(told["height"])
        except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError) as error:
            raise CohortError(
                "the geometry does not fit its kind",
                where=f"row {number + 1}",
                expected="JSON in voxels, as `preceptor annotations convert` writes it",
                code="annotation_geometry",
            ) from error
        rows.append(row)
    for number, row in enumerate(rows):
        size = sizes.get(row.image or row.case)
        if row.kind == "mask" and size is not None and row.geometry["shape"][:2] != list(size):
            raise CohortError(
                f"a mask has {row.geometry['shape'][:2]} pixels, and its image {list(size)}",
                where=f"row {number + 1}",
                expected="masks on the grid of their image",
                code="annotation_geometry",
            )
    return Annotations(tuple(rows), sizes, tuple(dict.fromkeys(row.label for row in rows)))


def checked(kind: str, geometry: Any) -> Any:
    """The geometry with its numbers finite floats.

    Raises:
        ValueError, TypeError, KeyError: It does not fit the kind.
    """
    if kind not in _KINDS or (kind == "none") != (geometry is None):
        raise ValueError
    if kind == "none":
        return None
    if kind == "point":
        return _place(geometry)
    if kind == "line":
        return [_place(each) for each in geometry]
    if kind == "box":
        low, high = (_place(each) for each in geometry)
        if any(first > last for first, last in zip(low, high, strict=True)):
            raise ValueError
        return [low, high]
    if kind == "polygon":
        rings = [[how, [_place(each) for each in ring]] for how, ring in geometry]
        if not rings or any(how not in ("add", "cut") or len(ring) < 3 for how, ring in rings):
            raise ValueError
        return rings
    shape, counts = [int(each) for each in geometry["shape"]], [int(each) for each in geometry["counts"]]
    size = 1
    for each in shape:
        size *= each
    if not 2 <= len(shape) <= 3 or min(shape) < 1 or min(counts, default=0) < 0 or sum(counts) != size:
        raise ValueError
    if "affine_mm" not in geometry:
        return {"shape": shape, "counts": counts}
    affine_mm = [[number(each) for each in line] for line in geometry["affine_mm"]]
    if [len(line) for line in affine_mm] != [4, 4, 4, 4]:
        raise ValueError
    return {"shape": shape, "counts": counts, "affine_mm": affine_mm}


def _place(values: Any) -> list[float]:
    found = [number(each) for each in values]
    if len(found) not in (2, 3) or not all(abs(each) <= _FARTHEST for each in found):
        raise ValueError
    return found


def shifted(place: Iterable[float], by: float) -> list[float]:
    """A place in another convention, half a pixel away, without the traces of adding and taking away."""
    return [round(number(each) + by, _DIGITS) for each in place]


def number(value: Any) -> float:
    """A number as a float.

    Raises:
        ValueError: It is none, or a whole number longer than any float: JSON has such.
    """
    try:
        return float(value)
    except OverflowError as error:
        raise ValueError from error


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
