"""ASAP's XML, the format of CAMELYON16 and 17: outlines in groups, some of which are cut out of the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np

from preceptor.core.files import write_aside
from preceptor.maths.polygons import rings_overlap

from .json_file import annotation_error
from .record import Annotation, Annotations, Kind, checked, shifted
from .xml_file import read_xml

#: What the groups of the CAMELYON challenges are called; others keep their names.
GROUPS = {"_0": "tumour", "_1": "tumour", "Tumor": "tumour", "metastases": "tumour"}

#: Groups that are cut out of every other, in CAMELYON16 and in files that were written here.
EXCLUSIONS = ("_2", "Exclusion", "exclusion")

#: Groups that are cut out of every other and are labels of their own, in CAMELYON17.
INSIDE = ("normal",)

#: Outlines times exclusions that are compared; slides have thousands.
_MOST_PAIRS = 10**8

_KINDS: dict[str, Kind] = {
    "polygon": "polygon",
    "spline": "polygon",
    "rectangle": "polygon",
    "dot": "point",
    "pointset": "point",
    "measurement": "line",
}


def read_asap(
    path: Path,
    case: str,
    *,
    groups: Mapping[str, str] = GROUPS,
    exclusions: Sequence[str] = EXCLUSIONS,
    inside: Sequence[str] = INSIDE,
) -> Annotations:
    """Read outlines, dots and measurements, with what is excluded cut out of what it overlaps.

    Coordinates are pixels of the full resolution, 0 being the outer edge of the first, as the viewer's scene has them. A
    spline is read as the polygon of its vertices, as the challenges' own masks were made. Of several groups that lie in one
    another the exclusions are painted last; so they are cut out of every outline they overlap, and a row holds its holes.

    Args:
        path: The file.
        case: What the slide is called, for the format does not tell.
        groups: ``{group: label}``; a group that is not there is its own label, one without a group ``unnamed``.
        exclusions: Groups that are cut out of all others and are no label.
        inside: Groups that are cut out of all others and are a label of their own.

    Raises:
        CohortError: No such XML, an outline of fewer than three vertices, or a coordinate that is none; a document type
            of its own (``xml_doctype``), since one may unfold without end or name other files.

    Source: ASAP 2 (Radboud), XmlRepository; CAMELYON16 and 17, read-me files: groups and their order of painting.
    """
    collected = _Collected()
    read_xml(path, collected.begin, collected.end)
    if not collected.is_asap:
        raise annotation_error(path, "the file is no ASAP XML", "ASAP_Annotations", "annotation_format")
    rows: list[Annotation] = []
    cuts: list[Annotation] = []
    excluded: list[Annotation] = []
    try:
        for found in collected.found:
            label = groups.get(found.group, found.group) or "unnamed"
            own = {"name": found.name, "type": found.type, "group": found.group, "colour": found.colour}
            for kind, geometry in _geometries(found):
                row = Annotation(case, label, kind, checked(kind, geometry), image=case, extra={"asap": own})
                if found.group in exclusions:
                    excluded.extend([row] if kind == "polygon" else [])
                    continue
                rows.append(row)
                if found.group in inside and kind == "polygon":
                    cuts.append(row)
    except (KeyError, TypeError, ValueError) as error:
        expected = "outlines of three vertices or more, every X and Y a number"
        raise annotation_error(
            path, "an annotation's coordinates do not fit its type", expected, "annotation_format"
        ) from error
    if (len(cuts) + len(excluded)) * len(rows) > _MOST_PAIRS:
        raise annotation_error(path, "more is excluded than can be compared", f"{_MOST_PAIRS:,} pairs", "too_large")
    _cut_out(rows, cuts)
    lost = _cut_out(rows, excluded)
    notes = [f"{lost} excluded outlines overlap nothing and were dropped"] if lost else []
    return Annotations(tuple(rows), labels=tuple(dict.fromkeys(row.label for row in rows)), notes=tuple(notes))


def _cut_out(rows: list[Annotation], cuts: list[Annotation]) -> int:
    """Cut outlines out of every row of another label that they overlap; returned is how many overlap none."""
    areas = [(row, np.array(_outline(row))) for row in rows if row.kind == "polygon"]
    lows = np.array([outline.min(0) for _, outline in areas]).reshape(-1, 2)
    highs = np.array([outline.max(0) for _, outline in areas]).reshape(-1, 2)
    lost = 0
    for cut in cuts:
        ring = np.array(_outline(cut))
        near = np.flatnonzero(((lows < ring.max(0)) & (highs > ring.min(0))).all(axis=1))
        hit = [areas[n][0] for n in near if areas[n][0].label != cut.label and rings_overlap(areas[n][1], ring)]
        for row in hit:
            row.geometry.append(["cut", _outline(cut)])
        lost += not hit
    return lost


class _Found:
    """One annotation as it stands in the file."""

    def __init__(self, told: Mapping[str, str]) -> None:
        self.name, self.type = told.get("Name", ""), told.get("Type", "")
        group = told.get("PartOfGroup", "")
        self.group = "" if group == "None" else group
        self.colour = told.get("Color", "")
        self.places: list[tuple[float, list[float]]] = []


class _Collected:
    """What the elements of a file say, one after another."""

    def __init__(self) -> None:
        self.found: list[_Found] = []
        self.is_asap = False
        self._open: list[str] = []

    def begin(self, name: str, told: Mapping[str, str]) -> None:
        self.is_asap = self.is_asap or (not self._open and name == "ASAP_Annotations")
        self._open.append(name)
        if name == "Annotation":
            self.found.append(_Found(told))
        elif name == "Coordinate" and "Annotation" in self._open:
            place = [float(told.get("X", "nan").replace(",", ".")), float(told.get("Y", "nan").replace(",", "."))]
            self.found[-1].places.append((float(told.get("Order", "nan")), place))

    def end(self, name: str) -> None:
        self._open.pop()


def _geometries(found: _Found) -> list[tuple[Kind, Any]]:
    kind = _KINDS[found.type.lower()]
    orders = [order for order, _ in found.places]
    places = [place for _, place in found.places]
    if len(set(orders)) == len(orders) and not np.isnan(orders).any():
        places = [place for _, place in sorted(found.places, key=lambda each: each[0])]
    moved = [shifted(place, -0.5) for place in places]
    if not moved:
        raise ValueError
    if kind == "point":
        return [(kind, place) for place in moved]
    if kind == "line":
        return [(kind, moved)]
    return [(kind, [["add", moved[:-1] if len(moved) > 3 and moved[0] == moved[-1] else moved]])]


def write_asap(path: Path, annotations: Annotations, *, exclusion: str = "exclusion") -> list[str]:
    """Write outlines, boxes, dots and measurements; holes become outlines of an excluded group.

    A hole that something else lies in (an island, another label) can't be cut out of everything: such an outline is written with
    its holes as one ring that goes there and back, and by the even-odd rule its area is the same. A label called ``normal`` is
    cut out of the others when the file is read, as CAMELYON17 means it.

    Args:
        path: The file.
        annotations: From any format.
        exclusion: What the group of holes is called.

    Returns:
        What the format can't hold, a line each: masks, and what is said of a whole image.
    """
    written: list[tuple[Mapping[str, Any], str, list[Any]]] = []
    left: Counter[str] = Counter()
    holes: list[list[Any]] = []
    areas = [_Area(row) for row in annotations.rows if row.kind in ("box", "polygon")]
    outlined = [area.rings[0][1] for area in areas if area.row.label in INSIDE]
    for row in annotations.rows:
        own = row.extra.get("asap") or {}
        if GROUPS.get(str(own.get("group")), own.get("group")) != row.label:
            own = {}
        named = {"group": row.label, **own}
        if row.kind in ("mask", "none"):
            left[row.kind] += 1
        elif row.kind == "point":
            written.append((named, "Dot", [row.geometry]))
        elif row.kind == "line":
            written.append((named, "Measurement", row.geometry))
        else:
            rings = _rings(row)
            if all(how == "add" for how, _ in rings) or _can_be_excluded(_Area(row), areas):
                written.extend((named, "Polygon", ring) for how, ring in rings if how == "add")
                holes.extend(ring for how, ring in rings if how == "cut" and ring not in holes + outlined)
            else:
                written.append((named, "Polygon", _there_and_back(rings)))
    written.extend(({"group": exclusion}, "Polygon", ring) for ring in holes)
    names = dict.fromkeys(str(own["group"]) for own, _, _ in written if own["group"])
    with write_aside(Path(path)) as aside, aside.open("w", encoding="utf-8") as file:
        file.write('<?xml version="1.0"?>\n<ASAP_Annotations>\n\t<Annotations>\n')
        for number, (own, kind, places) in enumerate(written):
            name = quoteattr(str(own.get("name") or f"Annotation {number}"))
            colour = quoteattr(str(own.get("colour") or "#F4FA58"))
            group = quoteattr(str(own["group"]))
            file.write(
                f'\t\t<Annotation Name={name} Type="{kind}" PartOfGroup={group} Color={colour}>\n\t\t\t<Coordinates>\n'
            )
            for order, place in enumerate(places):
                x, y = shifted(place[:2], 0.5)
                file.write(f'\t\t\t\t<Coordinate Order="{order}" X="{x!r}" Y="{y!r}" />\n')
            file.write("\t\t\t</Coordinates>\n\t\t</Annotation>\n")
        file.write("\t</Annotations>\n\t<AnnotationGroups>\n")
        for each in names:
            file.write(
                f'\t\t<Group Name={quoteattr(each)} PartOfGroup="None" Color="#64FE2E">\n\t\t\t<Attributes />\n\t\t</Group>\n'
            )
        file.write("\t</AnnotationGroups>\n</ASAP_Annotations>\n")
    told = {"mask": "ASAP has no masks: convert them to outlines first", "none": "ASAP says nothing of whole images"}
    return [f"{count} left out: {told[kind]}" for kind, count in left.items()]


def _outline(row: Annotation) -> Any:
    return row.geometry[0][1]


class _Area:
    """A row's rings as arrays, with the box around all of it."""

    def __init__(self, row: Annotation) -> None:
        self.row, self.rings = row, _rings(row)
        self.arrays = [np.array(ring) for _, ring in self.rings]
        self.low = np.min([ring.min(0) for ring in self.arrays], axis=0)
        self.high = np.max([ring.max(0) for ring in self.arrays], axis=0)

    def adds_within(self, ring: np.ndarray, start: int = 0) -> bool:
        """Whether anything that is added, from one ring on, lies in another's area."""
        if (self.low >= ring.max(0)).any() or (self.high <= ring.min(0)).any():
            return False
        kinds = [how for how, _ in self.rings]
        return any(kinds[n] == "add" and rings_overlap(ring, self.arrays[n]) for n in range(start, len(kinds)))


def _rings(row: Annotation) -> list[Any]:
    if row.kind == "polygon":
        return list(row.geometry)
    (left, top), (right, bottom) = row.geometry
    return [["add", [[left, top], [right, top], [right, bottom], [left, bottom]]]]


def _can_be_excluded(area: _Area, areas: list[_Area]) -> bool:
    """Whether holes, cut out of everything and last, leave all that is drawn as it is."""
    for at, ((how, hole), ring) in enumerate(zip(area.rings, area.arrays, strict=True)):
        if how == "add":
            continue
        if area.adds_within(ring, at):
            return False
        for other in areas:
            if ["cut", hole] in other.rings or (other.row.label in INSIDE and other.rings[0][1] == hole):
                continue
            if other.adds_within(ring):
                return False
    return True


def _there_and_back(rings: list[Any]) -> list[Any]:
    """All rings as one: each way from ring to ring is gone twice, so it parts nothing by the even-odd rule."""
    start = rings[0][1][0]
    return [place for _, ring in rings for place in (*ring, ring[0], start)]
