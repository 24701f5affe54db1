"""Known answers of recalibration: by hand, and on photographs of X-rays."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from preceptor.core.slots import build
from preceptor.maths import calibration, recalibration
from preceptor.maths.roc import auroc
from tests.golden.photographs import by_hand, of_a_screen
from tests.prove.answered import binary

GOLDEN = {"abs": 1e-6}

ODDS, TRUTH = np.array([2.0, 1.0, 0.0, -1.0, 3.0, -2.0]), np.array([1, 0, 1, 0, 1, 0])


def sigmoid(odds):
    return 1 / (1 + np.exp(-np.asarray(odds, dtype=np.float64)))


def nobody(role="train"):
    return iter(())


def recalibrated(safeguard, probability):
    """``(case,)`` probabilities of the second class, through a safeguard."""
    return safeguard.recalibrate(torch.tensor(np.stack([1 - probability, probability], 1)))[:, 1].numpy()


def brier(truth, probability):
    return calibration.brier(np.asarray(truth), probability).mean()


def nll(truth, probability):
    return calibration.log_loss(np.asarray(truth), probability).mean()


def ece(truth, probability):
    return calibration.expected_calibration_error(calibration.reliability(np.asarray(truth), probability, 10))


# ---------------------------------------------------------------- P3.2


@pytest.mark.answer("P3.2")
def test_six_cases_by_hand():
    probability = sigmoid(ODDS)
    assert brier(TRUTH, probability) == pytest.approx(0.147907337, **GOLDEN)
    half = build("safeguards", "temperature").with_state({"temperature": 2.0, "exclusive": True})
    assert brier(TRUTH, recalibrated(half, probability)) == pytest.approx(0.159655104, **GOLDEN)
    for name, state in (
        ("platt", {"slope": [0.5], "intercept": [-0.25]}),
        ("affine", {"scale": [0.5], "offset": [0.0, -0.25]}),
        ("beta", {"a": [0.5], "b": [0.5], "c": [-0.25]}),
    ):
        moved = recalibrated(build("safeguards", name).with_state(state | {"exclusive": True}), probability)
        expected = (0.679178700, 0.562176500, 0.437823500, 0.320821300, 0.777299860, 0.222700140)
        assert moved == pytest.approx(expected, **GOLDEN), name
        assert brier(TRUTH, moved) == pytest.approx(0.156188026, **GOLDEN)


@pytest.mark.answer("P3.2")
@pytest.mark.parametrize("stored_as", [np.uint8, np.int64, np.float32, bool])
def test_closed_forms_of_the_line(stored_as):
    """Twice a value and a share of truths each: the line runs through both points. An 8-bit label wraps nowhere."""
    even = np.repeat([2.0, -2.0], 4), np.array([1, 1, 1, 0, 1, 0, 0, 0]).astype(stored_as)
    assert recalibration.fit_line(*even) == pytest.approx((np.log(3) / 2, 0.0), **GOLDEN)
    uneven = np.repeat([2.0, -2.0], (4, 5)), np.array([1, 1, 1, 0, 1, 1, 1, 0, 0]).astype(stored_as)
    assert recalibration.fit_line(*uneven) == pytest.approx((0.173286795, 0.752038698), **GOLDEN)
    both = np.stack([sigmoid(-uneven[0]), sigmoid(uneven[0])], 1)
    found = recalibration.fit_affine(both, uneven[1])
    assert (found.scale, *found.offset) == pytest.approx((0.173286795, 0.0, 0.752038698), **GOLDEN)
    assert 0 < recalibration.fit_platt(*uneven).slope < 0.173286795  # softened targets: a little flatter


@pytest.mark.answer("P3.2")
def test_the_safeguards_fit_what_the_closed_form_says():
    odds = np.tile(np.repeat([2.0, -2.0], (4, 5)), 20)
    truth = np.tile(np.array([1, 1, 1, 0, 1, 1, 1, 0, 0]), 20)
    given = binary(truth, sigmoid(odds))
    found = build("safeguards", "affine").fit(given, nobody)
    assert (found["scale"][0], found["offset"][1]) == pytest.approx((0.173286795, 0.752038698), abs=1e-6)
    platt = build("safeguards", "platt").fit(given, nobody)  # its softened targets: a little flatter
    assert 0.15 < platt["slope"][0] < 0.1733 and platt["intercept"][0] == pytest.approx(0.752, abs=0.02)
    isotonic = build("safeguards", {"isotonic": {"least_cases": 100}})
    fitted = isotonic.with_state(isotonic.fit(given, nobody))
    assert recalibrated(fitted, sigmoid(np.array([-2.0, 2.0]))) == pytest.approx((0.6, 0.75), **GOLDEN)


@pytest.fixture(scope="module")
def xrays():
    """PneumoniaMNIST: the training images with labels, and validation and test pooled, in 0..1."""
    from tests.conftest import SHARED

    path = SHARED / "pneumoniamnist" / "pneumoniamnist.npz"
    if not path.exists():
        pytest.skip("real data pneumoniamnist is not here")
    with np.load(path) as held:
        parts = {
            part: (held[f"{part}_images"] / 255, held[f"{part}_labels"][:, 0]) for part in ("train", "val", "test")
        }
    pooled = tuple(np.concatenate([parts["val"][at], parts["test"][at]]) for at in (0, 1))
    return parts["train"], pooled, parts["test"]


@pytest.mark.slow
@pytest.mark.answer("P3.2")
def test_photographs_of_a_screen(xrays):
    """Twenty random halves of the photographs calibrate, the others test; the model learnt clean images alone."""
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    (images, labels), (held, truth), _ = xrays

    def flat(stack):
        rows = stack.reshape(len(stack), -1)
        return (rows - rows.mean(1, keepdims=True)) / (rows.std(1, keepdims=True) + 1e-6)

    model = make_pipeline(
        PCA(60, random_state=0), LogisticRegression(C=0.1, class_weight="balanced", max_iter=2000)
    ).fit(flat(images), labels)
    generator = np.random.default_rng(0)
    photographed = np.stack([of_a_screen(each, generator) for each in held])
    clean, probability = (model.predict_proba(flat(stack))[:, 1] for stack in (held, photographed))
    assert auroc(truth, clean) > auroc(truth, probability) + 0.01

    ratios, lines, against_temperature = [], [], []
    for seed in range(20):
        order = np.random.default_rng(seed).permutation(len(truth))
        fitted, tested = order[: len(order) // 2], order[len(order) // 2 :]
        after = {}
        for name in ("platt", "affine", "temperature"):
            safeguard = build("safeguards", name)
            safeguard = safeguard.with_state(safeguard.fit(binary(truth[fitted], probability[fitted]), nobody))
            after[name] = recalibrated(safeguard, probability[tested])
        scored = {name: brier(truth[tested], each) for name, each in after.items()}
        before = brier(truth[tested], probability[tested])
        ratios.append([scored["platt"] / before, scored["affine"] / before])
        against_temperature.append(scored["platt"] < scored["temperature"])
        lines.append(calibration.recalibration_line(truth[tested], after["platt"]))
        area = auroc(truth[tested], probability[tested])
        assert auroc(truth[tested], after["platt"]) == pytest.approx(area, abs=1e-12)
    slope, intercept = np.mean([line.slope for line in lines]), np.mean([line.intercept for line in lines])
    assert np.max(ratios) <= 0.96
    assert 0.85 <= slope <= 1.15 and abs(intercept) <= 0.25
    assert sum(against_temperature) >= 18


# ---------------------------------------------------------------- I11.1


@pytest.mark.slow
@pytest.mark.answer("I11.1")
def test_photographs_move_the_logits_of_a_network_and_an_offset_moves_them_back(xrays):
    (images, labels), _, (held, truth) = xrays
    torch.manual_seed(0)
    torch.set_num_threads(1)
    generator = np.random.default_rng(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 16, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(16, 32, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
        torch.nn.Flatten(), torch.nn.Linear(32 * 49, 1),
    )  # fmt: skip
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    by_class = [np.flatnonzero(labels == each) for each in (0, 1)]
    for _ in range(500):
        rows = np.concatenate([generator.choice(each, 32) for each in by_class])
        answer = network(torch.tensor(images[rows], dtype=torch.float32)[:, None])[:, 0]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(answer, torch.tensor(labels[rows]).float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def said(stack):
        with torch.no_grad():
            return torch.sigmoid(network(torch.tensor(stack, dtype=torch.float32)[:, None])[:, 0]).double().numpy()

    photographed = np.stack([by_hand(each, generator) for each in held])
    order = generator.permutation(len(held))
    fitted, tested = order[:200], order[200:]
    probability = said(photographed)
    calibrating = binary(truth[fitted], probability[fitted])
    after = {}
    for name in ("affine", "temperature"):
        safeguard = build("safeguards", name)
        state = safeguard.fit(calibrating, nobody)
        after[name] = recalibrated(safeguard.with_state(state), probability[tested])
    before = truth[tested], probability[tested]
    affine = truth[tested], after["affine"]
    assert nll(*affine) <= 0.75 * nll(*before)
    assert ece(*affine) <= 0.5 * ece(*before)
    assert brier(*affine) < brier(*before)
    assert auroc(*affine) == pytest.approx(auroc(*before), abs=1e-12)
    assert ece(*affine) < ece(truth[tested], after["temperature"])


@pytest.mark.answer("I11.1")
def test_too_few_photographs_are_refused_and_so_is_a_scale_below_zero():
    from preceptor.core.errors import Refusal

    generator = np.random.default_rng(0)
    truth = generator.integers(0, 2, 300)
    against = sigmoid(generator.normal(0, 1, 300) - 2 * truth)
    with pytest.raises(Refusal) as few:
        build("safeguards", "affine").fit(binary(truth[:99], 1 - against[:99]), nobody)
    assert few.value.problem.code == "calibrate_few" and "99 labelled cases" in str(few.value)
    for name in ("affine", "platt"):
        with pytest.raises(Refusal, match="rarer the higher"):
            build("safeguards", name).fit(binary(truth, against), nobody)
    with pytest.raises(Refusal, match="not ranked at all"):
        build("safeguards", "beta").fit(binary(truth, against), nobody)
