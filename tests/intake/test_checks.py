"""Each check with what it must report, and the nearest thing it must let pass."""

from __future__ import annotations

import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from preceptor.core.cohort import Case, Cohort, Sample
from preceptor.core.errors import PrepareError, Problem
from preceptor.core.image import UNKNOWN_GEOMETRY, Image
from preceptor.core.slots import build
from preceptor.learn.tasks.classification import Classification
from preceptor.learn.tasks.multilabel import Multilabel
from preceptor.learn.tasks.regression import Regression
from preceptor.learn.tasks.segmentation import Segmentation

SHAPE = (12, 10, 8)
TASK = Segmentation({"anterior": 1, "posterior": 2}, unlabelled=[9])
AFFINE = np.diag([1.0, 1.2, 2.0, 1.0])


def label_map(*values: int) -> np.ndarray:
    """A map with a block of each value."""
    array = np.zeros((1, *SHAPE), np.uint8)
    for place, value in enumerate(values):
        array[0, 2 + 3 * place : 5 + 3 * place, 3:7, 3:6] = value
    return array


def sample(key="a", mask=None, affine=AFFINE, mask_affine=None, array=None, known=True, mask_name="label") -> Sample:
    meta = {} if known else {"geometry": UNKNOWN_GEOMETRY}
    rng = np.random.default_rng(zlib.crc32(key.encode()))
    array = rng.normal(100, 20, (1, *SHAPE)).astype(np.float32) if array is None else array
    masks = {}
    if mask is not None:
        masks[mask_name] = Image(mask, affine if mask_affine is None else mask_affine, is_label=True, meta=meta)
    return Sample(key, {"image": Image(array, affine, meta=meta)}, masks)


def report(name, samples, task=TASK, cases=None, **settings) -> list[Problem]:
    check = build("checks", {name: settings})
    if cases is None:
        cases = [Case(each.key, {"image": "i"}, f"person {each.key}") for each in samples]
    opened = {each.key: each for each in samples}
    facts = {case.key: check.look(case, opened.get(case.key), None) for case in cases}
    return check(Cohort(tuple(cases), Path()), facts, task)


def codes(problems) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(problem.code, problem.severity, problem.cases) for problem in problems]


# ------------------------------------------------------------------ masks


def test_empty_and_full_masks():
    found = report(
        "empty_masks",
        [
            sample("sound", label_map(1, 2)),
            sample("empty", label_map()),
            sample("full", np.ones((1, *SHAPE), np.uint8)),
            sample("nobody looked", label_map(9)),
            sample("unmarked around", np.where(label_map(1) == 0, 9, 1).astype(np.uint8)),
            sample("none"),
        ],
    )
    assert codes(found) == [
        ("mask_full", "error", ("full",)),
        ("mask_empty", "warning", ("empty", "nobody looked")),
        ("mask_absent", "warning", ("none",)),
    ]
    assert report("empty_masks", [sample("a", label_map(1)), sample("b", label_map(1))]) == []


def test_masks_the_task_does_not_ask_for_may_be_empty():
    assert report("empty_masks", [sample("a", label_map(), mask_name="lungs")], Classification(["no", "yes"])) == []


def test_numbered_objects_are_declared_and_counted_whatever_their_number():
    task = Segmentation({"nucleus": 1}, numbered=True)
    cohort = [sample("a", label_map(7, 99)), sample("b", label_map(4))]
    assert report("undeclared_labels", cohort, task) == []
    assert not [each for each in report("class_counts", cohort, task) if each.code == "class_never"]


def test_undeclared_values_of_a_map():
    found = report(
        "undeclared_labels",
        [sample("sound", label_map(1, 9)), sample("a", label_map(2, 7)), sample("b", label_map(7, 255))],
    )
    assert codes(found) == [("label_undeclared", "error", ("a", "b"))]
    assert "7 (in 2), 255 (in 1)" in found[0].what
    averaged = report("undeclared_labels", [sample("a", label_map(2, 4))], Segmentation({"a": 2, "b": 5}))
    assert "averaged" in averaged[0].remedy


