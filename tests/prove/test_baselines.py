"""Baselines on planted data: each finds what it can find, sees the training cases alone, and is judged like the model."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from preceptor.core.cohort import Case, Cohort
from preceptor.core.evidence import Evidence
from preceptor.core.slots import build
from preceptor.prepare.store import prepare
from preceptor.prove.comparing import baseline_models
from preceptor.prove.comparing.baselines import answer_baselines, judge_baselines, read_baselines, write_baselines
from preceptor.prove.comparing.simple_features import simple_features
from preceptor.prove.judging import judge

ROLES = ("train", "train", "train", "tune", "test", "test")


def cohort_of(folder, images, labels=None, masks=None, roles=ROLES):
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(
        folder / "data.npz",
        images=np.asarray(images, np.float32),
        masks=np.asarray(masks if masks is not None else [0]),
    )
    return Cohort(
        tuple(
            Case(
                f"case-{i:03d}",
                {"image": f"data.npz::images::{i}"},
                f"p{i}",
                masks={} if masks is None else {"label": f"data.npz::masks::{i}"},
                labels={} if labels is None else labels[i],
                role=roles[i // 2 % len(roles)],
            )
            for i in range(len(images))
        ),
        folder,
    )


def answered(cohort, task, folder, **more):
    store = prepare(cohort, [], task, folder / "prepared", fit_on=cohort.with_role("train"))
    return answer_baselines(cohort, store, task, seed=0, folder=folder, **more)


@pytest.fixture(scope="module")
def bright(tmp_path_factory):
    """Half the cases are brighter by 0.8 standard deviations of noise, and three in five are dark."""
    generator = np.random.default_rng(0)
    truth = (np.arange(120) % 5 >= 3).astype(int)
    images = generator.normal(size=(120, 16, 16)) + 0.8 * truth[:, None, None]
    labels = [{"label": ("dark", "bright")[each], "age": 40.0 + 20 * each + generator.normal()} for each in truth]
    return cohort_of(tmp_path_factory.mktemp("bright"), images, labels)


def test_the_forest_sees_brightness_and_the_majority_nothing(bright, tmp_path):
    task = build("tasks", {"classification": {"classes": ["dark", "bright"]}})
    found = answered(bright, task, tmp_path)
    assert list(found) == ["majority", "forest"]
    values = {name: judge(each, bright, ["roc", "confusion"], []) for name, each in found.items()}
    assert values["majority"]["roc"].value == 0.5 and values["majority"]["confusion"].value == 0.5
    assert values["majority"]["confusion.accuracy"].value == pytest.approx(0.6)
    assert values["forest"]["roc"].value > 0.95
    share = found["majority"].table["probability_bright"].unique()
    train = [case.labels["label"] for case in bright.with_role("train")]
    assert share == pytest.approx([train.count("bright") / len(train)])
    assert set(found["forest"].table["role"]) == {"tune", "test"}
    again = answered(bright, task, tmp_path)["forest"].table
    assert (again["probability_bright"] == found["forest"].table["probability_bright"]).all()


def test_baselines_learn_from_training_cases_alone(bright, tmp_path):
    """The test cases' labels turned round change no answer of theirs."""
    task = build("tasks", {"classification": {"classes": ["dark", "bright"]}})
    turned = bright.with_cases(
        case
        if case.role == "train"
        else replace(case, labels={"label": {"dark": "bright", "bright": "dark"}[case.labels["label"]]})
        for case in bright
    )
    for name, one in answered(bright, task, tmp_path / "a").items():
        other = answered(turned, task, tmp_path / "b")[name].table
        assert (one.table["probability_bright"] == other["probability_bright"]).all()
        assert (one.table["truth"] != other["truth"]).all()


def test_a_number_has_the_mean_and_a_forest(bright, tmp_path):
    task = build("tasks", {"regression": {"label": "age", "unit": "years"}})
    found = answered(bright, task, tmp_path)
    errors = {
        name: judge(each, bright, ["mean_absolute_error"], [])["mean_absolute_error"] for name, each in found.items()
    }
    assert list(errors) == ["mean", "forest"]
    assert errors["mean"].value > 8 > 4 > errors["forest"].value
    ages = [case.labels["age"] for case in bright.with_role("train")]
    assert found["mean"].table["answer"].unique() == pytest.approx([np.mean(ages)])


def test_labels_have_a_forest_each_and_one_that_never_occurs_needs_none(tmp_path):
    generator = np.random.default_rng(1)
    left, low = generator.integers(0, 2, (2, 96))
    images = generator.normal(0, 0.5, (96, 12, 12))
    images[:, :6] += left[:, None, None]
    images[:, :, 6:] += low[:, None, None]
    labels = [
        {"left": int(a), "low": int(b) if i % 7 else None, "never": 0}
        for i, (a, b) in enumerate(zip(left, low, strict=True))
    ]
    cohort = cohort_of(tmp_path / "data", images, labels)
    task = build("tasks", {"multilabel": {"labels": ["left", "low", "never"]}})
    found = answered(cohort, task, tmp_path)
    roc = judge(found["forest"], cohort, ["roc"], [])["roc"]
    assert roc.parts["left"].value > 0.95 and roc.parts["low"].value > 0.95
    assert (found["forest"].table["probability_never"] == 0).all()


