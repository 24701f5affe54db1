"""How often intervals hold what is true: by summing the binomial where that is exact, else simulated."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from preceptor.maths.association import rank_correlation
from preceptor.maths.comparison import delong
from preceptor.maths.intervals import Resamples, bootstrap, clopper_pearson, ratio_statistic, wilson
from preceptor.maths.seeds import spread

SHARES = np.linspace(0.02, 0.98, 49)


def _exact_coverage(interval, trials):
    """``(share,)`` chance that the interval of a binomial share holds it."""
    ends = np.array([interval(successes, trials)[:2] for successes in range(trials + 1)])
    holds = (ends[:, :1] <= SHARES) & (ends[:, 1:] >= SHARES)
    return (stats.binom.pmf(np.arange(trials + 1)[:, None], trials, SHARES) * holds).sum(0)


@pytest.mark.parametrize("trials", [10, 30, 100])
def test_clopper_pearson_never_covers_less_than_it_says_and_wilson_on_average(trials):
    exact, score = _exact_coverage(clopper_pearson, trials), _exact_coverage(wilson, trials)
    assert exact.min() >= 0.95
    assert score.mean() == pytest.approx(0.95, abs=0.015) and score.min() >= 0.82
    assert exact.mean() > score.mean(), "what is safe is wider"


def test_the_interval_of_delong_covers():
    area, shift = 0.8, np.sqrt(2) * stats.norm.ppf(0.8)
    held = []
    for seed in range(400):
        generator = np.random.default_rng(seed)
        truth = np.arange(90) < 40
        score = shift * truth + generator.normal(size=90)
        found = delong(truth, score, generator.normal(size=90))
        held.append(abs(found.areas[0] - area) <= 1.96 * np.sqrt(found.covariance[0, 0]))
    assert 0.92 <= np.mean(held) <= 0.98


def test_a_sensitivity_of_patients_with_several_images_covers():
    """40 patients of 1 to 5 images whose misses go together; by image the interval is too narrow."""
    held = {"patient": [], "image": []}
    for seed in range(200):
        generator = np.random.default_rng(seed)
        patient = np.repeat(np.arange(40), generator.integers(1, 6, 40))
        chance = generator.beta(0.8, 0.2, 40)[patient]  # mean .8, alike within a patient
        hit = generator.random(len(patient)) < chance
        for name, clusters in (("patient", patient), ("image", np.arange(len(patient)))):
            resamples = Resamples.of(clusters, 300, seed)
            found = bootstrap(ratio_statistic(hit, np.ones(len(hit)), resamples), resamples).interval()
            held[name].append(found.lower <= 0.8 <= found.upper)
    assert 0.87 <= np.mean(held["patient"]) <= 0.98
    assert np.mean(held["image"]) <= 0.85


def test_the_spread_over_five_seeds_covers_their_mean():
    held = []
    for seed in range(1000):
        interval = spread(np.random.default_rng(seed).normal(0.9, 0.02, 5)).interval
        held.append(interval.lower <= 0.9 <= interval.upper)
    assert np.mean(held) == pytest.approx(0.95, abs=0.02)


def test_a_rank_correlation_covers():
    """Of normal numbers with a correlation of .5 Spearman's rho is 6 / pi * arcsin(.25)."""
    true, held = 6 / np.pi * np.arcsin(0.25), []
    for seed in range(200):
        x, y = np.random.default_rng(seed).multivariate_normal((0, 0), [(1, 0.5), (0.5, 1)], 80).T
        lower, upper = rank_correlation(x, y, np.arange(80), number=400, seed=seed).interval
        held.append(lower <= true <= upper)
    assert 0.90 <= np.mean(held) <= 0.98
