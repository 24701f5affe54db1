"""Phantom studies on disk: the same bytes again, valid DICOM, dials that turn one thing only, and stand-ins."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from preceptor.core.cohort import Cohort
from preceptor.core.errors import RecipeError
from preceptor.core.slots import build
from preceptor.intake.case import open_case
from preceptor.intake.checking import check_cohort
from preceptor.intake.datasets.phantoms import Phantoms
from preceptor.intake.rehearsal import few_cases, stand_in
from preceptor.intake.synthesis.phantom_plan import Plan
from preceptor.intake.synthesis.phantom_study import make_study
from preceptor.maths.concordance import harrell
from preceptor.maths.survival_phantoms import concordance_among
from preceptor.recipe.load import load_recipe

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))
SMALL = Plan(visits=8, visits_per_patient=2, size=(16, 16, 8), format="mixed", seed=5, truth=True)


def contents(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def pixels(cohort: Cohort) -> dict[tuple[str, str], np.ndarray]:
    opened = [open_case(cohort.root, case) for case in cohort]
    return {(sample.key, view): image.array for sample in opened for view, image in sample.images.items()}


def test_the_same_seed_makes_the_same_bytes(tmp_path):
    one, two = make_study(SMALL, tmp_path / "one"), make_study(SMALL, tmp_path / "two")
    assert contents(one.root) == contents(two.root)
    other = make_study(Plan(**{**SMALL.__dict__, "seed": 6}), tmp_path / "one")
    assert other.root != one.root
    ours, theirs = (
        {digest for name, digest in contents(each.root).items() if name.startswith("images")} for each in (one, other)
    )
    assert not ours & theirs


def test_a_study_is_made_once_and_goes_on_where_it_stopped(tmp_path):
    whole = make_study(SMALL, tmp_path / "whole")
    begun = tmp_path / "begun" / whole.root.name
    shutil.copytree(whole.root, begun)
    (begun / "cohort.csv").unlink()
    for case in whole.cases[3:]:
        source = begun / case.images["image"]
        shutil.rmtree(source) if source.is_dir() else source.unlink()
    kept = begun / whole.cases[0].images["image"]
    before = kept.stat().st_mtime_ns
    resumed = make_study(SMALL, tmp_path / "begun")
    assert contents(resumed.root) == contents(whole.root)
    assert kept.stat().st_mtime_ns == before, "what was there is not made again"
    stamp = (whole.root / "cohort.csv").stat().st_mtime_ns
    assert make_study(SMALL, tmp_path / "whole").cases == whole.cases
    assert (whole.root / "cohort.csv").stat().st_mtime_ns == stamp


@pytest.mark.parametrize(
    "settings",
    [
        {"size": (24, 20, 4), "spacing_mm": (1.5, 2.0, 3.25)},
        {"size": (24, 20), "views": ("frontal", "lateral")},
    ],
)
def test_its_dicom_is_valid(settings, tmp_path):
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy (Debian dicom3tools) is not here")
    cohort = make_study(Plan(visits=2, format="dicom", **settings), tmp_path)
    files = sorted(cohort.root.rglob("*.dcm"))
    assert len(files) == (8 if len(settings["size"]) == 3 else 4)
    for path in files:
        said = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, check=False)
        errors = [line for line in (said.stdout + said.stderr).splitlines() if line.startswith("Error")]
        assert errors == [] and said.returncode == 0


def test_series_and_volume_show_the_same_body_in_the_same_place(tmp_path):
    """One plan written as DICOM (axes to the left and back) and as NIfTI (to the right and front)."""
    plans = [
        Plan(task="lesion", labels={"l": 1}, visits=2, size=(14, 18, 6), format=kind) for kind in ("dicom", "nifti")
    ]
    series, volume = (make_study(plan, tmp_path) for plan in plans)
    for case in series:
        one, two = open_case(series.root, case), open_case(volume.root, volume[case.key])
        ours, theirs = one.images["image"], two.images["image"]
        assert ours.orientation == "LPS" and theirs.orientation == "RAS"
        assert np.array_equal(np.asarray(ours.array, int)[:, ::-1, ::-1], np.asarray(theirs.array, int))
        assert np.allclose(ours.spacing_mm, theirs.spacing_mm, rtol=1e-5)
        corner = ours.affine_mm @ [*(np.array(ours.shape) - 1) * [1, 1, 0], 1]
        assert np.allclose(corner, theirs.affine_mm @ [0, 0, 0, 1], atol=1e-3)
        for sample in (one, two):
            mask, image = sample.masks["label"], sample.images["image"]
            assert np.allclose(mask.affine_mm, image.affine_mm, atol=1e-3) and mask.shape == image.shape
            assert image.array[mask.array > 0].mean() > image.array[mask.array == 0].mean() + 150


def test_the_site_dial_changes_images_and_nothing_else(tmp_path):
    plans = {
        dial: Plan(task="lesion", labels={"l": 1}, visits=6, size=(20, 20), site_effect=dial)
        for dial in (0.0, 0.5, 1.0)
    }
    made = {dial: make_study(plan, tmp_path) for dial, plan in plans.items()}
    tables = [cohort.table().to_csv() for cohort in made.values()]
    assert tables[0] == tables[1] == tables[2]
    masks = [[open_case(c.root, case).masks["label"].array.tobytes() for case in c] for c in made.values()]
    assert masks[0] == masks[1] == masks[2]
    none, half, full = (pixels(cohort) for cohort in made.values())
    for name in none:
        first, second = (np.abs(each[name].astype(float) - none[name]).mean() for each in (half, full))
        assert 2 < first < second, "more of it changes more"


def test_without_a_site_effect_a_site_leaves_no_trace(tmp_path):
    one = make_study(Plan(visits=6, sites=("a", "b"), format="png"), tmp_path)
    two = make_study(Plan(visits=6, sites=("c", "d"), format="png"), tmp_path)
    assert {case.fields["site"] for case in one} == {"a", "b"}
    assert all(
        np.array_equal(one_, two_) for one_, two_ in zip(pixels(one).values(), pixels(two).values(), strict=True)
    )


@pytest.mark.parametrize("confounding", [0.0, 0.5, 1.0])
def test_confounding_is_what_it_says(confounding, tmp_path):
    cohort = make_study(Plan(visits=80, size=(8, 8), format="png", confounding=confounding), tmp_path)
    share = {
        site: np.mean([case.labels["label"] == "present" for case in cohort if case.fields["site"] == site])
        for site in ("north", "south")
    }
    assert share == {"north": pytest.approx(0.5 - confounding / 2), "south": pytest.approx(0.5 + confounding / 2)}
    assert sum(case.fields["site"] == "north" for case in cohort) == 40


def test_the_confounding_dial_leaves_people_alone(tmp_path):
    plans = [Plan(visits=12, size=(12, 12), format="png", confounding=dial) for dial in (0.0, 1.0)]
    one, two = (make_study(plan, tmp_path) for plan in plans)
    assert [case.fields for case in one] == [case.fields for case in two]
    shown = pixels(one), pixels(two)
    same = [np.array_equal(shown[0][name], shown[1][name]) for name in shown[0]]
    kept = [a.labels == b.labels for a, b in zip(one, two, strict=True)]
    assert any(kept) and not all(kept)
    # Where the label did not change, nor did the picture, but for lesions that are drawn by class.
    assert all(is_same for is_same, is_kept in zip(same, kept, strict=True) if is_kept)


def test_a_patient_has_one_label_and_several_visits(tmp_path):
    cohort = make_study(Plan(visits=11, visits_per_patient=3, size=(16, 16), format="png"), tmp_path)
    assert len(cohort) == 11 and len({case.patient for case in cohort}) == 4
    for patient in {case.patient for case in cohort}:
        visits = [case for case in cohort if case.patient == patient]
        assert len({str(case.labels) + str(case.fields["site"]) + str(case.fields["age"]) for case in visits}) == 1
    shown = list(pixels(cohort).values())
    assert all(not np.array_equal(shown[0], other) for other in shown[1:])


def test_views_go_missing_as_often_as_asked(tmp_path):
    plan = Plan(visits=200, size=(8, 8), views=("frontal", "lateral"), missing_views=0.4, format="png")
    cohort = make_study(plan, tmp_path)
    assert all(case.images for case in cohort)
    both = np.mean([len(case.images) == 2 for case in cohort])
    assert both == pytest.approx(0.6 * 0.6, abs=0.1)  # three standard errors


def test_labels_mean_what_is_shown(tmp_path):
    """Classes are numbers of lesions, multilabel lesions have places, a regression asks for the volume that is there."""
    classes = Plan(visits=9, classes=("none", "one", "two"), size=(64, 64, 32), truth=True, seed=2)
    for case in make_study(classes, tmp_path):
        from scipy.ndimage import label

        mask = open_case(tmp_path / f"classification-{classes.digest}", case).masks["lesion"].array[0]
        assert label(mask)[1] == {"none": 0, "one": 1, "two": 2}[case.labels["label"]]
    volume = Plan(task="regression", label="volume", visits=5, size=(64, 64, 64), truth=True)
    cohort = make_study(volume, tmp_path)
    for case in cohort:
        mask = open_case(cohort.root, case).masks["lesion"]
        assert np.count_nonzero(mask.array) * 27 / 1000 == pytest.approx(case.labels["volume"], rel=0.05)
    many = Plan(task="multilabel", classes=("a", "b", "c", "d"), visits=10, size=(96, 96), truth=True)
    cohort = make_study(many, tmp_path)
    for case in cohort:
        mask = open_case(cohort.root, case).masks["lesion"].array[0]
        x, y = (np.indices(mask.shape) + 0.5) / 96 - 0.5
        sector = np.rint(np.arctan2(y, x) / (np.pi / 2)).astype(int) % 4
        shown = {name: int(mask[sector == place].sum() > 20) for place, name in enumerate("abcd")}
        assert shown == {name: case.labels[name] for name in "abcd"}


def test_the_plug_in_is_the_plan(tmp_path):
    dataset = Phantoms(root=tmp_path, visits=4, size=[16, 16], format="png", folder="here", seed=9)
    cases = list(dataset.cases())
    assert dataset.cohort_root.parent == tmp_path / "here" and len(cases) == 4
    assert cases == list(make_study(Plan(visits=4, size=(16, 16), format="png", seed=9), tmp_path / "here"))
    assert "phantoms" in dataset.notes[0]
    with pytest.raises(RecipeError, match="spacing_mm 2"):
        Phantoms(tmp_path, size=[16, 16, 16], spacing_mm=[1.0, 1.0])
    with pytest.raises(RecipeError, match="PNG holds no volume"):
        Phantoms(tmp_path, size=[16, 16, 16], format="png")


# ------------------------------------------------------------------ stand-ins

MADE_UP = {
    "two views, a site held out": """
