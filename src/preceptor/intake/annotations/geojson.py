"""GeoJSON as slide viewers write it: coordinates in pixels of the full resolution, 0 being the outer edge of the first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.maths.polygons import polygon_area, rings_overlap

from .json_file import annotation_error, read_json, write_json
from .record import Annotation, Annotations, Kind, checked, shifted


def is_geojson(content: Any) -> bool:
    """Whether JSON is a collection of features, one feature, or a list of them."""
    features = content if isinstance(content, list) else [content]
    kinds = ("FeatureCollection", "Feature")
    return bool(features) and all(isinstance(each, dict) and each.get("type") in kinds for each in features)


def read_geojson(path: Path, case: str) -> Annotations:
    """Read points, lines and polygons with their holes.

    The label is a feature's classification (as QuPath writes it), else its property ``label`` or ``name``, else
    ``unnamed``. A feature of several polygons is one row, painted from the largest down; of several points or lines, a row each.

    Args:
        path: The file.
        case: What the picture is called, for the format does not tell.

    Raises:
        CohortError: No GeoJSON, or a feature whose coordinates do not fit its kind.

    Source: RFC 7946; QuPath's export for classifications.
    """
    content = read_json(path)
    if not is_geojson(content):
        raise annotation_error(path, "the file is no GeoJSON", "a collection of features", "annotation_format")
    rows = []
    try:
        for feature in _features(content):
            told = feature.get("properties") or {}
            label = _label(told)
            for kind, geometry in _geometries(feature.get("geometry")):
                extra = {"geojson": {"id": feature.get("id"), "properties": told}}
                rows.append(Annotation(case, label, kind, checked(kind, geometry), image=case, extra=extra))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise annotation_error(
            path, "a feature's coordinates do not fit its kind", "points, lines or polygons", "annotation_format"
        ) from error
    return Annotations(tuple(rows), labels=tuple(dict.fromkeys(row.label for row in rows)))


def write_geojson(path: Path, annotations: Annotations) -> list[str]:
    """Write points, lines, boxes and polygons with their holes, as slide viewers read them.

    Args:
        path: The file.
        annotations: Of one image, from any format. A hole belongs to the smallest ring before it that it overlaps.

    Returns:
        What the format can't hold, a line each: masks, and all images but the first where there are several.

    Source: RFC 7946; QuPath's import for classifications.
    """
    image = annotations.rows[0].image or annotations.rows[0].case if annotations.rows else None
    features: list[dict[str, Any]] = []
    left: Counter[str] = Counter()
    for row in annotations.rows:
        if (row.image or row.case) != image:
            left["GeoJSON holds one image"] += 1
        elif row.kind == "mask":
            left["GeoJSON has no masks: convert them to outlines first"] += 1
        else:
            own = row.extra.get("geojson") or {}
            told = dict(own.get("properties") or {})
            if _label(told) != row.label:
                told |= {"objectType": "annotation", "classification": {"name": row.label}}
            number = {} if own.get("id") is None else {"id": own["id"]}
            features.append({"type": "Feature", **number, "geometry": _shape(row), "properties": told})
    write_json(path, {"type": "FeatureCollection", "features": features})
    return [f"{count} left out: {reason}" for reason, count in left.items()]


def _shape(row: Annotation) -> dict[str, Any] | None:
    if row.kind == "none":
        return None
    if row.kind == "point":
        return {"type": "Point", "coordinates": shifted(row.geometry[:2], 0.5)}
    if row.kind == "line":
        return {"type": "LineString", "coordinates": [shifted(place[:2], 0.5) for place in row.geometry]}
    if row.kind == "box":
        (left, top), (right, bottom) = row.geometry
        return {
            "type": "Polygon",
            "coordinates": [_closed([[left, top], [right, top], [right, bottom], [left, bottom]])],
        }
    parts: list[list[Any]] = []
    for how, ring in row.geometry:
        around = [part for part in parts if rings_overlap(np.array(part[0]), np.array(ring))] if how == "cut" else []
        if how == "add":
            parts.append([ring])
        elif around:
            min(around, key=lambda part: abs(polygon_area(np.array(part[0])))).append(ring)
    polygons = [[_closed(ring) for ring in part] for part in parts]
    if len(polygons) == 1:
        return {"type": "Polygon", "coordinates": polygons[0]}
    return {"type": "MultiPolygon", "coordinates": polygons}


def _closed(ring: Any) -> list[list[float]]:
    places = [shifted(place[:2], 0.5) for place in ring]
    return [*places, places[0]]


def _features(content: Any) -> Iterator[Mapping[str, Any]]:
    for each in content if isinstance(content, list) else [content]:
        yield from each["features"] if each["type"] == "FeatureCollection" else [each]


def _label(told: Mapping[str, Any]) -> str:
    sort = told.get("classification")
    name = sort.get("name") if isinstance(sort, dict) else sort
    return str(name or told.get("label") or told.get("name") or "unnamed")


def _geometries(geometry: Any) -> Iterator[tuple[Kind, Any]]:
    if geometry is None:
        yield "none", None
        return
    sort, places = geometry["type"], geometry.get("coordinates")
    if sort == "GeometryCollection":
        for each in geometry["geometries"]:
            yield from _geometries(each)
    elif sort in ("Point", "MultiPoint"):
        for place in [places] if sort == "Point" else places:
            yield "point", shifted(place, -0.5)
    elif sort in ("LineString", "MultiLineString"):
        for line in [places] if sort == "LineString" else places:
            yield "line", [shifted(place, -0.5) for place in line]
    elif sort in ("Polygon", "MultiPolygon"):
        parts = [places] if sort == "Polygon" else places
        parts = [[_ring(ring) for ring in part] for part in parts]
        if any(len(part[0]) < 3 for part in parts):
            raise ValueError
        parts.sort(key=lambda part: -abs(polygon_area(np.array(part[0]))))  # an island comes after the hole it lies in
        yield "polygon", [["cut" if number else "add", ring] for part in parts for number, ring in enumerate(part)]
    else:
        raise ValueError


def _ring(places: Any) -> Any:
    """A ring without its last vertex, which repeats the first."""
    ring = [shifted(place, -0.5) for place in places]
    return checked("line", ring[:-1] if len(ring) > 1 and ring[0] == ring[-1] else ring)
