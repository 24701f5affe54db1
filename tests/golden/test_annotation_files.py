"""Annotations between formats: nothing lost, nothing moved by half a pixel, nothing made up."""

import json

import numpy as np
import pytest

from preceptor.core.errors import CohortError, PrepareError
from preceptor.intake.annotations.coco import read_coco, write_coco
from preceptor.intake.annotations.dicom_seg import read_segmentation, read_segments
from preceptor.intake.annotations.mdai import read_mdai, write_mdai
from preceptor.intake.annotations.painting import as_geometry, as_mask, as_rings
from preceptor.intake.annotations.record import Annotation, Annotations, from_table, joined

MODES = ("bbox", "polygon", "freeform", "line", "location", "mask", "none")
SCOPES = {"EXAM": 1, "SERIES": 2, "INSTANCE": 3}
UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
RING = [[10.25, 12.5], [30.5, 12.5], [30.5, 40.125]]
DATA = {
    "bbox": {"x": 3.5, "y": 7, "width": 20, "height": 11.25},
    "polygon": {"vertices": RING},
    "freeform": {"vertices": [*RING, [8, 33.333333333]]},
    "line": {"vertices": RING[:2]},
    "location": {"x": 0.1, "y": 219.7},
    "mask": {"foreground": [RING, [[0, 0], [5, 0], [5, 5]]], "background": [[[12, 13], [14, 13], [14, 15]]]},
    "none": None,
}


def export():
    """Three label groups, every mode, every scope, and fields that the public client does not read."""
    groups, annotations = [], []
    for number, (scope, levels) in enumerate(SCOPES.items()):
        labels = []
        for mode in MODES:
            label = f"L_{number}{mode}"
            labels.append(
                {
                    "id": label,
                    "name": f"{mode} {number}",
                    "annotationMode": mode,
                    "scope": scope,
                    "color": "#fff",
                    "radlexTagIds": [],
                }
            )
            found = {
                "labelId": label,
                "createdAt": "2024-02-29T10:00:00Z",
                "createdById": f"U_{number % 2}",
                "data": DATA[mode],
                "note": None,
            }
            found |= {name: f"1.2.{place}.{number}" for place, name in enumerate(UIDS[:levels])}
            if levels == 3:
                found |= {"width": 60, "height": 220}
            annotations.append(found)
        groups.append({"id": f"G_{number}", "name": f"group {number}", "labels": labels})
    datasets = [
        {"id": "D_1", "name": "first", "studies": [{"StudyInstanceUID": "1.2.0.0", "number": 1}], "annotations": annotations[:14]},
        {"id": "D_2", "name": "second", "studies": [], "annotations": annotations[14:], "locked": True},
    ]  # fmt: skip
    return {"id": "P_1", "labelGroups": groups, "datasets": datasets}


def written(path, content):
    path.write_text(json.dumps(content))
    return path


@pytest.mark.answer("P5.1", "I4.3")
def test_an_export_of_every_mode_and_scope_comes_back_the_same(tmp_path):
    given = export()
    found = read_mdai(written(tmp_path / "in.json", given))
    assert len(found) == 21 and len(found.table()) == 21
    assert [row.scope for row in found.rows[::7]] == ["study", "series", "image"]
    assert found.readers == ("U_0", "U_1")
    assert [row.kind for row in found.rows[:7]] == ["box", "polygon", "polygon", "line", "point", "polygon", "none"]
    assert found.sizes == {"1.2.2.2": (60, 220)}
    assert write_mdai(tmp_path / "out.json", found) == []
    assert json.loads((tmp_path / "out.json").read_text()) == given
    write_mdai(tmp_path / "again.json", read_mdai(tmp_path / "out.json"))
    assert (tmp_path / "again.json").read_text() == (tmp_path / "out.json").read_text()


@pytest.mark.answer("P5.1", "I4.3")
def test_x_is_the_column_and_the_first_pixel_begins_at_zero(tmp_path):
    given = export()
    given["datasets"][1]["annotations"][0]["data"] = {"x": 3, "y": 200, "width": 1, "height": 2}
    given["datasets"][1]["annotations"][4]["data"] = {"x": 3.5, "y": 200.5}
    given["datasets"][1]["annotations"][5]["data"] = {
        "foreground": [[[2, 1], [7, 1], [7, 5], [2, 5]]],
        "background": [[[3, 2], [5, 2], [5, 4], [3, 4]]],
    }
    rows = read_mdai(written(tmp_path / "in.json", given)).rows[14:]
    marked = as_mask(rows[0], (60, 220))
    assert marked.shape == (60, 220) and np.argwhere(marked).tolist() == [[3, 200], [3, 201]]
    assert np.argwhere(as_mask(rows[4], (60, 220))).tolist() == [[3, 200]]
    masked = as_mask(rows[5], (60, 220))
    assert masked[2:7, 1:5].sum() == masked.sum() == 20 - 4 and not masked[3:5, 2:4].any()


