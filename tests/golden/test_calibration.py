"""Known answers of calibration, temperature, uncertainty and conformal prediction."""

from __future__ import annotations

import warnings

import numpy as np
import pandas
import pytest

from preceptor.core.evidence import Predictions, Question
from preceptor.core.slots import build
from preceptor.maths import calibration, conformal, uncertainty

GOLDEN = {"abs": 1e-6}

PROBABILITY = np.array((0.1, 0.1, 0.3, 0.3, 0.3, 0.6, 0.6, 0.8, 0.9, 0.9))
TRUTH = np.array((0, 0, 0, 1, 0, 1, 0, 1, 1, 0))


def softmax(logits):
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)


# ---------------------------------------------------------------- L3.5


@pytest.mark.answer("L3.5")
def test_entropy_taken_apart():
    members = np.array([(0.9, 0.1), (0.6, 0.4), (0.2, 0.8)])
    found = uncertainty.decompose(members)
    assert found.total == pytest.approx(0.684231765, **GOLDEN)
    assert found.aleatoric == pytest.approx(0.499499021, **GOLDEN)
    assert found.epistemic == pytest.approx(0.184732744, **GOLDEN)
    labels = uncertainty.decompose(members[:, :1], exclusive=False)
    assert labels == pytest.approx(tuple(found), **GOLDEN)
    assert uncertainty.entropy(np.array([1.0, 0.0])) == 0.0


# ---------------------------------------------------------------- L3.8


@pytest.mark.answer("L3.8")
def test_temperature_of_four_samples_is_exact():
    probability, truth = softmax(np.array([(2.0, 0.0)] * 4)), np.array([0, 0, 0, 1])
    found = calibration.fit_temperature(probability, truth)
    assert found == pytest.approx(2 / np.log(3), **GOLDEN)
    assert calibration.log_loss(truth, probability).mean() == pytest.approx(0.626928011, **GOLDEN)
    softer = calibration.soften(probability, found)
    assert calibration.log_loss(truth, softer).mean() == pytest.approx(0.562335145, **GOLDEN)


@pytest.mark.answer("L3.8")
def test_temperature_of_three_classes():
    logits = np.array([(4, 0, 0), (0, 3, 0), (0, 0, 5), (3, 1, 0), (1, 2, 0), (2, 0, 1)], dtype=float)
    probability, truth = softmax(logits), np.array([0, 1, 2, 1, 1, 2])
    found = calibration.fit_temperature(probability, truth)
    assert found == pytest.approx(1.405743184, **GOLDEN)
    assert calibration.log_loss(truth, probability).mean() == pytest.approx(0.688223851, **GOLDEN)
    softer = calibration.soften(probability, found)
    assert calibration.log_loss(truth, softer).mean() == pytest.approx(0.652935471, **GOLDEN)
    unlabelled = np.append(truth, -1), np.vstack([probability, [[0.1, 0.1, 0.8]]])
    assert calibration.fit_temperature(unlabelled[1], unlabelled[0]) == pytest.approx(found, **GOLDEN)


@pytest.mark.answer("L3.8")
def test_a_yes_or_no_has_the_temperature_of_its_two_classes():
    """A sigmoid is a softmax over (z, 0): the four samples as one independent label, and a missing entry."""
    probability = 1 / (1 + np.exp(-np.array([[2.0], [2.0], [2.0], [2.0], [9.0]])))
    truth = np.array([[1.0], [1.0], [1.0], [0.0], [np.nan]])
    assert calibration.fit_temperature(probability, truth, exclusive=False) == pytest.approx(2 / np.log(3), **GOLDEN)


@pytest.mark.answer("L3.8")
def test_a_separable_calibration_set_is_bounded():
    found = calibration.fit_temperature(softmax(np.array([(3.0, 0.0), (0.0, 3.0)])), np.array([0, 1]))
    assert 0.05 <= found <= 0.2  # below, the loss is 0 to the last bit: nothing but the bound holds it


@pytest.mark.answer("L3.8")
@pytest.mark.parametrize("exclusive", [True, False])
def test_the_safeguard_recalibrates_as_the_logits_divided_would_be(exclusive):
    import torch

    logits = 3 * torch.randn(2, 3, 5, 4, generator=torch.Generator().manual_seed(0))
    fitted = build("safeguards", "temperature").with_state({"temperature": 1.7, "exclusive": exclusive})
    to_probability = (lambda z: torch.softmax(z, 1)) if exclusive else torch.sigmoid
    found = fitted.recalibrate(to_probability(logits))
    assert torch.allclose(found, to_probability(logits / 1.7), atol=2e-6)
    assert (found.argmax(1) == logits.argmax(1)).all()


