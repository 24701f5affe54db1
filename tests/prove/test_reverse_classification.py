"""The safeguard that judges a segmentation by what it can teach, the damage it is tried on, and what it keeps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas
import pytest
from scipy import ndimage

from preceptor.core.cohort import Sample
from preceptor.core.errors import Refusal
from preceptor.core.evidence import Predictions, Question
from preceptor.core.image import Image
from preceptor.core.plugins import Prediction
from preceptor.core.slots import build
from preceptor.core.state import put_together, take_apart
from preceptor.prove.damage import WAYS, damage, damage_to
from preceptor.prove.reverse_classification import COLUMNS, Calibration, Reference, fitted_to

QUESTION = Question("segmentation", "label", ("background", "a", "b"), dense=True, values=(0, 1, 2))
ANSWERED = Predictions(pandas.DataFrame(), QUESTION, Path())


def phantom(seed, shape=(24, 22, 20)):
    """An ellipsoid of its own shape with a darker half."""
    rng = np.random.default_rng(seed)
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    a, b, c = rng.uniform(0.5, 0.7, 3)
    inside = (x / a) ** 2 + (y / b) ** 2 + (z / c) ** 2 < 1
    label = np.where(inside, np.where(x > 0.1, 2, 1), 0).astype(np.int8)
    picture = ndimage.gaussian_filter(np.array([0.0, 100.0, 60.0])[label], 0.7) + rng.normal(0, 4, shape)
    return Image(picture[None].astype(np.float32), np.eye(4)), label


def case(seed):
    image, label = phantom(seed)
    mask = Image(label[None], np.eye(4), is_label=True)
    return Sample(f"case-{seed}", {"image": image}, {"label": mask})


def test_the_right_segmentation_passes_and_the_wrong_ones_are_refused():
    safeguard = build("safeguards", {"reverse_classification": {"least": 0.7, "references": 2, "kept": 3}})
    state = safeguard.fit(ANSWERED, lambda role="train": (case(seed) for seed in (1, 2, 3, 4)))
    assert len(state["references"]) == 3  # no more than asked for, however many cases there are
    tensors: dict = {}
    ready = safeguard.with_state(put_together(take_apart(state, tensors), tensors))
    sample = case(0)
    truth = sample.masks["label"].array[0].astype(np.uint8)

    def judged(label):
        return ready(Prediction(sample.key, QUESTION, label=label, affine_mm=np.eye(4), sample=sample))

    right = judged(truth)
    assert right.accepted
    assert right.parts["predicted_dice"] > 0.8
    assert right.parts["predicted_dice"] == pytest.approx(
        (right.parts["predicted_dice_a"] + right.parts["predicted_dice_b"]) / 2
    )
    wrong = judged(damage(truth, "shift", 6.0, np.random.default_rng(0)))
    assert not wrong.accepted and "about 0." in wrong.reasons[0]
    empty = judged(np.zeros_like(truth))
    assert empty.parts["predicted_dice"] == 0 and not empty.accepted


@pytest.mark.slow
def test_the_scale_is_learnt_on_answers_to_calibration_cases():
    """Answers that carry over worse than they are: eaten away by a voxel, and damaged further."""
    given = {"least": None, "references": 2, "kept": 3, "calibrated_on": 2, "seed": 1}
    safeguard = build("safeguards", {"reverse_classification": given})
    assert safeguard.fit_role == "calibrate" and safeguard.reads_labels
    seeds = {"train": (1, 2, 3), "calibrate": (6, 7, 8)}
    asked = []

    def samples(role="train"):
        asked.append(role)
        return (case(seed) for seed in seeds[role])

    def answer(sample):
        label = sample.masks["label"].array[0]
        return np.where(ndimage.binary_erosion(label > 0), label, 0).astype(np.uint8)

    calibrating = [case(seed) for seed in seeds["calibrate"]]
    labels = tuple(map(answer, calibrating))
    predictions = Predictions(
        pandas.DataFrame({"key": [each.key for each in calibrating]}), QUESTION, Path(), labels=labels
    )
    state = safeguard.fit(predictions, samples)
    assert asked == ["train", "calibrate"] and len(state["references"]) == 3
    assert state["scale"]["cases"] == 2 and state["scale"]["columns"] == ["atlas_best", "atlas_mean"]
    ready = safeguard.with_state(state)
    errors = {"to scale": [], "as it is": []}
    for seed in (0,):
        sample = case(seed)
        truth = sample.masks["label"].array[0]

        def score(label, truth=truth):
            return float(
                np.mean(
                    [
                        2 * ((label == k) & (truth == k)).sum() / ((label == k).sum() + (truth == k).sum())
                        for k in (1, 2)
                    ]
                )
            )

        for way, wanted in zip(WAYS, (0.4, 0.5, 0.6, 0.7, 0.8), strict=True):
            label, real = damage_to(answer(sample), way, wanted, score, seed=seed)
            judged = ready(Prediction(sample.key, QUESTION, label=label, affine_mm=np.eye(4), sample=sample))
            errors["to scale"].append(abs(judged.parts["predicted_dice"] - real))
            errors["as it is"].append(abs(judged.parts["reverse_overlap"] - real))
    assert np.mean(errors["to scale"]) < min(0.08, np.mean(errors["as it is"]))


def test_a_scale_without_a_segmented_calibration_case_is_refused():
    safeguard = build("safeguards", {"reverse_classification": {"references": 2, "calibrated_on": 2}})
    nothing = np.zeros((24, 22, 20), np.uint8)
    predictions = Predictions(pandas.DataFrame({"key": ["case-6"]}), QUESTION, Path(), labels=(nothing,))
    with pytest.raises(Refusal) as caught:
        safeguard.fit(predictions, lambda role="train": (case(seed) for seed in (1, 2, 3, 6)))
    assert caught.value.problem.code == "scale_without_cases"


def test_too_few_references_are_refused():
    safeguard = build("safeguards", {"reverse_classification": {"references": 2}})
    with pytest.raises(Refusal, match="2 training cases"):
        safeguard.fit(ANSWERED, lambda role="train": (case(seed) for seed in (1, 2)))


@pytest.mark.parametrize("way", WAYS)
def test_a_damage_of_any_wanted_dice_is_found(way):
    _, truth = phantom(5, (30, 28, 26))

    def score(label):
        return float(
            np.mean(
                [2 * ((label == k) & (truth == k)).sum() / ((label == k).sum() + (truth == k).sum()) for k in (1, 2)]
            )
        )

    assert (damage(truth, way, 0.0, np.random.default_rng(0)) == truth).mean() > 0.999
    for wanted in (0.5, 0.8):
        damaged, found = damage_to(truth, way, wanted, score, seed=3)
        assert found == pytest.approx(wanted, abs=0.12)
        assert found == score(damaged)
        assert set(np.unique(damaged)) <= {0, 1, 2}


def test_a_large_reference_is_cut_to_its_structures_and_stays_in_place():
    label = np.zeros((60, 50, 40), dtype=np.int8)
    label[30:40, 20:30, 10:18] = 1
    image = Image(np.random.default_rng(0).normal(size=(1, *label.shape)).astype(np.float32), np.diag([1, 1, 2.0, 1]))
    for most in (20_000, 2_000):
        small, cut = fitted_to(image, label, most)
        assert cut.shape == small.shape and cut.size <= most
        middle = small.affine_mm @ [*np.argwhere(cut > 0).mean(0), 1]
        assert middle[:3] == pytest.approx([34.5, 24.5, 27.0], abs=0.7)
    kept = Reference.of(image, label, 2_000)
    assert kept.image.array.dtype == np.uint8 and kept.label.dtype == np.int8


def test_the_scale_is_a_line_and_empty_stays_nothing():
    rng = np.random.default_rng(1)
    told = rng.uniform(0.2, 0.9, (60, len(COLUMNS)))
    told[:, 2:] = np.nan  # no forest was asked
    scale = Calibration.fit(told, np.clip(0.1 + 0.9 * told[:, 0], 0, 1), 10)
    assert scale.columns == COLUMNS[:2]
    assert scale(np.array([[0.5, 0.4, np.nan, np.nan]]))[0] == pytest.approx(0.55, abs=0.03)
    assert scale(np.zeros((1, len(COLUMNS))))[0] == 0