@pytest.mark.answer("P5.1", "I4.3")
@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda e: e["labelGroups"][0]["labels"][0].update(annotationMode="ellipse"), "mode_unknown"),
        (lambda e: e["datasets"][0]["annotations"][0].update(labelId="L_gone"), "label_unknown"),
        (lambda e: e["datasets"][0]["annotations"][0].update(data={"x": 1}), "data_unfit"),
        (lambda e: e["datasets"][0]["annotations"][1].update(data={"vertices": [[1, 2]]}), "data_unfit"),
        (lambda e: e["datasets"][0]["annotations"][6].pop("labelId"), "annotation_format"),
        (lambda e: e.pop("labelGroups"), "annotation_format"),
    ],
)
def test_what_does_not_fit_an_export_is_refused(tmp_path, change, code):
    given = export()
    change(given)
    with pytest.raises(CohortError) as caught:
        read_mdai(written(tmp_path / "in.json", given))
    assert caught.value.problem.code == code


def coco():
    images = [
        {"id": 7, "file_name": "a.png", "width": 6, "height": 4},
        {"id": 9, "file_name": "b.png", "width": 6, "height": 6},
    ]
    annotations = [
        {"id": 1, "image_id": 7, "category_id": 3, "bbox": [1, 1, 3, 2], "area": 6, "iscrowd": 0},
        {"id": 2, "image_id": 9, "category_id": 3, "segmentation": [[1, 1, 4, 1, 4, 3, 1, 3]], "bbox": [1, 1, 3, 2], "area": 6, "iscrowd": 0},
        {"id": 3, "image_id": 7, "category_id": 4, "segmentation": {"size": [4, 6], "counts": [3, 1, 1, 2, 1, 3, 3, 1, 9]}, "area": 7, "bbox": [0, 0, 4, 4], "iscrowd": 1},
        {"id": 5, "image_id": 9, "category_id": 4, "segmentation": [[0, 0, 6, 0, 0, 6]], "area": 18, "bbox": [0, 0, 6, 6], "iscrowd": 0, "attributes": {"blurred": True}},
    ]  # fmt: skip
    return {
        "info": {"year": 2024},
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 3, "name": "nodule"}, {"id": 4, "name": "effusion"}],
    }


@pytest.mark.answer("P5.2", "I4.4")
def test_coco_in_and_out_again(tmp_path):
    given = coco()
    found = read_coco(written(tmp_path / "in.json", given))
    assert [as_mask(row, found.sizes[row.image]).sum() for row in found.rows] == [6, 6, 7, 15]
    assert np.argwhere(as_mask(found.rows[0], (6, 4))).tolist() == [[x, y] for x in (1, 2, 3) for y in (1, 2)]
    assert as_mask(found.rows[2], (6, 4)).T.astype(int).tolist() == [[0, 0, 1, 0, 0, 0], [0, 1, 1, 0, 0, 0], [0, 1, 1, 1, 0, 0], [1, 0, 0, 0, 0, 0]]  # fmt: skip
    assert found.notes == ("1 areas in the file differ from the pixels that are drawn",)
    assert write_coco(tmp_path / "out.json", found, packed=False) == []
    given["annotations"][3]["area"] = 15  # the pixels that are drawn
    assert json.loads((tmp_path / "out.json").read_text()) == given
    write_coco(tmp_path / "packed.json", found)
    again = read_coco(tmp_path / "packed.json")
    assert [row.geometry for row in again.rows] == [row.geometry for row in found.rows] and not again.notes


@pytest.mark.answer("P5.2")
@pytest.mark.peer
def test_pycocotools_reads_what_is_written(tmp_path):
    peer = pytest.importorskip("pycocotools.coco")
    rng = np.random.default_rng(0)
    masks = {f"{n}.png": rng.random((40 + n, 30)) < 0.4 for n in range(3)}
    rows = [Annotation(name, "cell", "mask", as_geometry(mask), image=name) for name, mask in masks.items()]
    write_coco(tmp_path / "out.json", Annotations(tuple(rows), {name: mask.shape for name, mask in masks.items()}))
    read = peer.COCO(str(tmp_path / "out.json"))
    for found in read.loadAnns(read.getAnnIds()):
        name = read.loadImgs(found["image_id"])[0]["file_name"]
        assert np.array_equal(read.annToMask(found).T != 0, masks[name]) and found["area"] == masks[name].sum()


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c["annotations"][2]["segmentation"].update(size=[6, 4]),
        lambda c: c["annotations"][2]["segmentation"].update(counts=[3, 1]),
        lambda c: c["annotations"][2]["segmentation"].update(counts="~~~~"),
        lambda c: c["annotations"][1].update(segmentation=[[1, 1, 4, 1]]),
        lambda c: c["annotations"][1].update(bbox=None, segmentation=[[1, 1, 4, "x", 4, 3]]),
        lambda c: c["annotations"][0].update(image_id=1),
        lambda c: c["images"][0].update(width=10**9),
        lambda c: c["images"][1].update(file_name="a.png"),
    ],
)
def test_what_does_not_fit_a_coco_file_is_refused(tmp_path, change):
    given = coco()
    change(given)
    with pytest.raises(CohortError):
        read_coco(written(tmp_path / "in.json", given))