@pytest.fixture(scope="module")
def placed(tmp_path_factory):
    """A block that lies where the image is long: in the same part of differently sized images."""
    generator = np.random.default_rng(2)
    folder = tmp_path_factory.mktemp("placed")
    cases = []
    for i in range(24):
        shape = tuple(generator.integers(14, 22, 3))
        mask = np.zeros(shape, np.uint8)
        mask[tuple(slice(round(0.3 * n), round(0.7 * n)) for n in shape)] = 1
        np.savez(folder / f"{i}.npz", image=generator.normal(size=shape).astype(np.float32), mask=mask)
        role = ROLES[i % len(ROLES)]
        cases.append(Case(f"c{i:02d}", {"image": f"{i}.npz::image"}, f"p{i}", {"label": f"{i}.npz::mask"}, role=role))
    return Cohort(tuple(cases), folder)


def test_the_mean_position_finds_what_always_lies_there(placed, tmp_path):
    task = build("tasks", {"segmentation": {"labels": {"block": 1}}})
    found = answered(placed, task, tmp_path)
    assert list(found) == ["mean_position"]
    evidence = judge(found["mean_position"], placed, ["dice", "calibration"], [])
    assert evidence["dice"].value > 0.85 and evidence["calibration"].value < 0.1
    assert found["mean_position"].voxels is not None and (tmp_path / "baselines/mean_position/maps").is_dir()


def test_what_lies_anywhere_has_no_mean_position(placed, tmp_path):
    generator = np.random.default_rng(3)
    images, masks = generator.normal(size=(24, 20, 20)), np.zeros((24, 20, 20), np.uint8)
    for mask in masks:
        row, column = generator.integers(0, 15, 2)
        mask[row : row + 5, column : column + 5] = 1
    cohort = cohort_of(tmp_path / "data", images, masks=masks)
    found = answered(cohort, build("tasks", {"segmentation": {"labels": {"block": 1}}}), tmp_path)
    assert judge(found["mean_position"], cohort, ["dice"], [])["dice"].value < 0.2


def test_beside_the_model_in_pairs_and_stored(bright, tmp_path):
    task = build("tasks", {"classification": {"classes": ["dark", "bright"]}})
    found = answered(bright, task, tmp_path)
    write_baselines(tmp_path, [found])
    stored = read_baselines(tmp_path, task.question)
    assert list(stored) == ["majority", "forest"] and len(stored["forest"]) == len(found["forest"])
    model = stored["majority"]
    noise = np.random.default_rng(4).normal(0, 0.25, len(model))
    seen = np.clip(0.5 + 0.25 * (2 * model.truth_index() - 1) + noise, 0.01, 0.99)
    table = model.table.assign(probability_bright=seen, probability_dark=1 - seen)
    table["answer"] = np.where(seen >= 0.5, "bright", "dark")
    model = type(model)(table, model.question, model.folder)
    evidence = judge(model, bright, ["roc", "confusion"], [])
    facts = judge_baselines(stored, model, evidence, bright, ["roc", "confusion", {"failure_detection": {}}])
    assert json.loads(json.dumps(facts)) == facts
    row = facts["measures"]["roc"]
    assert row["model"]["value"] == evidence["roc"].value and row["majority"]["value"] == 0.5
    assert row["majority"]["difference"] == pytest.approx(evidence["roc"].value - 0.5)
    assert row["majority"]["difference_interval"][0] > 0
    assert facts["beaten"] == {"majority": True, "forest": False}, "the forest sees more than this noisy model"
    assert facts["summary"].startswith("roc: majority 0.50, forest ") and ", model 0." in facts["summary"]
    assert "failure_detection" not in facts["measures"]
    assert judge_baselines({}, model, Evidence({}), bright, ["roc"])["summary"] == ""


