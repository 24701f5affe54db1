"""Rates of groups, and the test of their equality."""

from __future__ import annotations

import numpy as np
import pytest

from preceptor.maths.group_fairness import equality, margin, rates, share, spread
from preceptor.maths.intervals import Resamples, bootstrap, ratio_statistic


def test_what_is_unlabelled_is_selected_and_is_neither_hit_nor_alarm():
    found = rates(np.array([1.0, np.nan, 0.0, 1.0]), np.array([1.0, 1.0, 0.0, np.nan]))
    everyone = np.ones(4, dtype=bool)
    assert share(found["selection"], everyone) == pytest.approx(2 / 3)
    assert share(found["true_positive"], everyone) == 1.0
    assert share(found["false_positive"], everyone) == 0.0
    assert found["positive_predictive"].trials.tolist() == [True, False, False, False]


def test_a_gap_leaves_out_groups_without_a_value():
    assert spread([0.2, np.nan, 0.9]) == pytest.approx((0.7, 2, 0))
    with pytest.raises(ValueError, match="two groups"):
        spread([0.2, np.nan])


def _tested(hits: np.ndarray, groups: np.ndarray, count: int):
    resamples = Resamples.of(np.arange(len(hits)), 400)
    drawn = []
    for group in range(count):
        inside = groups == group
        drawn.append(bootstrap(ratio_statistic(hits * inside, inside, resamples), resamples, False))
    patients = np.array([(groups == group).sum() for group in range(count)])
    return equality(np.array([d.value for d in drawn]), np.array([d.values for d in drawn]), patients, True)


def test_two_groups_agree_with_welchs_t_test():
    from scipy.stats import ttest_ind

    rng = np.random.default_rng(3)
    groups = np.repeat([0, 1], [60, 40])
    hits = (rng.random(100) < np.where(groups, 0.75, 0.45)).astype(float)
    theirs = ttest_ind(hits[groups == 0], hits[groups == 1], equal_var=False)
    assert _tested(hits, groups, 2).p == pytest.approx(theirs.pvalue, rel=0.4)


def test_shares_of_nought_and_one_are_not_known_without_error():
    """Ten of ten against eight of ten is no proof of anything; a bootstrap alone would call the ten certain."""
    hits = np.r_[np.ones(10), np.ones(8), np.zeros(2)]
    found = _tested(hits, np.repeat([0, 1], 10), 2)
    assert 0.05 < found.p < 0.5
    assert margin(found, 0, 1, 0.95) > 0.25


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 4])
def test_equal_groups_are_called_different_as_often_as_promised(count):
    rng = np.random.default_rng(0)
    p = []
    for _ in range(400):
        groups = rng.integers(0, count, 120)
        p.append(_tested((rng.random(120) < 0.7).astype(float), groups, count).p)
    assert 0.02 <= np.mean(np.array(p) < 0.05) <= 0.085
