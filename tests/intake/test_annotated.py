"""Points and boxes from a file of annotations to the augmented sample: they stay on what they mark."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as Pillow

from preceptor.core.cohort import Cohort
from preceptor.core.errors import CohortError, PrepareError
from preceptor.intake.annotations.coco import write_coco
from preceptor.intake.annotations.painting import as_geometry
from preceptor.intake.annotations.record import Annotation, Annotations
from preceptor.intake.case import open_case
from preceptor.intake.cohort import build_cohort
from preceptor.intake.datasets.annotated import AnnotatedCases
from preceptor.intake.synthesis.phantom_dicom import write_mr_series
from preceptor.prepare.compose import prepare_sample
from preceptor.prepare.transforms.crop_pad import CropPad
from preceptor.prepare.transforms.flip import Flip
from preceptor.prepare.transforms.rotate import Rotate
from preceptor.prepare.vary import vary

SIZE = (24, 16)
FOLDER = {"folder": {"image": "images/*.png", "keep_names": True}}


@pytest.fixture
def study(tmp_path):
    """Three pictures, a bright square in the first; boxes, points and what is said in one table."""
    (tmp_path / "images").mkdir()
    for name in "abc":
        pixels = np.zeros(SIZE[::-1], np.uint8)
        if name == "a":
            pixels[4:7, 10:15] = 200
        Pillow.fromarray(pixels).save(tmp_path / "images" / f"{name}.png")
    square = np.zeros(SIZE, bool)
    square[10:15, 4:7] = True
    rows = (
        Annotation("a.png", "nodule", "mask", as_geometry(square), image="a.png"),
        Annotation("a.png", "nodule", "box", [[9.5, 3.5], [14.5, 6.5]], image="a.png"),
    )
    write_coco(tmp_path / "boxes.json", Annotations(rows, {"a.png": SIZE, "b.png": SIZE, "z.png": SIZE}))
    spots = [
        Annotation("a.png", "tip", "point", [12.0, 5.0], image="a.png"),
        Annotation("b.png", "blurred", "none", image="b.png"),
    ]
    Annotations(tuple(spots), labels=("tip", "blurred")).table().to_csv(tmp_path / "points.csv", index=False)
    return tmp_path


def test_silence_is_none_where_the_file_lists_what_was_looked_at(study):
    made = AnnotatedCases("boxes.json", FOLDER, root=study)
    a, b, c = made.cases()
    assert a.boxes == {"nodule": [[[9.5, 3.5], [14.5, 6.5]]] * 2}
    assert b.boxes == {"nodule": []} and c.boxes == {}
    assert made.notes[-2:] == [
        "annotations: 1 cases are not in the file",
        "annotations: 1 of its images are no case here and are not used",
    ]
    everywhere = AnnotatedCases("boxes.json", FOLDER, looked_at="all", root=study).cases()
    assert [case.boxes.get("nodule") is not None for case in everywhere] == [True, True, True]
    only = AnnotatedCases("boxes.json", FOLDER, looked_at="annotated", root=study).cases()
    assert ["nodule" in case.boxes for case in only] == [True, False, False]


def test_a_cohort_keeps_places_through_its_table(study):
    cohort = build_cohort(AnnotatedCases("points.csv", {"annotated": {"file": "boxes.json", "of": FOLDER}}, root=study))
    assert cohort["a"].points == {"tip": [[12.0, 5.0]]} and cohort["b"].labels == {"blurred": 1}
    cohort.write(study / "cohort.parquet")
    again = Cohort.read(study / "cohort.parquet")
    assert again["a"].points == cohort["a"].points and again["a"].boxes == cohort["a"].boxes
    assert again["b"].boxes == {"nodule": []} and again["c"].boxes == {}
    assert again.digest() == cohort.digest()
    moved = [replace(case, points={"tip": [[1, 1]]}) if case.key == "a" else case for case in cohort]
    assert cohort.with_cases(moved).digest() != cohort.digest()


def test_points_and_boxes_stay_on_what_they_mark(study):
    cohort = build_cohort(AnnotatedCases("points.csv", {"annotated": {"file": "boxes.json", "of": FOLDER}}, root=study))
    sample = open_case(cohort.root, cohort["a"])
    assert sample.points["tip"].shape == (1, 2) and sample.boxes["nodule"].shape == (2, 2, 2)
    prepared = prepare_sample(sample, [CropPad(shape=[40, 20])])
    assert prepared.points["tip"].tolist() == [[20, 7]]
    turned = vary(prepared, [Flip(axes=["x", "y"], chance=1.0)], np.random.default_rng(0)).sample
    marked = np.argwhere(turned.images["image"].array[0] > 100)
    assert not np.array_equal(marked, np.argwhere(prepared.images["image"].array[0] > 100))
    assert turned.points["tip"][0] == pytest.approx(marked.mean(0), abs=0.01)
    assert turned.boxes["nodule"][0] == pytest.approx(np.stack([marked.min(0) - 0.5, marked.max(0) + 0.5]), abs=0.01)

    spun = vary(prepared, [Rotate(degrees=25)], np.random.default_rng(1)).sample
    marked = np.argwhere(spun.images["image"].array[0] > 100)
    assert spun.points["tip"][0] == pytest.approx(marked.mean(0), abs=0.3)


def test_places_that_do_not_fit_the_image_are_refused(study):
    cohort = build_cohort(AnnotatedCases("boxes.json", FOLDER, root=study))
    for places in ([[1, 2, 3]], [[1, "x"]], [[1, float("nan")]]):
        with pytest.raises(PrepareError, match="do not fit the image"):
            open_case(cohort.root, replace(cohort["a"], points={"tip": places}))


def test_what_names_no_case_or_several_readers_is_refused(study):
    with pytest.raises(CohortError, match="none of the 3 cases"):
        list(AnnotatedCases("boxes.json", FOLDER, match="key", root=study).cases())
    content = json.loads((study / "boxes.json").read_text())
    content["annotations"][0]["reader"] = "R1"
    (study / "boxes.json").write_text(json.dumps(content))
    with pytest.raises(CohortError, match="2 readers"):
        list(AnnotatedCases("boxes.json", FOLDER, root=study).cases())
    a, *_ = AnnotatedCases("boxes.json", FOLDER, reader="R1", root=study).cases()
    assert len(a.boxes["nodule"]) == 1


def test_an_mdai_export_finds_its_series_by_identifier(tmp_path):
    about = {"patient": "p", "study": "s", "series": "mr", "site": "one", "sex": "F", "age": 50}
    (tmp_path / "one").mkdir()
    write_mr_series(tmp_path / "one", np.zeros((6, 5, 3), np.uint16), np.diag([1.0, 1, 2, 1]), about)
    from pydicom import dcmread

    header = dcmread(next((tmp_path / "one").iterdir()))
    label = {"id": "L_1", "name": "motion", "annotationMode": None, "type": "global", "scope": "SERIES"}
    said = {
        "labelId": "L_1",
        "StudyInstanceUID": header.StudyInstanceUID,
        "SeriesInstanceUID": header.SeriesInstanceUID,
        "data": None,
    }
    export = {
        "labelGroups": [{"id": "G", "name": "g", "labels": [label]}],
        "datasets": [{"id": "D", "name": "d", "studies": [], "annotations": [said]}],
    }
    (tmp_path / "export.json").write_text(json.dumps(export))
    (case,) = AnnotatedCases("export.json", {"folder": {"image": "*/"}}, match="uid", root=tmp_path).cases()
    assert case.labels == {"motion": 1}
