"""COCO: boxes, polygons and run lengths, in and out.

Vertices and boxes are edges of pixels: 0 is the outer edge of the first one. Run lengths go down the columns of a picture.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.intake.limits import MAX_PICTURE_PIXELS
from preceptor.maths.run_lengths import packed_text, run_lengths, unpacked_counts

from .json_file import annotation_error, read_json, write_json
from .painting import as_mask, surrounding_box
from .record import Annotation, Annotations, Kind, checked, number, shifted

_OWN = {"id", "image_id", "category_id", "bbox", "segmentation", "area", "reader"}


def is_coco(content: Any) -> bool:
    """Whether JSON is a COCO file of annotations."""
    return isinstance(content, dict) and {"images", "annotations", "categories"} <= set(content)


def read_coco(path: Path) -> Annotations:
    """Read boxes, polygons and run lengths, packed or not.

    A case is an image's file name. The format tells no reader; the field ``reader`` that this library writes is read. Areas and
    boxes that differ from what is drawn are told in `notes`: a polygon's area is no count of pixels.

    Raises:
        CohortError: No COCO file, an annotation of an undeclared image or label, or a geometry that does not fit its image.

    Source: cocodataset.org, format of the data; COCO API, `maskApi.c`.
    """
    content = read_json(path)
    if not is_coco(content):
        raise annotation_error(path, "the file is no COCO file", "images, annotations, categories", "annotation_format")
    try:
        images = {each["id"]: each for each in content["images"]}
        names = {each["id"]: str(each["name"]) for each in content["categories"]}
        sizes = {str(each["file_name"]): _size(each) for each in content["images"]}
        if len(sizes) < len(images):
            raise annotation_error(path, "two images have one file name", "a name for each", "image_twice")
        rows, areas = [], 0
        for found in content["annotations"]:
            if found["image_id"] not in images or found["category_id"] not in names:
                raise annotation_error(
                    path,
                    "an annotation's image or label is not declared",
                    "ids among images, categories",
                    "label_unknown",
                )
            image = str(images[found["image_id"]]["file_name"])
            row = _row(found, image, names[found["category_id"]], sizes[image])
            rows.append(row)
            areas += _area_differs(row, found.get("area"), sizes[image])
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise annotation_error(
            path, "a field is absent, of another kind, or does not fit its image", "a COCO file", "annotation_format"
        ) from error
    notes = [f"{areas} areas in the file differ from the pixels that are drawn"] if areas else []
    frame = {name: value for name, value in content.items() if name != "annotations"}
    return Annotations(tuple(rows), sizes, tuple(dict.fromkeys(names.values())), tuple(notes), {"coco": frame})


def _size(image: Mapping[str, Any]) -> tuple[int, int]:
    width, height = int(image["width"]), int(image["height"])
    if min(width, height) < 1 or width * height > MAX_PICTURE_PIXELS:
        raise ValueError
    return width, height


def _row(found: Mapping[str, Any], image: str, label: str, size: tuple[int, int]) -> Annotation:
    drawn, box = found.get("segmentation"), found.get("bbox")
    if not isinstance(found.get("id"), int | str | None):
        raise ValueError
    kind: Kind = "none"
    geometry: Any = None
    own = {name: value for name, value in found.items() if name not in _OWN} | {"id": found.get("id")}
    if drawn:
        if box is not None:
            own["bbox"] = box
        if isinstance(drawn, dict):
            kind, geometry = "mask", _run_lengths(drawn, size)
        else:
            kind = "polygon"
            geometry = [["add", [shifted(ring[at : at + 2], -0.5) for at in range(0, len(ring), 2)]] for ring in drawn]
    elif box is not None:
        x, y, width, height = box
        kind, geometry = "box", [shifted((x, y), -0.5), shifted((x + width, y + height), -0.5)]
    if "area" in found:
        own["area"] = found["area"]
    return Annotation(
        case=image,
        label=label,
        kind=kind,
        geometry=checked(kind, geometry),
        reader=None if found.get("reader") is None else str(found["reader"]),
        image=image,
        extra={"coco": own},
    )


def _run_lengths(drawn: Mapping[str, Any], size: tuple[int, int]) -> dict[str, Any]:
    """COCO's size is rows, columns; its order down the columns is that of an array ``(x, y)``."""
    height, width = drawn["size"]
    if (width, height) != size:
        raise ValueError
    counts = drawn["counts"]
    return {"shape": [width, height], "counts": unpacked_counts(counts) if isinstance(counts, str) else counts}