@pytest.mark.slow
def test_a_plain_cnn_is_trained_for_a_limited_time(tmp_path):
    from preceptor.recipe.resolve import Recipe
    from preceptor.recipe.schema import Train
    from tests.learn.training import CLASSES, tiny_cohort, tiny_recipe, workshop

    cohort = tiny_cohort(tmp_path, cases=24, tune=4, side=16)
    cases = [replace(case, role="test") if i % 4 == 3 else case for i, case in enumerate(cohort)]
    cohort = cohort.with_cases(cases)
    shop = workshop(tmp_path / "run", tiny_recipe())
    train = replace(Train(), batch_size=8, optimizer={"adamw": {"lr": 1e-2}})
    recipe = Recipe("tiny", 7, {}, CLASSES, {"densenet121": {}}, ({"cross_entropy": {}},), train=train)
    made = []

    def cnn():
        answer, told = baseline_models.plain_cnn(recipe, cohort, shop, seconds=0.0, cases=10)
        made.append(told)
        return answer, told

    store = shop.prepare(cohort)
    found = answer_baselines(cohort, store, shop.task, seed=0, folder=tmp_path / "run", cnn=cnn)
    assert made == ["1 batches of 8 from 10 cases, 0 s at most"], "the time is over after the first batch"
    assert (tmp_path / "run/baselines/cnn/told.txt").read_text() == made[0]
    assert len(found["cnn"].role("test")) == len(cohort.with_role("test"))
    assert np.allclose(found["cnn"].probabilities().sum(1), 1)


def test_a_plain_network_segments_too_and_says_for_how_long(placed, tmp_path):
    """Bright blocks: a minute's worth of batches finds them, whatever network the recipe asks for."""
    from preceptor.recipe.resolve import Recipe
    from preceptor.recipe.schema import Train
    from tests.learn.training import tiny_recipe, workshop

    asked = {"segmentation": {"labels": {"block": 1}}}
    generator = np.random.default_rng(5)
    images, masks = generator.normal(0, 0.3, (36, 16, 16)), np.zeros((36, 16, 16), np.uint8)
    for image, mask in zip(images, masks, strict=True):
        row, column = generator.integers(1, 9, 2)
        mask[row : row + 6, column : column + 6] = 1
        image += 2 * mask
    cohort = cohort_of(tmp_path / "data", images, masks=masks)
    shop = workshop(tmp_path / "run", tiny_recipe(task=asked))
    train = replace(Train(), batch_size=6, patch=[12, 12], optimizer={"adamw": {"lr": 2e-2}}, patches_per_case=4)
    train = replace(train, tune_every=10)  # tuned seldom: the time may be over before the first
    recipe = Recipe("tiny", 7, {}, asked, {"unet": {}}, ({"cross_entropy": {}},), train=train)
    store = shop.prepare(cohort)

    def cnn():
        return baseline_models.plain_cnn(recipe, cohort, shop, seconds=60, most_epochs=3)

    found = answer_baselines(cohort, store, shop.task, seed=0, folder=tmp_path / "run", cnn=cnn)
    assert list(found) == ["mean_position", "cnn"]
    write_baselines(tmp_path / "run", [found])
    stored = read_baselines(tmp_path / "run", shop.task.question)
    values = {name: judge(each, cohort, ["dice"], [])["dice"].value for name, each in stored.items()}
    assert values["cnn"] > 0.8 > 0.5 > values["mean_position"]
    beside = judge_baselines(stored, stored["cnn"], judge(stored["cnn"], cohort, ["dice"], []), cohort, ["dice"])
    assert beside["definitions"]["cnn"].endswith("(36 batches of 6 from 18 cases, 60 s at most)")


def test_features_of_a_missing_view_and_a_film():
    from preceptor.core.cohort import Sample
    from preceptor.core.image import Image

    flat = Image(np.arange(32.0, dtype=np.float32).reshape(1, 2, 16), np.eye(4))
    row = simple_features(Sample("a", {"front": flat}), ("front", "side"), 1, 2)
    size = len(row) // 2
    assert np.isfinite(row[:size]).all() and np.isnan(row[size:]).all()
    thumbnail = row[size - 16 : size].reshape(4, 4)
    assert thumbnail[0] == pytest.approx([1.5, 5.5, 9.5, 13.5]) and thumbnail[-1] == pytest.approx(
        [17.5, 21.5, 25.5, 29.5]
    )
    film = Image(np.stack([flat.array[0], flat.array[0] + 2])[None], np.eye(4))
    assert simple_features(Sample("a", {"front": film}), ("front",), 1, 2)[size - 16 :].mean() == pytest.approx(
        thumbnail.mean() + 1
    )


@pytest.mark.slow
def test_hippocampi_lie_where_they_lie(shared_data, tmp_path):
    """Real crops share a pose: the mean position alone is far from nothing, and far from a trained model."""
    from preceptor.intake.cohort import build_cohort

    root = shared_data("hippocampus_msd_task04")
    layout = {"folder": {"image": "images/*.nii.gz", "label": "labels/*.nii.gz"}}
    cohort = build_cohort(build("datasets", layout, root=root), "hippocampus")
    cohort = cohort.with_cases(
        replace(case, role="train" if i % 4 else "test") for i, case in enumerate(cohort.cases[:40])
    )
    task = build("tasks", {"segmentation": {"labels": {"anterior": 1, "posterior": 2}}})
    found = answered(cohort, task, tmp_path)
    dice = judge(found["mean_position"], cohort, ["dice"], [])["dice"]
    assert 0.3 < dice.value < 0.8
