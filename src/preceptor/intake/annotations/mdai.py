"""MD.ai exports, in and out.

The format does not say where a pixel's coordinates begin. They are read as in its viewer and in DICOM's graphics: 0 is the outer
edge of the first pixel, and its middle 0.5. (MD.ai's public client draws them as if 0 were the middle.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from .json_file import annotation_error, read_json, write_json
from .record import Annotation, Annotations, Kind, Scope, checked, shifted

_KINDS: dict[str, Kind] = {
    "bbox": "box",
    "polygon": "polygon",
    "freeform": "polygon",
    "line": "line",
    "location": "point",
    "mask": "polygon",
    "none": "none",
}
_MODES = {"box": "bbox", "line": "line", "point": "location", "none": "none"}
_UIDS = {"study": "StudyInstanceUID", "series": "SeriesInstanceUID", "image": "SOPInstanceUID"}
_OWN = {*_UIDS.values(), "labelId", "data", "width", "height"}


def is_mdai(content: Any) -> bool:
    """Whether JSON is an MD.ai export."""
    return isinstance(content, dict) and "labelGroups" in content and "datasets" in content


def read_mdai(path: Path) -> Annotations:
    """Read an export: one row an annotation, of every label group, mode and scope.

    The reader is ``createdById`` where the export has it. What is said of is told by which identifiers are there: an image's,
    else a series', else the study alone. Whatever has no place in the table is kept for writing it again. A label that is absent
    from an image says nothing of it: ask for the list of what was read.

    Raises:
        CohortError: No export, an annotation whose label is not declared, an unknown mode, or data that does not fit it.

    Source: mdai/mdai-client-py, `utils/common_utils.py`, `preprocess.py`, `visualize.py`.
    """
    content = read_json(path)
    if not is_mdai(content):
        raise annotation_error(path, "the file is no MD.ai export", "labelGroups and datasets", "annotation_format")
    try:
        declared = {label["id"]: label for group in content["labelGroups"] for label in group.get("labels") or ()}
        names = tuple(dict.fromkeys(str(label["name"]) for label in declared.values()))
        rows, sizes, frames = [], {}, []
        for number, dataset in enumerate(content["datasets"]):
            frames.append({name: value for name, value in dataset.items() if name != "annotations"})
            for found in dataset.get("annotations") or ():
                row = _row(found, declared, number, path)
                rows.append(row)
                if row.image and found.get("width") and found.get("height"):
                    sizes[row.image] = _whole(found["width"]), _whole(found["height"])
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise annotation_error(
            path, "the export lacks a field, or one is of another kind", "an MD.ai export", "annotation_format"
        ) from error
    frame = {name: value for name, value in content.items() if name != "datasets"} | {"datasets": frames}
    return Annotations(tuple(rows), sizes, names, extra={"mdai": frame})


def _row(found: Mapping[str, Any], declared: Mapping[str, Any], dataset: int, path: Path) -> Annotation:
    if found["labelId"] not in declared:
        _refuse(path, "an annotation's label is not declared", "every labelId among labelGroups", "label_unknown")
    label = declared[found["labelId"]]
    mode = label.get("annotationMode") or "none"
    if mode not in _KINDS:
        _refuse(path, f"the annotation mode '{mode}' is unknown", f"one of {', '.join(_KINDS)}", "mode_unknown")
    uids = {scope: str(found[name]) if found.get(name) else None for scope, name in _UIDS.items()}
    frame, reader = found.get("frameNumber"), found.get("createdById")
    scope: Scope = "image" if uids["image"] else "series" if uids["series"] else "study"
    try:
        geometry = checked(_KINDS[mode], _geometry(mode, found.get("data")))
    except (KeyError, TypeError, ValueError):
        _refuse(path, f"the data of an annotation do not fit its mode '{mode}'", "see the label's mode", "data_unfit")
    own = {name: value for name, value in found.items() if name not in _OWN}
    size = {name: found[name] for name in ("width", "height") if name in found}
    return Annotation(
        case=str(uids["study"]),
        label=str(label["name"]),
        kind=_KINDS[mode],
        geometry=geometry,
        reader=None if reader is None else str(reader),
        scope=scope,
        series=uids["series"],
        image=uids["image"],
        frame=None if frame is None else _whole(frame),
        extra={"mdai": {"dataset": dataset, "labelId": found["labelId"], "own": own, **size}},
    )


def _whole(value: Any) -> int:
    if not 0 <= value < 2**31:
        raise ValueError
    return int(value)


def _geometry(mode: str, data: Any) -> Any:
    if mode == "none":
        return None
    if mode == "location":
        return shifted((data["x"], data["y"]), -0.5)
    if mode == "bbox":
        low, size = (data["x"], data["y"]), (data["width"], data["height"])
        return [shifted(low, -0.5), shifted((at + far for at, far in zip(low, size, strict=True)), -0.5)]
    if mode == "mask":
        rings = [["add", each] for each in data["foreground"]] + [
            ["cut", each] for each in data.get("background") or ()
        ]
        return [[how, [shifted(vertex, -0.5) for vertex in ring]] for how, ring in rings]
    vertices = [shifted(vertex, -0.5) for vertex in data["vertices"]]
    return vertices if mode == "line" else [["add", vertices]]


def write_mdai(path: Path, annotations: Annotations) -> list[str]:
    """Write an export. What came from one goes back as it was, but for coordinates rounded to a billionth of a pixel.

    Args:
        path: The file.
        annotations: From any format. Masks become polygons along the edges of their pixels, which give them back.

    Returns:
        What could not be written, a line each: masks with an island in a hole, and volumes.
    """
    frame = dict(annotations.extra.get("mdai") or {})
    groups = [dict(group) for group in frame.get("labelGroups") or ()]
    datasets = [dict(each) for each in frame.get("datasets") or ()]
    modes = {
        label["id"]: label.get("annotationMode") or "none" for group in groups for label in group.get("labels") or ()
    }
    made: dict[tuple[str, str], str] = {}
    listed: list[list[dict[str, Any]]] = [[] for _ in datasets]
    left = 0
    new: list[Annotation] = []
    for row in annotations.rows:
        own = row.extra.get("mdai") or {}
        if own.get("labelId") in modes and own.get("dataset", len(datasets)) < len(datasets):
            listed[own["dataset"]].append(_written(row, own["labelId"], modes[own["labelId"]], annotations))
        else:
            new.append(row)
    added: list[dict[str, Any]] = []
    for row in new:
        mode = _mode(row)
        if mode is None:
            left += 1
            continue
        key = row.label, mode
        made.setdefault(key, f"L_{len(made) + 1:04d}")
        added.append(_written(row, made[key], mode, annotations))
    if made:
        scopes = {(row.label, _mode(row)): row.scope for row in new}
        labels = [
            {
                "id": identity,
                "name": name,
                "annotationMode": mode,
                "type": "global" if mode == "none" else "local",
                "scope": {"study": "EXAM", "series": "SERIES", "image": "INSTANCE"}[scopes[name, mode]],
            }
            for (name, mode), identity in made.items()
        ]
        groups.append({"id": "G_0001", "name": "labels", "labels": labels})
        cases = dict.fromkeys(row.case for row in new)
        studies = [{"StudyInstanceUID": case, "number": number + 1} for number, case in enumerate(cases)]
        datasets.append({"id": "D_0001", "name": "annotations", "studies": studies})
        listed.append(added)
    full = [{**dataset, "annotations": rows} for dataset, rows in zip(datasets, listed, strict=True)]
    write_json(path, {**frame, "labelGroups": groups, "datasets": full})
    return [f"{left} left out: masks with an island in a hole, or of a volume"] if left else []


def _mode(row: Annotation) -> str | None:
    """How a row that came from elsewhere is written; None where the format can't hold it."""
    rings = _rings(row)
    if row.kind in _MODES:
        return _MODES[row.kind]
    if rings is None:
        return None
    return "polygon" if len(rings) == 1 and rings[0][0] == "add" else "mask"