study: chest
cohort: {table: {file: nowhere.csv, view: view, views: {frontal: [PA], lateral: [L]}, labels: [finding]}}
split: {by: patient, train: 0.6, tune: 0.1, calibrate: 0.15, test: 0.15, stratify: finding, external: {location: [Italy]}}
task: {classification: {classes: {other: ["*"], COVID-19: [COVID-19, SARS]}, label: finding}}
network: hemis
objective: evidential
methods: [{demographic_parity: {field: ward}}]
""",
    "roles of the data set": """
study: pneumonia
cohort: {medmnist: {file: nowhere.npz}}
task: {classification: {classes: [normal, pneumonia]}}
network: cnn
objective: cross_entropy
""",
    "a number": """
study: age
cohort: {folder: {folder: nowhere, image: "*.nii.gz"}}
split: {train: 0.7, tune: 0.1, test: 0.2}
task: {regression: {label: age}}
network: cnn
objective: mean_squared_error
train: {patch: [24, 24, 16]}
""",
    "survival": """
study: relapse
cohort: {table: {file: nowhere.csv, image: scan, patient: who, labels: [years, relapsed], fields: [stage, age]}}
split: {by: patient, train: 0.6, tune: 0.15, test: 0.25}
task: {survival: {time: years, event: relapsed, times: [1, 3, 5], unit: years, clinical: [stage, age]}}
network: cnn
objective: cox
safeguards: [baseline_hazard]
evaluate: [concordance]
""",
    "several labels": """
