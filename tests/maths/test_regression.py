"""Agreement of numbers: the values of scikit-learn and scipy, in every resample."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import r2_score

from preceptor.maths.intervals import Resamples
from preceptor.maths.regression import NORMAL_95, limits_statistic, r_squared_statistic, spearman_statistic


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