def reoriented(array: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same map stored with its first axis reversed and its last two exchanged."""
    flip = np.diag([-1.0, 1, 1, 1])
    flip[0, 3] = SHAPE[0] - 1
    exchange = np.eye(4)[[0, 2, 1, 3]]
    return np.swapaxes(array[:, ::-1], 2, 3), affine @ flip @ exchange


def test_geometry_that_differs():
    moved = AFFINE.copy()
    moved[:3, 3] += [0.6, 0, 0]
    nudged = AFFINE.copy()
    nudged[:3, 3] += [0.4, 0, 0]
    spaced = AFFINE @ np.diag([1, 1, 1.1, 1])
    stored, its_affine = reoriented(label_map(1, 2), AFFINE)
    found = report(
        "label_geometry",
        [
            sample("sound", label_map(1)),
            sample("nudged", label_map(1), mask_affine=nudged),
            sample("stored otherwise", stored, mask_affine=its_affine),
            sample("cut", label_map(1)[:, :-1]),
            sample("moved", label_map(1), mask_affine=moved),
            sample("spaced", label_map(1), mask_affine=spaced),
        ],
    )
    assert codes(found) == [("label_shape", "error", ("cut",)), ("label_affine", "error", ("moved", "spaced"))]
    assert "11x10x8 on an image 12x10x8" in found[0].what
    assert "1.4 mm, case spaced" in found[1].what  # 7 voxels of 2 mm, a tenth too far


def test_a_map_may_lie_on_any_of_the_views():
    of_two = sample("a", label_map(1))
    other = Image(np.zeros((1, 5, 5, 5), np.float32), np.eye(4))
    assert report("label_geometry", [replace(of_two, images={"small": other, **of_two.images})]) == []
    assert codes(report("label_geometry", [replace(of_two, images={"small": other})])) == [
        ("label_shape", "error", ("a",))
    ]


def test_pictures_without_millimetres_are_compared_by_shape():
    moved = AFFINE + 5 * np.eye(4, k=3)
    assert report("label_geometry", [sample("a", label_map(1), mask_affine=moved, known=False)]) == []


# ------------------------------------------------------------------ images


def test_spacing_that_no_scanner_makes():
    thin, huge = np.diag([1e-3, 1e-3, 2e-3, 1]), np.diag([1, 1, 45.0, 1])
    found = report("implausible_spacing", [sample("thin", affine=thin), sample("huge", affine=huge), sample("fine")])
    assert codes(found) == [("spacing_impossible", "error", ("thin", "huge"))]


def test_spacing_that_stands_apart():
    """Sizes vary by a tenth; one case has the voxels of twice the side."""
    rng = np.random.default_rng(0)
    varied = [np.diag([*(np.array([1.0, 1.2, 2.0]) * np.exp(rng.normal(0, 0.05, 3))), 1.0]) for _ in range(20)]
    sound = [sample(f"case {place}", label_map(1), affine) for place, affine in enumerate(varied)]
    assert report("implausible_spacing", sound) == []
    doubled = sample("doubled", label_map(1), AFFINE @ np.diag([2, 2, 2, 1]))
    found = report("implausible_spacing", [*sound, doubled])
    assert codes(found) == [("image_extent", "warning", ("doubled",)), ("label_volume", "warning", ("doubled",))]
    assert report("implausible_spacing", [*sound[:6], doubled]) == [], "six cases say nothing of what is usual"


def test_a_structure_may_be_twice_as_large_in_one_patient_but_not_eight_times():
    def block(side):
        array = np.zeros((1, *SHAPE), np.uint8)
        array[0, :2, :2, :2] = 1
        array[0, :side, :2, :2] = 1
        return sample(f"side {side}", array)

    usual = [replace(block(2), key=f"case {number}") for number in range(10)]
    assert report("implausible_spacing", [*usual, block(4)]) == []
    array = np.ones((1, *SHAPE), np.uint8)
    array[0, 4:] = 0
    found = report("implausible_spacing", [*usual, sample("large", array)])
    assert codes(found) == [("label_volume", "warning", ("large",))]


def test_some_with_millimetres_and_some_without():
    found = report("implausible_spacing", [sample("a"), sample("b", known=False)])
    assert codes(found) == [("spacing_missing", "warning", ("b",))]
    assert report("implausible_spacing", [sample("b", known=False)]) == []


def test_what_cannot_be_read():
    check = build("checks", "unreadable")
    cases = [Case(key, {"image": "i"}) for key in ("absent", "gone", "nan", "fine")]
    error = PrepareError(
        "the file is not there", where="case x", expected="a file", remedy="copy it", code="file_absent"
    )
    nan = np.full((1, *SHAPE), np.nan, np.float32)
    facts = {
        "absent": check.look(cases[0], None, error),
        "gone": check.look(cases[1], None, error),
        "nan": check.look(cases[2], sample(array=nan), None),
        "fine": check.look(cases[3], sample(), None),
    }
    found = check(Cohort(tuple(cases), Path()), facts, None)
    assert codes(found) == [("file_absent", "error", ("absent", "gone")), ("not_finite", "error", ("nan",))]
    assert found[0].remedy == "copy it"


# ------------------------------------------------------------------ people


def people(*rows: tuple[str | None, str | None]) -> list[Case]:
    return [Case(f"case-{n}", {"image": "i"}, patient, role=role) for n, (patient, role) in enumerate(rows)]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("7", "train"), ("7", "train"), ("8", "test")], []),
        ([("7", "train"), ("7", "test")], [("leaked_patients", "error", ("case-0", "case-1"))]),
        ([("7", "tune"), ("7", "external")], [("leaked_patients", "error", ("case-0", "case-1"))]),
        ([("7", "calibrate"), ("7", "test")], [("leaked_patients", "error", ("case-0", "case-1"))]),
        ([("7", "adapt"), ("7", "test")], [("leaked_patients", "error", ("case-0", "case-1"))]),
        ([("7", "train"), ("7", "tune")], [("shared_patients", "warning", ("case-0", "case-1"))]),
        ([(None, "train"), (None, "test")], []),
        ([("7", None), ("7", "test")], []),
        ([("007", "train"), ("7", "test")], [("patient_ids_alike", "error", ("case-0", "case-1"))]),
        ([("P-7", None), ("p 7", None)], [("patient_ids_alike", "warning", ("case-0", "case-1"))]),
        ([("70", "train"), ("7", "test"), ("0", "train")], []),
    ],
)
def test_leaked_patients(rows, expected):
    assert codes(report("leaked_patients", [], None, people(*rows))) == expected


def test_a_merged_identity_leaks_like_a_patient_and_its_id_is_not_printed():
    cases = [replace(case, group="Doe") for case in people(("Doe", "train"), ("Roe", "test"))]
    (problem,) = report("leaked_patients", [], None, cases)
    assert problem.code == "leaked_patients" and "Doe" not in str(problem) and "Roe" not in str(problem)


# ------------------------------------------------------------------ labels


def labelled(values, label="finding", role=None) -> list[Case]:
    return [
        Case(f"case-{n}", {"image": "i"}, f"p{n}", labels={} if value is None else {label: value}, role=role)
        for n, value in enumerate(values)
    ]


def test_slips_placeholders_and_unnamed_classes():
    task = Classification({"normal": ["normal"], "pneumonia": ["pneumonia"]}, "finding")
    found = report("undeclared_labels", [], task, labelled(["normal", "pnuemonia", "Pneumonia", "tumour", None]))
    assert codes(found) == [
        ("label_slip", "error", ("case-1",)),
        ("label_slip", "error", ("case-2",)),
        ("label_unnamed", "warning", ("case-3",)),
    ]
    assert "did you mean 'pneumonia'?" in found[0].remedy
    other = Classification({"other": ["*"], "pneumonia": ["pneumonia"]}, "finding")
    found = report("undeclared_labels", [], other, labelled(["tumour", "todo", "-1", "pneumonia"]))
    assert codes(found) == [("label_placeholder", "error", ("case-1", "case-2"))]
    numbers = Classification(["absent", "present"], "finding")
    assert report("undeclared_labels", [], numbers, labelled([0, 1, 1.0, "absent", float("nan")])) == []


def test_labels_that_are_no_labels():
    assert (
        report("undeclared_labels", [], Multilabel(["mass"]), labelled([0, 1, 1.0, None, float("nan")], "mass")) == []
    )
    found = report("undeclared_labels", [], Multilabel(["mass"]), labelled([0, 2, "yes"], "mass"))
    assert codes(found) == [("label_undeclared", "error", ("case-1", "case-2"))]
    found = report("undeclared_labels", [], Regression("age"), labelled([63, "63.5", "sixty", None], "age"))
    assert codes(found) == [("label_undeclared", "error", ("case-2",))]


def test_classes_that_are_absent_or_rare():
    task = Classification(["no", "yes"], "finding")
    train, test = labelled(["no", "yes"] * 6, role="train"), labelled(["no"] * 6, role="test")
    cases = [*train, *(replace(case, key=f"t-{case.key}", patient=f"t{case.patient}") for case in test)]
    assert codes(report("class_counts", [], task, cases)) == [("class_absent", "warning", ())]
    swapped = [replace(case, role={"train": "test", "test": "train"}[case.role]) for case in cases]
    (problem,) = report("class_counts", [], task, swapped)
    assert (problem.code, problem.severity) == ("class_absent", "error") and "no train case shows yes" in problem.what
    few = labelled(["no"] * 8 + ["yes"] * 3, role="train")
    assert "yes (3)" in report("class_counts", [], task, few)[0].what
    assert codes(report("class_counts", [], task, labelled(["no"] * 9))) == [("class_never", "error", ())]
    assert codes(report("class_counts", [], task, labelled([None] * 9))) == [("class_never", "error", ())]
    assert report("class_counts", [], task, labelled(["no"])) == [], "one case alone is a question, not a cohort"


def test_structures_that_no_case_shows():
    samples = [sample(f"case {n}", label_map(1)) for n in range(6)]
    (problem,) = report("class_counts", samples)
    assert problem.code == "class_never" and "posterior" in problem.what
    samples[0] = sample("case 0", label_map(1, 2))
    assert report("class_counts", samples) == []


def test_patients_are_counted_not_pictures():
    cases = [replace(case, patient="one") for case in labelled(["no", "yes"] * 10, role="train")]
    (problem,) = report("class_counts", [], Classification(["no", "yes"], "finding"), cases)
    assert "no (1), yes (1)" in problem.what


# ------------------------------------------------------------------ images of another kind


def picture(key: str, array: np.ndarray, **meta: str) -> Sample:
    return Sample(key, {"image": Image(array, np.eye(4), meta=meta)})


def test_other_layouts_and_modalities():
    rng = np.random.default_rng(0)
    grey = [picture(f"grey {n}", rng.integers(0, 256, (1, 20, 20), dtype=np.uint8), modality="CR") for n in range(5)]
    colour = picture("colour", rng.integers(0, 256, (3, 20, 20), dtype=np.uint8), modality="CR")
    volume = picture("volume", rng.normal(size=(1, 8, 8, 8)).astype(np.float32))
    scan = picture("scan", rng.integers(0, 256, (1, 20, 20), dtype=np.uint8), modality="MR")
    assert report("odd_images", grey) == []
    found = report("odd_images", [*grey, colour, volume, scan])
    assert codes(found) == [
        ("image_layout", "error", ("colour", "volume")),
        ("image_modality", "warning", ("scan",)),
    ]
    assert "6 of 1 channel, 2D" in found[0].what and "6 of CR" in found[1].what


def test_blank_and_saturated_images():
    rng = np.random.default_rng(0)
    sound = [picture(f"case {n}", rng.integers(0, 256, (1, 20, 20), dtype=np.uint8)) for n in range(4)]
    white = picture("white", np.where(rng.random((1, 20, 20)) < 0.8, 255, 90).astype(np.uint8))
    blank = picture("blank", np.full((1, 20, 20), 7, np.uint8))
    small_numbers = picture("small numbers", rng.normal(0, 1e-4, (1, 20, 20)).astype(np.float32))
    empty = picture("empty", np.zeros((1, 20, 20), np.float32))
    found = report("odd_images", [*sound, white, blank, small_numbers, empty])
    assert codes(found) == [("image_blank", "error", ("blank", "empty")), ("image_saturated", "warning", ("white",))]
    assert codes(report("odd_images", [blank])) == [("image_blank", "error", ("blank",))], (
        "one case alone, as in predict"
    )
    stained = [picture(f"slide {n}", white.images["image"].array) for n in range(4)]
    assert report("odd_images", stained) == [], "white all around is how tissue looks"


def test_few_people_say_nothing_of_how_pictures_lie():
    rng = np.random.default_rng(0)
    ramp = np.linspace(20, 220, 32)[None, :, None] + np.zeros((1, 32, 32))
    upright = [
        picture(f"case {n}", (ramp + rng.normal(0, 10, ramp.shape)).clip(0, 255).astype(np.uint8)) for n in range(60)
    ]
    turned = picture("turned", np.ascontiguousarray(np.rot90(upright[7].images["image"].array, 1, (1, 2))))
    found = report("odd_images", [*upright, turned])
    assert [(problem.code, problem.cases) for problem in found] == [("image_turned", ("turned",))]
    assert report("odd_images", [*upright[:20], turned]) == []


# ---------------------------------------------------------------- rare classes


def _rare(share, judged_by, roles=("test",), **settings):
    task = build("tasks", {"classification": {"classes": ["absent", "present"]}})
    cases = tuple(
        Case(f"c{i}", {}, f"p{i}", labels={"label": ("absent", "present")[i < share * 200]}, role=roles[i % len(roles)])
        for i in range(200)
    )
    return build("checks", {"rare_classes": {"judged_by": judged_by, **settings}})(Cohort(cases, Path()), {}, task)


def test_a_rare_condition_judged_by_accuracy_alone_is_told_which_measures_fit():
    (problem,) = _rare(0.02, ["confusion"])
    assert problem.severity == "warning" and problem.code == "rare_by_accuracy"
    assert (
        "present 2.0%" in problem.what and "right in 98.0%" in problem.what and "only 16% of the alarms" in problem.what
    )
    assert "average_precision" in problem.expected and "prevalences: [0.02]" in problem.remedy


@pytest.mark.parametrize("judged_by", [["confusion", "roc"], ["predictive_values"], [], None])
def test_other_measures_or_none_known_are_no_cause_for_a_warning(judged_by):
    assert _rare(0.02, judged_by) == []


def test_a_common_condition_may_be_judged_by_accuracy():
    assert _rare(0.3, ["confusion"]) == []
    assert _rare(0.3, ["confusion"], below=0.4)
    assert _rare(0.0, ["confusion"]) == [], "a class that never occurs is class_counts' to tell"


def test_a_rare_label_counts_where_it_was_looked_for():
    task = build("tasks", {"multilabel": {"labels": ["mass", "effusion"]}})
    labels = [{"mass": (1 if i == 0 else 0) if i < 20 else None, "effusion": i % 2} for i in range(100)]
    cases = tuple(Case(f"c{i}", {}, labels=each, role="test") for i, each in enumerate(labels))
    (problem,) = build("checks", {"rare_classes": {"judged_by": ["confusion"]}})(Cohort(cases, Path()), {}, task)
    assert "mass 5.0%" in problem.what and "effusion" not in problem.what


def test_the_recipe_tells_the_check_what_it_is_judged_by():
    from preceptor.recipe.load import load_recipe

    recipe = load_recipe(Path(__file__).parents[2] / "recipes" / "phantoms.yaml")
    told = next(each["rare_classes"] for each in recipe.checks if "rare_classes" in each)
    assert told["judged_by"] == [name for each in recipe.evaluate for name in each]