study: findings
cohort: {folder: {folder: nowhere, image: "*.png"}}
split: {train: 0.7, tune: 0.1, test: 0.2}
task: {multilabel: {labels: [effusion, mass, nodule]}}
network: cnn
objective: binary_cross_entropy
""",
}


def fits(recipe, tmp_path):
    cohort = stand_in(recipe, tmp_path / "phantoms")
    assert "stand-in" in cohort.notes[0]
    task = build("tasks", recipe.task)
    checked, problems, _ = check_cohort(cohort, recipe.checks, recipe.split, recipe.seed, task)
    assert [str(problem) for problem in problems if problem.severity == "error"] == []
    roles = {case.role for case in checked}
    assert "train" in roles
    for role in roles - {"calibrate"}:
        assert len(few_cases(checked).with_role(role)) == 2
    sample = open_case(cohort.root, checked.cases[0])
    return checked, sample, task


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_has_a_stand_in(path, tmp_path):
    recipe = load_recipe(path)
    checked, sample, task = fits(recipe, tmp_path)
    if task.mask:
        task.encode_mask(sample.masks[task.mask].array)
    if recipe.train.patch:
        assert all(size >= side for size, side in zip(sample.reference.shape, recipe.train.patch, strict=True))


@pytest.mark.parametrize("name", MADE_UP)
def test_other_recipes_have_one_too(name, tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(MADE_UP[name], encoding="utf-8")
    recipe = load_recipe(path)
    checked, sample, task = fits(recipe, tmp_path)
    encoded = [task.encode(case)[task.question.target] for case in checked]
    if task.question.task == "classification":
        assert set(map(int, encoded)) == {0, 1}
    else:
        assert np.isfinite(encoded).all()
    assert {"train", "tune", "test"} <= {case.role for case in checked}
    if name.startswith("two views"):
        assert checked.views == ("frontal", "lateral")
        assert {case.fields["location"] for case in checked.with_role("external")} == {"Italy"}
        assert {case.fields["ward"] for case in checked} == {"a", "b"}
    if name == "survival":
        assert all({"years", "relapsed"} == set(case.labels) and "stage" in case.fields for case in checked)
        few = few_cases(checked, event="relapsed")
        assert all(case.labels["relapsed"] == 1 for case in few) and len(few.with_role("train")) == 2
    if name == "a number":
        assert sample.reference.space_dims == 3


# ---------------------------------------------------------------- survival

FOLLOWED = Plan(task="survival", visits=600, size=(16, 16), format="png", label="death", truth=True, age_effect=0.5)


def follow_up(plan: Plan, folder: Path) -> tuple[np.ndarray, ...]:
    """Time, event, log hazard and age of every case of a study, whose images are left out."""
    from preceptor.intake.synthesis.phantom_study import _patients

    told = [
        (each.labels["death_time"], each.labels["death_event"], each.fields["log_hazard"], each.age)
        for each in _patients(plan)
    ]
    return tuple(np.array(each, dtype=float) for each in zip(*told, strict=True))


def test_follow_up_has_the_hazard_that_was_put_there(tmp_path):
    plan = replace(FOLLOWED, visits=3000, censored=0.0)
    time, event, log_hazard, age = follow_up(plan, tmp_path)
    assert event.all()
    # Times over their expectation are standard exponential numbers.
    scaled = time * np.log(2) / 24 * np.exp(log_hazard)
    assert scaled.mean() == pytest.approx(1, abs=0.06) and np.median(scaled) == pytest.approx(np.log(2), abs=0.06)
    assert harrell(time, event == 1, log_hazard) == pytest.approx(concordance_among(log_hazard), abs=0.015)
    left = log_hazard - 0.5 * (age - 55) / 20
    assert abs(np.corrcoef(left, age)[0, 1]) < 0.05 and left.std() == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize("censored", [0.1, 0.6])
def test_censoring_is_a_dial_that_leaves_the_events_where_they_were(censored, tmp_path):
    whole = follow_up(replace(FOLLOWED, censored=0.0), tmp_path)
    time, event, log_hazard, _ = follow_up(replace(FOLLOWED, censored=censored), tmp_path)
    assert 1 - event.mean() == pytest.approx(censored, abs=0.06)
    assert (log_hazard == whole[2]).all() and (time[event == 1] == whole[0][event == 1]).all()
    assert (time[event == 0] < whole[0][event == 0]).all()


def test_the_lesion_is_as_large_as_its_hazard_says(tmp_path):
    plan = replace(FOLLOWED, visits=12, size=(96, 96), age_effect=0.0, visits_per_patient=2)
    cohort = make_study(plan, tmp_path)
    assert {*cohort.cases[0].labels} == {"death_time", "death_event"}
    low, high = plan.radius_mm
    for case in cohort:
        sample = open_case(cohort.root, case)
        area = float(sample.masks["lesion"].array.sum()) * float(np.prod(plan.step_mm))
        radius = np.sqrt(low * high) * (high / low) ** (case.fields["log_hazard"] / 4)
        assert area == pytest.approx(np.pi * radius**2, rel=0.12)
    visits = [case for case in cohort if case.patient == "p0000"]
    assert len(visits) == 2 and visits[0].labels == visits[1].labels


def test_the_log_hazard_is_kept_for_those_who_ask_for_the_truth(tmp_path):
    cohort = make_study(replace(FOLLOWED, visits=2, truth=False), tmp_path)
    assert "log_hazard" not in cohort.cases[0].fields and not cohort.cases[0].masks
