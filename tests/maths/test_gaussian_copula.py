"""Latent correlations are those that were planted, whatever the columns show of them; knots hold no single value."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from preceptor.maths.gaussian_copula import Latent, correlation_matrix, draw_uniforms, grouped_knots, latent_correlation


def drawn(correlation: float, rows: int = 20_000, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], rows).T


@pytest.mark.parametrize("correlation", [-0.8, 0.0, 0.3, 0.9])
@pytest.mark.parametrize("shown", ["numbers", "a class", "classes", "both classes"])
def test_the_correlation_behind_any_kind_of_column_is_found(correlation, shown):
    one, two = drawn(correlation)
    one = np.exp(one) if shown != "both classes" else (one > 0.4).astype(float)
    if shown != "numbers":
        two = (two > -0.2).astype(float) if shown != "classes" else np.digitize(two, [-1, 0.2, 1.0]).astype(float)
    assert latent_correlation(Latent.of(one), Latent.of(two)) == pytest.approx(correlation, abs=0.03)


def test_two_classes_have_the_tetrachoric_correlation():
    """Of two halves the share in which both are high is 1/4 + asin(rho) / 2 pi (Sheppard 1899)."""
    both = 0.25 + np.arcsin(0.6) / (2 * np.pi)
    table = np.round(10_000 * np.array([[both, 0.5 - both], [0.5 - both, both]])).astype(int)
    one, two = (np.repeat([0.0, 0.0, 1.0, 1.0], table.ravel()), np.repeat([0.0, 1.0, 0.0, 1.0], table.ravel()))
    assert latent_correlation(Latent.of(one), Latent.of(two)) == pytest.approx(0.6, abs=2e-3)


def test_gaps_and_constant_columns_are_borne():
    one, two = drawn(0.5, 4000)
    one[::3] = np.nan
    assert latent_correlation(Latent.of(one), Latent.of(two)) == pytest.approx(0.5, abs=0.05)
    assert latent_correlation(Latent.of(np.ones(4000)), Latent.of(two)) == 0
    assert latent_correlation(Latent.of(np.full(4000, np.nan)), Latent.of(two)) == 0


def test_correlations_that_contradict_one_another_become_a_matrix_to_draw_from():
    rng = np.random.default_rng(1)
    one, two, three = rng.normal(size=(3, 30))
    columns = [one.copy() for _ in range(3)]
    columns[1][:15], columns[2][15:] = np.nan, np.nan
    columns += [two, np.where(np.arange(30) < 15, one, -one), three]
    matrix = correlation_matrix(columns)
    assert np.allclose(np.diag(matrix), 1) and np.linalg.eigvalsh(matrix).min() > 0
    assert draw_uniforms(rng, matrix, 10).shape == (10, 6)


def test_draws_go_together_as_they_should():
    uniform = draw_uniforms(np.random.default_rng(0), np.array([[1, -0.7], [-0.7, 1]]), 20_000)
    assert np.corrcoef(norm.ppf(uniform).T)[0, 1] == pytest.approx(-0.7, abs=0.02)
    assert uniform.mean() == pytest.approx(0.5, abs=0.01)


def test_knots_are_means_of_five_and_rise():
    values = np.random.default_rng(0).gamma(2, size=203)
    shares, knots = grouped_knots(values, 5)
    assert not np.isin(knots, values).any() and (np.diff(knots) >= 0).all() and (np.diff(shares) > 0).all()
    assert shares[0] == 0 and shares[-1] == 1 and knots[0] >= 0
    again = np.interp(np.random.default_rng(1).random(50_000), shares, knots)
    assert again.mean() == pytest.approx(values.mean(), rel=0.02) and again.std() == pytest.approx(
        values.std(), rel=0.05
    )
