"""Distances of features: against numbers worked out elsewhere, and what they must not depend on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preceptor.maths import outliers


def test_shrinkage_is_that_of_ledoit_and_wolf():
    covariance = pytest.importorskip("sklearn.covariance")
    for seed, shape in ((0, (30, 5)), (1, (12, 40)), (2, (200, 8))):
        rng = np.random.default_rng(seed)
        rows = rng.normal(size=shape) @ rng.normal(size=(shape[1], shape[1]))
        rows -= rows.mean(0)
        expected, shrinkage = covariance.ledoit_wolf(rows, assume_centered=True)
        found, pulled = outliers.shrunk_covariance(rows)
        np.testing.assert_allclose(found, expected, rtol=1e-9)
        assert pulled == pytest.approx(shrinkage) and 0 < pulled < 1
    assert outliers.shrunk_covariance(np.zeros((3, 2)))[1] == 1.0
    with pytest.raises(ValueError, match="needs rows"):
        outliers.shrunk_covariance(np.zeros((0, 2)))


def test_distance_counts_deviations_to_the_nearest_class():
    """Two classes four apart on the first axis, deviation 1 and 10: a step of one deviation counts the same on both."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(4000, 2)) * (1, 10)
    classes = np.arange(4000) % 2
    fitted = outliers.fit_gaussians(noise + np.where(classes == 1, 4.0, 0.0)[:, None] * (1, 0), classes)
    asked = np.array([(0, 0), (4, 0), (2, 0), (0, 20), (-3, 0)], dtype=float)
    expected = np.array([0, 0, 2, 2, 3]) / np.sqrt(2)
    np.testing.assert_allclose(outliers.mahalanobis(fitted, asked), expected, atol=0.06)


def test_the_distance_is_the_textbook_one():
    rng = np.random.default_rng(1)
    features = rng.normal(size=(60, 4)) @ rng.normal(size=(4, 4)) + 3
    fitted = outliers.fit_gaussians(features, np.zeros(60, dtype=int))
    deviation = features.std(0)
    covariance, _ = outliers.shrunk_covariance((features - features.mean(0)) / deviation)
    offset = (features[:5] - features.mean(0)) / deviation
    expected = np.sqrt(np.einsum("ij,jk,ik->i", offset, np.linalg.inv(covariance), offset) / 4)
    np.testing.assert_allclose(outliers.mahalanobis(fitted, features[:5]), expected, rtol=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 100), st.floats(-50, 50))
def test_the_distance_does_not_depend_on_units(seed, scale, offset):
    rng = np.random.default_rng(seed)
    learnt, asked, classes = rng.normal(size=(40, 3)), rng.normal(size=(7, 3)), np.arange(40) % 3
    plain = outliers.mahalanobis(outliers.fit_gaussians(learnt, classes), asked)
    units = scale * np.array((0.5, 1.0, 2.0))
    moved = outliers.mahalanobis(outliers.fit_gaussians(learnt * units + offset, classes), asked * units + offset)
    np.testing.assert_allclose(moved, plain, rtol=1e-6)


def test_unlabelled_cases_do_not_enter_and_a_silent_feature_stays_finite():
    rng = np.random.default_rng(2)
    learnt = np.concatenate([rng.normal(size=(20, 3)), np.full((5, 3), 1e6)])
    learnt[:, 2] = 0
    classes = np.array([0] * 10 + [1] * 10 + [-1] * 5)
    fitted = outliers.fit_gaussians(learnt, classes)
    assert fitted["means"].shape == (2, 3) and np.abs(fitted["means"]).max() < 2
    quiet, stirred = outliers.mahalanobis(fitted, np.array([(0, 0, 0), (0, 0, 1.0)]))
    assert np.isfinite(stirred) and stirred > 3 * quiet
    with pytest.raises(ValueError, match="needs cases"):
        outliers.fit_gaussians(learnt, np.full(25, -1))


def test_neighbours_of_directions():
    """Known directions at 0, 90 and 180 degrees; a chord of an angle a is 2 sin(a / 2)."""
    known = outliers.normalised(np.array([(2.0, 0), (0, 0.5), (-1, 0)]))
    asked = np.array([(5.0, 0), (1, 1), (0, -3)])
    np.testing.assert_allclose(
        outliers.neighbour_distance(known, asked, 1), (0, 2 * np.sin(np.pi / 8), np.sqrt(2)), atol=1e-7
    )
    np.testing.assert_allclose(
        outliers.neighbour_distance(known, asked, 2), (np.sqrt(2), 2 * np.sin(np.pi / 8), np.sqrt(2)), atol=1e-7
    )
    assert not outliers.normalised(np.zeros((1, 2))).any()
    for wrong in (0, 4):
        with pytest.raises(ValueError, match="of 3 cases"):
            outliers.neighbour_distance(known, asked, wrong)


def test_neighbours_are_those_of_sorting(monkeypatch):
    rng = np.random.default_rng(3)
    known, asked = outliers.normalised(rng.normal(size=(50, 6))), rng.normal(size=(30, 6))
    every = np.linalg.norm(outliers.normalised(asked)[:, None] - known, axis=-1)
    monkeypatch.setattr(outliers, "_BLOCK", 7 * 50)  # in blocks that do not divide the cases
    np.testing.assert_allclose(outliers.neighbour_distance(known, asked, 4), np.sort(every, 1)[:, 3], rtol=1e-9)


def test_energy_is_minus_log_sum_exp():
    assert outliers.energy(np.array([0.0, 0.0])) == pytest.approx(-np.log(2))
    assert outliers.energy(np.array([1.0, 2.0, 3.0])) == pytest.approx(-3.407605964)
    assert outliers.energy(np.array([1.0, 2.0, 3.0]), temperature=2.0) == pytest.approx(-4.360539341)
    assert outliers.energy(np.array([0.0, 0.0]), exclusive=False) == pytest.approx(-2 * np.log(2))
    assert outliers.energy(np.array([1000.0, 0.0])) == -1000.0
    # A softmax is blind to what all outputs have in common; the energy is made of it.
    np.testing.assert_allclose(outliers.energy(np.array([3.0, 1.0]) + 5) - outliers.energy(np.array([3.0, 1.0])), -5)


def test_evidential_energy_is_the_evidence():
    import torch

    from preceptor.maths.evidential import dirichlet, vacuity

    outputs = np.random.default_rng(4).normal(0, 2, (50, 3))
    doubt = vacuity(dirichlet(torch.from_numpy(outputs))).numpy()
    evidence = 3 / doubt - 3
    np.testing.assert_allclose(outliers.energy(outputs), -np.log(evidence), rtol=1e-9)
    assert (np.argsort(outliers.energy(outputs)) == np.argsort(doubt)).all()
