"""Files of annotations with anything in them changed are read or refused by name, whatever the change."""

from __future__ import annotations

import json
import random

import pytest

from preceptor.core.errors import PreceptorError
from preceptor.intake.annotations.files import read_annotations, write_annotations

RING = [[1, 1], [5, 1], [5, 4]]
VALUES = (None, -1, 0, 1e308, "x", [], {}, True, [[1, 2]], 2**70, "\0", [None], 1.5)


def mdai():
    modes = {
        "bbox": {"x": 1, "y": 2, "width": 3, "height": 4},
        "mask": {"foreground": [RING], "background": []},
        "location": {"x": 1, "y": 2},
        "none": None,
    }
    labels = [{"id": f"L_{mode}", "name": mode, "annotationMode": mode} for mode in modes]
    said = [
        {
            "labelId": f"L_{mode}",
            "StudyInstanceUID": "1.2",
            "SOPInstanceUID": "1.3",
            "width": 9,
            "height": 8,
            "data": data,
        }
        for mode, data in modes.items()
    ]
    return {
        "labelGroups": [{"id": "G", "name": "g", "labels": labels}],
        "datasets": [{"id": "D", "name": "d", "studies": [], "annotations": said}],
    }


def coco():
    drawn = [
        {"bbox": [1, 1, 2, 2]},
        {"segmentation": [[1, 1, 4, 1, 4, 3]]},
        {"segmentation": {"size": [4, 6], "counts": [3, 1, 20]}},
    ]
    found = [{"id": n, "image_id": 7, "category_id": 3, "area": 4, **each} for n, each in enumerate(drawn)]
    return {
        "images": [{"id": 7, "file_name": "a.png", "width": 6, "height": 4}],
        "annotations": found,
        "categories": [{"id": 3, "name": "nodule"}],
    }


def geojson():
    shapes = [{"type": "MultiPolygon", "coordinates": [[[*RING, RING[0]]]]}, {"type": "Point", "coordinates": [1, 2]}]
    return {
        "type": "FeatureCollection",
        "features": [{"type": "Feature", "geometry": each, "properties": {"name": "a"}} for each in shapes],
    }


def places(content, path=()):
    """Every place in JSON."""
    if path:
        yield path
    for name, value in (
        content.items() if isinstance(content, dict) else enumerate(content if isinstance(content, list) else ())
    ):
        yield from places(value, (*path, name))


@pytest.mark.parametrize("whole", [mdai, coco, geojson])
def test_one_change_anywhere_is_read_or_refused(whole, tmp_path):
    dice, read = random.Random(0), 0
    unchanged = json.dumps(whole())
    for number, path in enumerate(places(json.loads(unchanged))):
        content = json.loads(unchanged)
        inner = content
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = json.loads(json.dumps(dice.choice(VALUES)))
        (tmp_path / f"{number}.json").write_text(json.dumps(content))
        try:
            found = read_annotations(tmp_path / f"{number}.json")
            found.table()
            for form in ("mdai", "coco"):
                write_annotations(tmp_path / "out.json", found, form)
            read += 1
        except PreceptorError:
            continue
    assert 0 < read < number  # some changes do no harm, and some do


def test_a_label_without_a_name_is_refused_though_nobody_used_it(tmp_path):
    content = mdai()
    content["labelGroups"][0]["labels"].append({"id": "L_unused"})
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(PreceptorError) as refused:
        read_annotations(tmp_path / "a.json")
    assert refused.value.problem.code == "annotation_format"
