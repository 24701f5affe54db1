"""Survival measures: resampled at once they are those of a loop over the drawn cases."""

from __future__ import annotations

import time as clock

import numpy as np
import pytest

from preceptor.maths.concordance import antolini, antolini_statistic, concordance_statistic, harrell, uno
from preceptor.maths.intervals import Resamples, bootstrap
from preceptor.maths.survival_curves import kaplan_meier, resampled
from preceptor.maths.survival_measures import (
    auc_statistic,
    brier,
    brier_statistic,
    integrated,
    last_followed,
    observed_risk_statistic,
    time_dependent_auc,
)


@pytest.fixture
def followed():
    """120 cases of 40 patients with ties in time, and curves that cross."""
    generator = np.random.default_rng(3)
    time, event = generator.integers(1, 40, 120).astype(float), generator.random(120) < 0.6
    risk = np.round(generator.normal(size=120) - 0.05 * time, 1)
    times = np.array([5.0, 12.0, 20.0, 30.0])
    curves = np.exp(-np.exp(risk)[:, None] * (times / 40) ** (1 + generator.random(120))[:, None])
    return time, event, risk, times, np.round(curves, 2), np.repeat(np.arange(40), 3)


def test_every_resample_is_that_of_its_own_cases(followed):
    time, event, risk, times, curves, patient = followed
    resamples = Resamples.of(patient, 12)
    found = {
        "harrell": concordance_statistic(time, event, risk, resamples),
        "antolini": antolini_statistic(time, event, curves, times, resamples),
        "brier": brier_statistic(time, event, curves[:, 1], 12.0, resamples),
        "auc": auc_statistic(time, event, risk, 12.0, resamples),
        "observed": observed_risk_statistic(time, event, risk > 0, 12.0, resamples),
    }
    values = {name: statistic(resamples.counts) for name, statistic in found.items()}
    for column, counts in enumerate(resamples.counts.T):
        drawn = np.repeat(np.arange(120), counts[resamples.cluster].astype(int))
        t, e, r, c = time[drawn], event[drawn], risk[drawn], curves[drawn]
        expected = {
            "harrell": harrell(t, e, r),
            "antolini": antolini(t, e, c, times),
            "brier": brier(t, e, c[:, 1], 12.0),
            "auc": time_dependent_auc(t, e, r, 12.0),
            "observed": 1 - kaplan_meier(t[r > 0], e[r > 0]).at(12.0),
        }
        for name, value in expected.items():
            assert values[name][column] == pytest.approx(value, abs=1e-12), name


def test_cases_without_a_time_or_a_risk_enter_nothing(followed):
    time, event, risk, *_ = followed
    time, risk = time.copy(), risk.copy()
    time[3], risk[7] = np.nan, np.nan
    known = np.setdiff1d(np.arange(120), [3, 7])
    statistic = concordance_statistic(time, event, risk, Resamples.of(np.arange(120), 2))
    assert statistic(np.ones((120, 1)))[0] == pytest.approx(harrell(time[known], event[known], risk[known]))


def test_without_a_pair_nothing_is_measured():
    nobody = np.zeros(4, dtype=bool)
    time = np.arange(4.0)
    assert np.isnan(harrell(time, nobody, time)) and np.isnan(uno(time, nobody, time))
    assert np.isnan(antolini(time, nobody, np.ones((4, 1)), np.array([1.0])))
    statistic = concordance_statistic(time, nobody, time, Resamples.of(time, 2))
    assert np.isnan(statistic(np.ones((4, 3)))).all()


def test_uno_sees_through_the_censoring_that_lowers_nothing_but_harrell():
    """Censoring that depends on nothing: the weighted concordance stays near that of the uncensored cases."""
    gaps = {"harrell": [], "uno": []}
    for seed in range(6):
        generator = np.random.default_rng(seed)
        score = generator.normal(size=4000)
        # Risks that fade: early events are predicted well, late ones hardly, so losing late pairs flatters.
        whole = generator.exponential(np.exp(-1.5 * score)) ** 0.5
        left = generator.uniform(0, 1.6, 4000)
        time, event = np.minimum(whole, left), whole <= left
        late = np.quantile(whole, 0.6)
        risk = np.where(whole > late, generator.normal(size=4000), score)
        until = 1.4
        truth = harrell(np.minimum(whole, until), whole < until, risk)
        gaps["harrell"].append(harrell(time, event & (time < until), risk) - truth)
        gaps["uno"].append(uno(time, event, risk, until=until) - truth)
    assert abs(np.mean(gaps["uno"])) < 0.008 and abs(np.mean(gaps["harrell"])) > 3 * abs(np.mean(gaps["uno"]))


def test_curves_of_resamples_are_weighted_by_how_often_a_case_was_drawn(followed):
    time, event, *_ = followed
    weight = np.random.default_rng(1).integers(0, 4, (120, 5)).astype(float)
    moments, curve, moment = resampled(time, event, weight, censoring=False)
    assert (moments[moment] == time).all() and (curve[0] == 1).all()
    for column in range(5):
        drawn = np.repeat(np.arange(120), weight[:, column].astype(int))
        expected = kaplan_meier(time[drawn], event[drawn]).at(moments)
        assert curve[1:, column] == pytest.approx(expected, abs=1e-12)


def test_a_span_of_time_is_averaged_by_trapezia():
    assert integrated([0.1, 0.3, 0.2], [0, 1, 4]) == pytest.approx((0.2 + 3 * 0.25) / 4)
    assert integrated([0.3], [7.0]) == 0.3


@pytest.mark.slow
def test_intervals_of_the_concordance_hold_its_true_value_as_often_as_they_say():
    """95 % intervals over 200 studies of 60 patients with two cases each, whose risks and times go together."""
    score = np.random.default_rng(99).normal(size=40_000)
    truth = harrell(np.random.default_rng(98).exponential(np.exp(-score)), np.ones(40_000), score)
    inside = apart = 0
    for seed in range(200):
        generator = np.random.default_rng(seed)
        patient = np.repeat(np.arange(60), 2)
        mine = generator.normal(size=60)[patient]  # both cases of a patient share the score and the chance
        drawn = generator.exponential(1, 60)[patient] * np.exp(-mine)
        end = generator.uniform(0.5, 4, 120)
        for names, by_patient in ((patient, True), (np.arange(120), False)):
            resamples = Resamples.of(names, 300, seed)
            statistic = concordance_statistic(np.minimum(drawn, end), drawn <= end, mine, resamples)
            lower, upper = bootstrap(statistic, resamples, accelerated=False).interval()[:2]
            inside += by_patient and lower <= truth <= upper
            apart += not by_patient and lower <= truth <= upper
    assert 0.90 <= inside / 200 <= 0.99
    assert apart < inside - 10  # cases drawn one by one promise too much


def test_the_last_time_that_can_be_measured():
    time, event = np.array([1.0, 2, 3, 4]), np.array([1, 0, 1, 0])
    assert last_followed(time, event) == 4.0
    assert last_followed(time, np.array([1, 0, 0, 1])) == 4.0


def test_ten_thousand_cases_take_milliseconds():
    generator = np.random.default_rng(0)
    time, event = generator.exponential(1, 10_000), generator.random(10_000) < 0.6
    risk = generator.normal(size=10_000) - time
    spent = []
    for _ in range(5):
        began = clock.process_time()
        harrell(time, event, risk)
        spent.append(clock.process_time() - began)
    assert min(spent) < 0.06  # 5 ms here; every pair in turn would take half a second