@pytest.fixture(scope="module")
def digits():
    """An overconfident network's probabilities of 900 held-out digits: 500 to calibrate, 400 to test."""
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(images))
    images, labels = images[order] / 16, labels[order]
    seen = labels[:300].copy()
    noisy = np.random.default_rng(1).random(300) < 0.1
    seen[noisy] = np.random.default_rng(2).integers(0, 10, noisy.sum())
    network = MLPClassifier((64, 64), learning_rate_init=3e-3, batch_size=32, max_iter=60, tol=0.0, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not converged: 60 epochs are the experiment
        network.fit(images[:300], seen)
    return network.predict_proba(images[300:1200]), labels[300:1200]


def digit_predictions(probability, labels):
    names = tuple(map(str, range(10)))
    keys = [f"c{index}" for index in range(len(labels))]
    columns = {f"probability_{name}": probability[:, at] for at, name in enumerate(names)}
    table = pandas.DataFrame(
        {"key": keys, "patient": keys, "cluster": keys, "role": "calibrate", "truth": [names[each] for each in labels]}
        | {"answer": [names[each] for each in probability.argmax(1)], "accepted": True, **columns}
    )
    return Predictions(table, Question("classification", "digit", names), folder=None)


@pytest.mark.answer("L3.8")
def test_temperature_lowers_the_loss_of_new_cases_and_moves_no_answer(digits):
    probability, labels = digits
    safeguard = build("safeguards", "temperature")
    state = safeguard.fit(digit_predictions(probability[:500], labels[:500]), samples=lambda: iter(()))
    assert 1.05 < state["temperature"] < 4
    softer = calibration.soften(probability[500:], state["temperature"])
    before = calibration.log_loss(labels[500:], probability[500:]).mean()
    assert calibration.log_loss(labels[500:], softer).mean() < before
    assert (softer.argmax(1) == probability[500:].argmax(1)).all()


# ---------------------------------------------------------------- L3.9


@pytest.mark.answer("L3.9")
@pytest.mark.parametrize(("alpha", "expected"), [(0.3, 0.41), (0.2, 0.55), (0.1, 0.80), (0.05, np.inf)])
def test_conformal_quantile_of_nine_scores(alpha, expected):
    scores = np.array((0.05, 0.10, 0.12, 0.20, 0.25, 0.30, 0.41, 0.55, 0.80))
    assert conformal.conformal_quantile(scores, 1 - alpha) == expected
    assert conformal.conformal_quantile(scores[::-1], 1 - alpha) == expected
    # Three copies of every patient's score are no further patients.
    copies = conformal.conformal_quantile(np.repeat(scores, 3), 1 - alpha, np.repeat(np.arange(9), 3))
    assert copies == expected


@pytest.mark.answer("L3.9")
@pytest.mark.parametrize(
    ("quantile", "held"), [(0.55, [0]), (0.80, [0, 1]), (0.5, [0]), (0.41, []), (np.inf, [0, 1, 2, 3])]
)
def test_sets_of_the_least_ambiguous_classes(quantile, held):
    found = conformal.lac_sets(np.array([[0.50, 0.30, 0.15, 0.05]]), quantile)[0]
    assert np.flatnonzero(found).tolist() == held


@pytest.mark.answer("L3.9")
def test_adaptive_scores():
    probability = np.array([[0.15, 0.5, 0.05, 0.3]])
    plain = conformal.aps_all_scores(probability)[0]
    drawn = conformal.aps_all_scores(probability, np.array([0.4]))[0]
    assert plain == pytest.approx((0.95, 0.5, 1, 0.8), **GOLDEN)
    assert drawn == pytest.approx((0.89, 0.3, 0.98, 0.68), **GOLDEN)
    assert np.flatnonzero(plain <= 0.9).tolist() == [1, 3]
    assert np.flatnonzero(drawn <= 0.9).tolist() == [0, 1, 3]
    assert conformal.aps_scores(probability, np.array([3])) == pytest.approx([0.8], **GOLDEN)


@pytest.mark.answer("L3.9")
def test_promised_coverage_is_kept_over_random_splits(digits):
    probability, labels = digits
    generator, coverage = np.random.default_rng(0), 0.9
    covered, sizes = {"lac": [], "aps": [], "plain": []}, {"lac": [], "aps": [], "plain": []}
    for _ in range(200):
        order, uniform = generator.permutation(len(labels)), generator.random(len(labels))
        fitted, tested = order[:200], order[200:]
        scores = {
            "lac": 1 - probability,
            "aps": conformal.aps_all_scores(probability, uniform),
            "plain": conformal.aps_all_scores(probability),
        }
        for way, each in scores.items():
            own = np.take_along_axis(each, labels[:, None], 1)[:, 0]
            sets = each[tested] <= conformal.conformal_quantile(own[fitted], coverage)
            covered[way].append(np.take_along_axis(sets, labels[tested, None], 1).mean())
            sizes[way].append(sets.sum(1).mean())
    assert 0.885 <= np.mean(covered["lac"]) <= 0.92
    assert 0.885 <= np.mean(covered["aps"]) <= 0.92
    assert np.mean(sizes["lac"]) <= np.mean(sizes["aps"]) <= np.mean(sizes["plain"])


# ---------------------------------------------------------------- L14.7


@pytest.mark.answer("L14.7")
def test_five_cases_in_ten_bins():
    probability, truth = np.array((0.05, 0.25, 0.35, 0.55, 0.85)), np.array((0, 0, 1, 1, 1))
    assert calibration.brier(truth, probability).mean() == pytest.approx(0.1425, **GOLDEN)
    points = calibration.reliability(truth, probability, 10)
    assert calibration.expected_calibration_error(points) == pytest.approx(0.31, **GOLDEN)


@pytest.mark.answer("L14.7")
@pytest.mark.parametrize(("bins", "expected", "largest"), [(10, 0.15, 0.4), (5, 0.11, 0.2)])
def test_calibration_error_of_ten_cases(bins, expected, largest):
    points = calibration.reliability(TRUTH, PROBABILITY, bins)
    assert calibration.expected_calibration_error(points) == pytest.approx(expected, **GOLDEN)
    assert calibration.maximum_calibration_error(points) == pytest.approx(largest, **GOLDEN)
    sums = calibration.binned_sums(np.arange(10), 10, TRUTH, PROBABILITY, bins)
    statistic = calibration.calibration_error_statistic(sums)
    assert statistic(np.ones((10, 1))) == pytest.approx([expected], **GOLDEN)


@pytest.mark.answer("L14.7")
def test_top_label_error_is_another_number():
    said, right = np.maximum(PROBABILITY, 1 - PROBABILITY), (PROBABILITY >= 0.5) == TRUTH
    points = calibration.reliability(right, said, 10)
    assert calibration.expected_calibration_error(points) == pytest.approx(0.11, **GOLDEN)


@pytest.mark.answer("L14.7")
def test_scores_and_their_parts():
    assert calibration.brier(TRUTH, PROBABILITY).mean() == pytest.approx(0.207, **GOLDEN)
    assert calibration.log_loss(TRUTH, PROBABILITY).mean() == pytest.approx(0.618624924, **GOLDEN)
    parts = calibration.murphy(TRUTH, PROBABILITY)
    assert parts == pytest.approx((0.040333333, 0.073333333, 0.24), **GOLDEN)


@pytest.mark.answer("L14.7")
def test_recalibration_line():
    line = calibration.recalibration_line(TRUTH, PROBABILITY)
    assert line == pytest.approx((-0.472557899, 0.652144450), **GOLDEN)
    assert calibration.calibration_in_the_large(TRUTH, PROBABILITY) == pytest.approx(-0.561347550, **GOLDEN)
    assert calibration.observed_to_expected(TRUTH, PROBABILITY) == pytest.approx(0.816326531, **GOLDEN)
    for part, expected in zip(("intercept", "slope"), line, strict=True):
        statistic = calibration.recalibration_statistic(np.arange(10), TRUTH, PROBABILITY, part)
        assert statistic(np.ones((10, 1))) == pytest.approx([expected], **GOLDEN)


@pytest.mark.answer("L14.7")
def test_hosmer_lemeshow():
    found = calibration.hosmer_lemeshow(TRUTH, PROBABILITY, groups=5)
    assert (found.statistic, found.freedom, found.p) == pytest.approx((4.559884560, 3, 0.207010517), **GOLDEN)


@pytest.mark.answer("L14.7")
@pytest.mark.parametrize("bins", [10, 100])
@pytest.mark.parametrize("stored_as", [np.float64, np.float32], ids=["double", "single"])
def test_an_edge_opens_its_bin_however_it_was_stored(bins, stored_as):
    """np.linspace puts .3, .6 and .7 one bin too low; floor(p * 100) .29, .57 and .58; widened float32 .7 and .9."""
    probability = np.array([round(k / bins, 2) for k in range(bins)], dtype=stored_as).astype(np.float64)
    assert calibration.bin_of(probability, bins).tolist() == list(range(bins))
    assert calibration.bin_of(np.array([1.0]), bins).tolist() == [bins - 1]
