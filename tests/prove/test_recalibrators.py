"""Recalibrators bend probabilities back to what comes true, of cases, labels and voxels alike."""

from __future__ import annotations

import numpy as np
import pandas
import pytest
import torch
from sklearn.isotonic import IsotonicRegression

from preceptor.core.errors import Refusal
from preceptor.core.evidence import Predictions, Question
from preceptor.core.slots import build
from preceptor.maths import recalibration
from preceptor.maths.roc import auroc
from tests.prove.answered import binary, classes, labels, maps

ONE_STRUCTURE = Question("segmentation", "label", ("background", "lesion"), dense=True, values=(0, 1))


def nobody(role="train"):
    return iter(())


def sigmoid(odds):
    return 1 / (1 + np.exp(-np.asarray(odds, dtype=np.float64)))


def fitted(name, predictions, **settings):
    safeguard = build("safeguards", {name: settings})
    return safeguard.with_state(safeguard.fit(predictions, nobody))


@pytest.fixture(scope="module")
def skewed():
    """Truths drawn at 40 % more doubt and another prevalence than the probabilities say."""
    generator = np.random.default_rng(0)
    odds = generator.normal(0, 2.5, 6000)
    return odds, (generator.random(6000) < sigmoid(0.6 * odds - 1.2)).astype(int)


@pytest.mark.parametrize("name", ["platt", "affine", "beta", "isotonic"])
def test_every_map_finds_what_was_planted(name, skewed):
    odds, truth = skewed
    given = torch.tensor(np.stack([sigmoid(-odds), sigmoid(odds)], 1))
    found = fitted(name, binary(truth, sigmoid(odds))).recalibrate(given)[:, 1].numpy()
    middle = np.abs(odds) < 4
    assert np.abs(found - sigmoid(0.6 * odds - 1.2))[middle].max() < (0.12 if name == "isotonic" else 0.03)
    order = np.argsort(odds)
    assert (np.diff(found[order]) >= -1e-12).all(), "the ranking stays"
    if name != "isotonic":
        assert auroc(truth, found) == pytest.approx(auroc(truth, sigmoid(odds)), abs=1e-12)


def test_beta_bends_either_end_by_itself():
    generator = np.random.default_rng(1)
    said = np.clip(generator.beta(1, 1, 20_000), 1e-6, 1 - 1e-6)
    right = sigmoid(2.0 * np.log(said) - 0.5 * np.log(1 - said) + 0.3)
    truth = (generator.random(20_000) < right).astype(np.uint8)
    assert recalibration.fit_beta(said, truth) == pytest.approx((2.0, 0.5, 0.3), abs=0.08)
    honest = (generator.random(20_000) < said).astype(np.uint8)
    assert recalibration.fit_beta(said, honest) == pytest.approx((1, 1, 0), abs=0.08)


def test_beta_holds_a_falling_end_at_nought():
    generator = np.random.default_rng(2)
    said = generator.uniform(0.01, 0.99, 4000)
    truth = generator.random(4000) < sigmoid(-0.8 * np.log(1 - said) - 0.9)
    falls = generator.random(4000) < sigmoid(2.0 * np.log(said) + 1.5 * np.log(1 - said) + 3.0)
    assert recalibration.fit_beta(said, truth).b > 0
    a, b, _ = recalibration.fit_beta(said, falls)
    assert a > 0 and b == 0.0


def test_isotonic_is_that_of_scikit_learn(skewed):
    odds, truth = skewed
    said = np.round(sigmoid(odds), 2)  # many ties
    steps = recalibration.fit_isotonic(said, truth)
    theirs = IsotonicRegression(out_of_bounds="clip").fit(said, truth)
    grid = np.linspace(0, 1, 301)
    ours = np.interp(grid, *steps)
    last = 1 / (len(truth) + 2)
    assert ours == pytest.approx(np.clip(theirs.predict(grid), last, 1 - last), abs=1e-9)
    assert steps.value.min() > 0 and steps.value.max() < 1
    safeguard = fitted("isotonic", binary(truth, said))
    probability = torch.tensor(np.stack([1 - grid, grid], 1), dtype=torch.float32)
    assert safeguard.recalibrate(probability)[:, 1].numpy() == pytest.approx(ours, abs=1e-5)