def _area_differs(row: Annotation, area: Any, size: tuple[int, int]) -> bool:
    if area is None or row.kind not in ("polygon", "mask"):
        return False
    marked = sum(row.geometry["counts"][1::2]) if row.kind == "mask" else int(as_mask(row, size).sum())
    return abs(number(area) - marked) > 0.5


def write_coco(path: Path, annotations: Annotations, *, packed: bool = True) -> list[str]:
    """Write boxes, polygons and run lengths; areas are counts of the pixels drawn.

    Args:
        path: The file.
        annotations: From any format. A polygon that cuts holes becomes run lengths, for COCO has no holes.
        packed: Run lengths as text, else as numbers.

    Returns:
        What the format can't hold, a line each: points, lines, volumes, and what is drawn on an image of unknown size.
    """
    frame = dict(annotations.extra.get("coco") or {})
    images, numbers = _images(frame, annotations)
    categories = [dict(each) for each in frame.get("categories") or ()]
    known = {str(each["name"]): each["id"] for each in categories}
    for label in dict.fromkeys((*annotations.labels, *(row.label for row in annotations.rows))):
        if label not in known:
            known[label] = max([0, *(each for each in known.values() if isinstance(each, int))]) + 1
            categories.append({"id": known[label], "name": label})
    written = []
    left: Counter[str] = Counter()
    taken = {(row.extra.get("coco") or {}).get("id") for row in annotations.rows}
    number = max([0, *(each for each in taken if isinstance(each, int))])
    for row in annotations.rows:
        size = annotations.sizes.get(_image(row))
        reason = _unfit(row, size)
        if reason is not None:
            left[reason] += 1
            continue
        own = dict(row.extra.get("coco") or {})
        if own.get("id") is None:
            number += 1
            own["id"] = number
        own |= {"image_id": numbers[_image(row)], "category_id": known[row.label], **_drawn(row, size, own, packed)}
        own.setdefault("iscrowd", 0)
        if row.reader is not None:
            own["reader"] = row.reader
        written.append(own)
    write_json(path, {**frame, "images": images, "annotations": written, "categories": categories})
    return [f"{count} left out: {reason}" for reason, count in left.items()]


def _image(row: Annotation) -> str:
    return row.image or row.case


def _images(frame: Mapping[str, Any], annotations: Annotations) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    images = [dict(each) for each in frame.get("images") or ()]
    numbers = {str(each["file_name"]): each["id"] for each in images}
    for name, (width, height) in annotations.sizes.items():
        if name not in numbers:
            numbers[name] = max([0, *(each for each in numbers.values() if isinstance(each, int))]) + 1
            images.append({"id": numbers[name], "file_name": name, "width": width, "height": height})
    return images, numbers


def _unfit(row: Annotation, size: tuple[int, int] | None) -> str | None:
    if row.kind in ("point", "line"):
        return f"COCO has no {row.kind}s of this kind"
    if row.kind == "mask" and len(row.geometry["shape"]) != 2:
        return "COCO has no volumes"
    if size is None:
        return "the image's size is not known"
    if row.scope != "image":
        return "COCO tells of images alone"
    return None


def _drawn(row: Annotation, size: tuple[int, int] | None, own: Mapping[str, Any], packed: bool) -> dict[str, Any]:
    assert size is not None
    if row.kind == "none":
        return {}
    if row.kind == "box":
        return _boxed(row.geometry)
    mask = as_mask(row, size)
    told: dict[str, Any] = {"area": int(mask.sum())}
    told |= {"bbox": own["bbox"]} if "bbox" in own else {"bbox": _boxed(surrounding_box(mask))["bbox"]}
    if row.kind == "polygon" and all(how == "add" for how, _ in row.geometry):
        rings = [np.array([shifted(vertex, 0.5) for vertex in ring]).ravel().tolist() for _, ring in row.geometry]
        return told | {"segmentation": rings}
    counts = run_lengths(mask)
    return told | {"segmentation": {"size": [size[1], size[0]], "counts": packed_text(counts) if packed else counts}}


def _boxed(edges: Any) -> dict[str, Any]:
    """COCO gives an empty mask the box 0, 0, 0, 0."""
    if edges is None:
        return {"bbox": [0, 0, 0, 0], "area": 0}
    low, high = edges
    width, height = shifted((last - first for first, last in zip(low, high, strict=True)), 0)
    return {"bbox": [*shifted(low, 0.5), width, height], "area": round(width * height, 9)}
