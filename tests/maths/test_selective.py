"""Risk and coverage: by hand, against the sum over cases, and promises that hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preceptor.maths import selective
from preceptor.maths.intervals import Resamples, bootstrap


def test_the_curve_answers_equally_sure_cases_together():
    points = selective.risk_coverage(np.array([0.3, 0.1, 0.3, 0.9]), np.array([1.0, 0, 0, 1]))
    np.testing.assert_allclose(points.coverage, (0.25, 0.75, 1))
    np.testing.assert_allclose(points.risk, (0, 1 / 3, 1 / 2))
    np.testing.assert_allclose(points.uncertainty, (0.1, 0.3, 0.9))
    with pytest.raises(ValueError, match="needs cases"):
        selective.risk_coverage(np.empty(0), np.empty(0))


def test_area_by_hand():
    """One right, then one wrong: risk (x - 1) / x between one and two cases, so (1 - log 2) / 2 in all."""
    assert selective.aurc(np.array([0.0, 1.0]), np.array([0.0, 1.0])) == pytest.approx((1 - np.log(2)) / 2)
    assert selective.aurc(np.array([0.0, 1.0]), np.array([1.0, 0.0])) == pytest.approx((1 + np.log(2)) / 2)
    assert selective.aurc(np.array([5.0, 5.0]), np.array([1.0, 0.0])) == pytest.approx(0.5), "no order: the mean"


def test_area_is_the_sum_over_cases_in_the_limit():
    rng = np.random.default_rng(0)
    doubt, loss = rng.random(5000), (rng.random(5000) < 0.2).astype(float)
    ordered = loss[np.argsort(doubt)]
    summed = np.mean(np.cumsum(ordered) / np.arange(1, 5001))
    assert selective.aurc(doubt, loss) == pytest.approx(summed, abs=1e-3)
    oracle = selective.aurc(loss, loss)
    rate = loss.mean()
    assert oracle == pytest.approx(rate + (1 - rate) * np.log(1 - rate), abs=1e-3), "Geifman 2019, section 4"


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_drawing_a_case_twice_is_having_it_twice(seed):
    rng = np.random.default_rng(seed)
    doubt, loss = rng.integers(0, 6, 12).astype(float), rng.random(12)
    counts = rng.integers(0, 4, (12, 5)).astype(float)
    counts[0] += 1
    resamples = Resamples.of(np.arange(12), 1)
    makers = {
        "area": (selective.aurc_statistic, ()),
        "excess": (selective.excess_aurc_statistic, ()),
        "at": (lambda d, v, r: selective.risk_at_statistic(d, v, 0.6, r), ()),
    }
    for made, _ in makers.values():
        found = made(doubt, loss, resamples)(counts)
        for column in range(5):
            repeated = np.repeat(np.arange(12), counts[:, column].astype(int))
            again = Resamples.of(np.arange(len(repeated)), 1)
            expected = made(doubt[repeated], loss[repeated], again)(np.ones((len(repeated), 1)))[0]
            assert found[column] == pytest.approx(expected, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_no_order_beats_the_oracle(seed):
    rng = np.random.default_rng(seed)
    loss = rng.random(20)
    resamples = Resamples.of(np.arange(20), 1)
    ones = np.ones((20, 1))
    assert selective.excess_aurc_statistic(rng.random(20), loss, resamples)(ones)[0] >= -1e-12
    assert selective.excess_aurc_statistic(3 * loss, loss, resamples)(ones)[0] == pytest.approx(0, abs=1e-12)


def test_cases_without_a_number_enter_nothing():
    doubt, loss = np.array([0.1, np.nan, 0.3, 0.2]), np.array([0.0, 1.0, 1.0, np.nan])
    resamples = Resamples.of(np.arange(4), 10)
    full = bootstrap(selective.aurc_statistic(doubt, loss, resamples), resamples)
    assert full.value == pytest.approx(selective.aurc(np.array([0.1, 0.3]), np.array([0.0, 1.0])))
    nothing = selective.aurc_statistic(np.full(4, np.nan), loss, resamples)
    assert np.isnan(nothing(np.ones((4, 1)))[0])


def test_risk_of_a_share_takes_ties_in_part():
    resamples = Resamples.of(np.arange(4), 1)
    doubt, loss = np.array([0.1, 0.5, 0.5, 0.9]), np.array([0.0, 1.0, 0.0, 1.0])

    def at(coverage):
        return selective.risk_at_statistic(doubt, loss, coverage, resamples)(np.ones((4, 1)))[0]

    assert at(0.25) == 0 and at(0.5) == pytest.approx(0.25) and at(0.75) == pytest.approx(1 / 3) and at(1) == 0.5


def test_the_promised_error_is_kept():
    """Wrong more often the more doubt there is: in at most one of twenty fits is the true rate above the level."""
    kept, answered = [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        doubt = rng.random(400)
        threshold = selective.threshold_for_error(doubt, rng.random(400) < doubt**3, 0.2, 0.95)
        assert threshold is not None
        kept.append(threshold**3 / 4 <= 0.2)  # the true rate among doubts up to t
        answered.append(threshold)
    assert np.mean(kept) >= 0.95 and np.mean(answered) > 0.2, "and it does answer"


def test_a_level_out_of_reach_is_said():
    rng = np.random.default_rng(0)
    doubt = rng.random(50)
    assert selective.threshold_for_error(doubt, np.ones(50, bool), 0.2, 0.95) is None
    assert selective.threshold_for_error(doubt, np.zeros(50, bool), 0.001, 0.95) is None, (
        "50 cases can't tell so little"
    )
    assert selective.threshold_for_error(np.empty(0), np.empty(0, bool), 0.2, 0.95) is None
    assert selective.threshold_for_error(doubt, np.zeros(50, bool), 0.2, 0.95) == doubt.max()


def test_patients_are_counted_not_their_images():
    """Twenty images of one patient are one witness."""
    doubt, right = np.linspace(0, 1, 200), np.zeros(200, bool)
    assert selective.threshold_for_error(doubt, right, 0.1, 0.95) is not None
    assert selective.threshold_for_error(doubt, right, 0.1, 0.95, clusters=np.arange(200) // 20) is None


def test_the_bound_is_exact():
    from scipy.stats import binom

    for wrong, cases in ((0, 10), (3, 40), (17, 50)):
        bound = selective.upper_bound(wrong, cases, 0.95)
        assert binom.cdf(wrong, cases, bound) == pytest.approx(0.05)
    assert selective.upper_bound(0, 0, 0.95) == selective.upper_bound(4, 4, 0.95) == 1.0