def _rings(row: Annotation) -> list[Any] | None:
    """Rings of which all are added before any is cut; None where there are none such."""
    from .painting import as_mask, as_rings

    if row.kind == "mask":
        if len(row.geometry["shape"]) != 2:
            return None
        rings = as_rings(as_mask(row, row.geometry["shape"]))
    elif row.kind == "polygon":
        rings = row.geometry
    else:
        return None
    order = [how for how, _ in rings]
    return rings if rings and order == sorted(order) else None


def _written(row: Annotation, label: str, mode: str, annotations: Annotations) -> dict[str, Any]:
    own = row.extra.get("mdai") or {}
    found: dict[str, Any] = dict(own.get("own") or {})
    found |= {"labelId": label, "StudyInstanceUID": row.case, "data": _data(row, mode)}
    found |= {name: uid for name, uid in (("SeriesInstanceUID", row.series), ("SOPInstanceUID", row.image)) if uid}
    size = annotations.sizes.get(row.image or "")
    if size:
        found |= {"width": size[0], "height": size[1]}
    found |= {name: own[name] for name in ("width", "height") if name in own}
    if row.reader is not None:
        found["createdById"] = row.reader
    if row.frame is not None:
        found["frameNumber"] = row.frame
    return found


def _data(row: Annotation, mode: str) -> Any:
    if mode == "none":
        return None
    if mode == "location":
        x, y = shifted(row.geometry, 0.5)
        return {"x": x, "y": y}
    if mode == "bbox":
        low, high = row.geometry
        x, y = shifted(low, 0.5)
        width, height = shifted((last - first for first, last in zip(low, high, strict=True)), 0)
        return {"x": x, "y": y, "width": width, "height": height}
    if mode == "line":
        return {"vertices": [shifted(vertex, 0.5) for vertex in row.geometry]}
    rings = [(how, [shifted(vertex, 0.5) for vertex in ring]) for how, ring in _rings(row) or ()]
    if mode == "mask":
        return {name: _of(rings, how) for name, how in (("foreground", "add"), ("background", "cut"))}
    return {"vertices": rings[0][1]}


def _of(rings: Sequence[tuple[str, list[list[float]]]], wanted: str) -> list[list[list[float]]]:
    return [ring for how, ring in rings if how == wanted]


def _refuse(path: Path, what: str, expected: str, code: str) -> NoReturn:
    raise annotation_error(path, what, expected, code)