def test_hostile_json_is_refused(tmp_path):
    for content in (b"[" * 200_000, b'{"images": NaN}', b"\xff\xfe", b""):
        (tmp_path / "in.json").write_bytes(content)
        with pytest.raises(CohortError, match="no JSON"):
            read_coco(tmp_path / "in.json")


def test_masks_and_boxes_walk_from_coco_to_mdai_and_back_without_moving(tmp_path):
    found = read_coco(written(tmp_path / "in.json", coco()))
    assert write_mdai(tmp_path / "mdai.json", found) == []
    there = read_mdai(tmp_path / "mdai.json")
    assert [row.label for row in there.rows] == [row.label for row in found.rows]
    for before, after in zip(found.rows, there.rows, strict=True):
        size = found.sizes[before.image]
        assert there.sizes[after.image] == size
        assert np.array_equal(as_mask(before, size), as_mask(after, size))


def test_a_mask_with_an_island_in_a_hole_is_left_out_and_counted(tmp_path):
    mask = np.pad(np.pad(np.pad(np.ones((1, 1), bool), 1), 1, constant_values=True), 1)
    row = Annotation("a", "cell", "mask", as_geometry(mask), image="a")
    assert write_mdai(tmp_path / "out.json", Annotations((row,))) == [
        "1 left out: masks with an island in a hole, or of a volume"
    ]
    painted = Annotation("a", "cell", "polygon", as_rings(mask), image="a")
    assert np.array_equal(as_mask(painted, mask.shape), mask)


def test_the_table_between_gives_every_annotation_back(tmp_path):
    found = joined(
        [
            read_mdai(written(tmp_path / "a.json", export())),
            read_coco(written(tmp_path / "b.json", coco())).by_reader("R2"),
        ]
    )
    found.table().to_csv(tmp_path / "table.csv", index=False)
    import pandas

    again = from_table(pandas.read_csv(tmp_path / "table.csv"))
    assert again.readers == ("U_0", "U_1", "R2") and again.sizes == found.sizes
    names = ("case", "label", "kind", "geometry", "reader", "scope", "series", "image", "frame")
    for before, after in zip(found.rows, again.rows, strict=True):
        assert [getattr(before, name) for name in names] == [getattr(after, name) for name in names]
    broken = found.table().assign(geometry="[[1]]")
    with pytest.raises(CohortError, match="does not fit its kind"):
        from_table(broken)


@pytest.mark.answer("P5.4")
def test_segmentations_of_the_zoo(shared_data):
    files = shared_data("dicom_zoo") / "files"
    binary = read_segments(files / "002_seg_image_ct_binary.dcm").arrays["first segment"]
    assert binary.shape == (16, 16, 3) and binary.sum() == 638
    fractional = read_segments(files / "003_seg_image_ct_binary_fractional.dcm").arrays["first segment"]
    assert fractional.max() == 1 and np.array_equal(fractional == 1, binary)
    partly = read_segmentation(files / "006_seg_image_ct_true_fractional.dcm")
    assert "fractions" in partly.notes[0]
    # Frames of 510 x 510 do not end at a byte; of the same liver, packed and as JPEG 2000.
    packed = read_segments(files / "179_liver_nonbyte_aligned.dcm").arrays["Liver"]
    assert packed.sum() == 107098
    assert np.array_equal(packed, read_segments(files / "181_liver_nonbyte_aligned_j2k.dcm").arrays["Liver"])
    assert np.array_equal(packed, read_segments(files / "028_liver.dcm").arrays["Liver"][:510, :510])
    for name, told in (
        ("009_seg_image_sm_control_labelmap_palette_color", "of a slide"),
        ("272_liver_1frame", "describes"),
    ):
        with pytest.raises(PrepareError, match=told):
            read_segments(files / f"{name}.dcm")
