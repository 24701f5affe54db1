"""Agreement of numbers: the values of scikit-learn and scipy, in every resample."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import r2_score

from preceptor.maths.intervals import Resamples
from preceptor.maths.regression import (
    NORMAL_95,
    limit_interval,
    limits_statistic,
    r_squared_statistic,
    spearman_statistic,
)


@pytest.fixture
def numbers():
    """90 cases of 45 patients, answers in whole numbers, one truth and one answer missing."""
    generator = np.random.default_rng(2)
    truth = np.round(generator.normal(60, 8, 90))
    answer = np.round(truth + generator.normal(1, 4, 90))
    truth[4], answer[9] = np.nan, np.nan
    return truth, answer, np.repeat(np.arange(45), 2)


def test_every_resample_is_that_of_its_own_cases(numbers):
    truth, answer, patient = numbers
    resamples = Resamples.of(patient, 10)
    found = {
        "r squared": r_squared_statistic(truth, answer, resamples),
        "spearman": spearman_statistic(truth, answer, resamples),
        "limit": limits_statistic(answer - truth, resamples, -NORMAL_95),
    }
    values = {name: statistic(resamples.counts) for name, statistic in found.items()}
    for column, counts in enumerate(resamples.counts.T):
        drawn = np.repeat(np.arange(90), counts[resamples.cluster].astype(int))
        drawn = drawn[~np.isnan(truth[drawn] + answer[drawn])]
        t, a = truth[drawn], answer[drawn]
        assert values["r squared"][column] == pytest.approx(r2_score(t, a), abs=1e-10)
        assert values["spearman"][column] == pytest.approx(stats.spearmanr(t, a).statistic, abs=1e-10)
        expected = np.mean(a - t) - stats.norm.ppf(0.975) * np.std(a - t, ddof=1)
        assert values["limit"][column] == pytest.approx(expected, abs=1e-9)


def test_what_is_the_same_everywhere_explains_nothing():
    same, resamples = np.full(5, 3.0), Resamples.of(np.arange(5), 2)
    ones = np.ones((5, 1))
    assert np.isnan(r_squared_statistic(same, np.arange(5.0), resamples)(ones)[0])
    assert np.isnan(spearman_statistic(same, np.arange(5.0), resamples)(ones)[0])
    assert np.isnan(limits_statistic(np.full(5, np.nan), resamples, 1.96)(ones)[0])
    assert np.isnan(spearman_statistic(same * np.nan, same, resamples)(ones)[0])


def test_intervals_of_limits_are_quantiles_of_the_noncentral_t():
    low, high = limit_interval(0.0, 1.0, 20, NORMAL_95)
    centre = NORMAL_95 * np.sqrt(20)
    assert stats.nct.cdf(np.array([low, high]) * np.sqrt(20), 19, centre) == pytest.approx([0.025, 0.975], abs=1e-6)
    assert limit_interval(0.0, 1.0, 20, -NORMAL_95) == pytest.approx((-high, -low))
    approximate = NORMAL_95 + np.array([-1, 1]) * NORMAL_95 * np.sqrt(1 / 5000 + NORMAL_95**2 / (2 * 4999))
    assert limit_interval(0.0, 1.0, 5000, NORMAL_95) == pytest.approx(approximate, abs=2e-3)
    assert limit_interval(3.0, 2.0, 20, NORMAL_95) == pytest.approx((3 + 2 * low, 3 + 2 * high))
    with pytest.raises(ValueError, match="two differences"):
        limit_interval(0.0, 1.0, 1, NORMAL_95)


def test_intervals_of_limits_cover_the_true_limit():
    rng, inside = np.random.default_rng(0), []
    for _ in range(2000):
        drawn = rng.normal(1, 3, 10)
        low, high = limit_interval(drawn.mean(), drawn.std(ddof=1), 10, NORMAL_95)
        inside.append(low <= 1 + NORMAL_95 * 3 <= high)
    assert abs(np.mean(inside) - 0.95) < 0.015