def test_affine_of_three_classes_finds_its_scale_and_offsets():
    generator = np.random.default_rng(3)
    scores = generator.normal(0, 2, (6000, 3))
    said = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    moved = 0.5 * np.log(said) + np.array([0.0, 0.7, -0.4])
    right = np.exp(moved) / np.exp(moved).sum(1, keepdims=True)
    truth = np.array([generator.choice(3, p=each) for each in right])
    safeguard = fitted("affine", classes(truth, said))
    assert safeguard.scale == pytest.approx([0.5], abs=0.03) and safeguard.offset == pytest.approx(
        [0, 0.7, -0.4], abs=0.1
    )
    assert np.abs(safeguard.recalibrate(torch.tensor(said)).numpy() - right).max() < 0.04


def test_labels_have_a_line_each_and_what_nobody_looked_at_enters_nothing():
    generator = np.random.default_rng(4)
    odds = generator.normal(0, 2, (3000, 2))
    truth = (generator.random((3000, 2)) < sigmoid(odds * [0.5, 1.0] + [0.0, -2.0])).astype(float)
    truth[::3, 0] = np.nan
    for name in ("platt", "affine"):
        safeguard = fitted(name, labels(truth, sigmoid(odds)))
        slope, shift = (
            (safeguard.slope, safeguard.intercept) if name == "platt" else (safeguard.scale, safeguard.offset)
        )
        assert slope == pytest.approx([0.5, 1.0], abs=0.1) and shift == pytest.approx([0.0, -2.0], abs=0.2)
        found = safeguard.recalibrate(torch.tensor(sigmoid(odds))).numpy()
        assert np.abs(found - sigmoid(odds * [0.5, 1.0] + [0.0, -2.0])).max() < 0.08
    truth[:, 1] = np.nan
    with pytest.raises(Refusal) as caught:
        fitted("platt", labels(truth, sigmoid(odds)))
    assert caught.value.problem.code == "calibrate_unfit" and "b has 0 labelled" in str(caught.value)


@pytest.mark.parametrize("name", ["platt", "affine", "beta", "isotonic"])
def test_voxels_are_recalibrated_as_they_stream_by(name, tmp_path):
    generator = np.random.default_rng(5)
    odds = generator.normal(-1, 2, 9000)
    truth = (generator.random(9000) < sigmoid(0.5 * odds)).astype(int)
    blank = np.zeros((4, 4, 4))
    stored = maps(tmp_path, [(blank, blank)] * 3)
    columns = {"probability_background": sigmoid(-odds), "probability_lesion": sigmoid(odds)}
    voxels = pandas.DataFrame({"key": np.repeat(stored.table["key"], 3000).to_numpy(), "truth": truth, **columns})
    safeguard = fitted(name, Predictions(stored.table, ONE_STRUCTURE, tmp_path, voxels))
    logits = torch.linspace(-3, 3, 48).view(1, 1, 3, 4, 4)
    found = safeguard.recalibrate(torch.cat([torch.sigmoid(-logits), torch.sigmoid(logits)], 1))
    assert found.shape == (1, 2, 3, 4, 4) and found.dtype == torch.float32
    assert (found[:, 1:] - torch.sigmoid(0.5 * logits)).abs().max() < (0.1 if name == "isotonic" else 0.03)
    assert torch.allclose(found.sum(1), torch.ones(1, 3, 4, 4))


@pytest.mark.parametrize("name", ["platt", "affine", "beta"])
def test_classes_told_apart_without_an_error_still_have_a_finite_map(name):
    odds = np.r_[np.linspace(-3, -1, 150), np.linspace(1, 3, 150)]
    safeguard = fitted(name, binary((odds > 0).astype(int), sigmoid(odds)))
    found = safeguard.recalibrate(torch.tensor(np.stack([sigmoid(-odds), sigmoid(odds)], 1)))
    assert torch.isfinite(found).all() and found.min() > 0
    with pytest.raises(Refusal):
        fitted(name, binary(np.ones(300, int), sigmoid(odds)))


def test_certain_answers_stay_numbers():
    odds = np.random.default_rng(6).normal(0, 2, 400)
    truth = (odds + np.random.default_rng(7).normal(0, 1, 400) > 0).astype(int)
    certain = torch.tensor([[0.0, 1.0], [1.0, 0.0], [1e-30, 1.0]])
    for name in ("platt", "affine", "beta", "isotonic"):
        found = fitted(name, binary(truth, sigmoid(odds))).recalibrate(certain)
        assert torch.isfinite(found).all() and ((found >= 0) & (found <= 1)).all()


def test_a_question_of_several_structures_is_for_affine_alone():
    three = Question("segmentation", "label", ("background", "a", "b"), dense=True)
    assert [build("safeguards", name).suits(three) for name in ("platt", "beta", "isotonic", "affine")] == [0, 0, 0, 1]
