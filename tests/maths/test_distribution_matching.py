"""Matching without pairs: what is promised to match does, and a lesion's contrast goes where the histogram sends it."""

from __future__ import annotations

import numpy as np
import pytest

from preceptor.maths.distribution_matching import moment_map, quantile_map

RNG = np.random.default_rng(0)
SOURCE = RNG.normal(2, 0.5, (4000, 2, 2)) + RNG.normal(0, 0.5, (4000, 1, 1))
TARGET = RNG.gamma(2.0, 1.0, (4000, 2, 2)) - RNG.normal(0, 0.3, (4000, 1, 2))


@pytest.mark.parametrize("turned", [False, True])
def test_the_histogram_is_the_other_sets(turned):
    mapped = quantile_map(SOURCE, TARGET, turned=turned)(SOURCE)
    shares = np.linspace(0.01, 0.99, 25)
    assert np.quantile(mapped, shares) == pytest.approx(np.quantile(TARGET, shares), abs=0.01)
    order = np.argsort(SOURCE, axis=None)
    steps = np.diff(mapped.ravel()[order])
    assert (steps <= 0).all() if turned else (steps >= 0).all()


@pytest.mark.parametrize("turned", [False, True])
def test_mean_and_covariance_are_the_other_sets(turned):
    mapped = moment_map(SOURCE, TARGET, turned=turned)(SOURCE)
    flat, wanted = mapped.reshape(4000, -1), TARGET.reshape(4000, -1)
    assert flat.mean(0) == pytest.approx(wanted.mean(0), abs=1e-10)
    assert np.cov(flat.T) == pytest.approx(np.cov(wanted.T), abs=1e-10)
    change = np.corrcoef(mapped[:, 0, 0], SOURCE[:, 0, 0])[0, 1]
    assert change < -0.5 if turned else change > 0.5


def test_normal_numbers_in_one_dimension():
    """N(1, 4) to N(5, 9): ``5 + 1.5 (x - 1)``; turned over ``5 - 1.5 (x - 1)``."""
    z = np.linspace(-2, 2, 101)
    z = (z - z.mean()) / z.std(ddof=1)
    source, target = (1 + 2 * z)[:, None], (5 + 3 * z)[:, None]
    assert moment_map(source, target)(np.array([[3.0]]))[0, 0] == pytest.approx(8)
    assert moment_map(source, target, turned=True)(np.array([[3.0]]))[0, 0] == pytest.approx(2)
    assert quantile_map(source, target)(np.array([[1.0]]))[0, 0] == pytest.approx(5)


def test_pixels_without_spread_are_moved_by_the_means_alone():
    source = np.concatenate([SOURCE.reshape(4000, 4), np.full((4000, 1), 3.0)], 1)
    target = np.concatenate([TARGET.reshape(4000, 4), np.full((4000, 1), 7.0)], 1)
    mapped = moment_map(source, target)(source)
    assert mapped[:, 4] == pytest.approx(7.0) and np.isfinite(mapped).all()
