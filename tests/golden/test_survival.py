"""Known answers of time to an event: concordance, baseline hazard, Brier score, area under the curve at a time."""

from __future__ import annotations

import numpy as np
import pytest

from preceptor.maths.concordance import antolini, concordance_statistic, harrell, uno
from preceptor.maths.intervals import Resamples
from preceptor.maths.survival_curves import (
    Steps,
    breslow,
    censoring_distribution,
    kaplan_meier,
    nelson_aalen,
    survival_of,
)
from preceptor.maths.survival_measures import brier, time_dependent_auc

GOLDEN = {"abs": 1e-6}

#: Five cases: follow-up, whether it ended with the event, risk score.
TIME, EVENT = np.array([1.0, 2, 3, 4, 5]), np.array([1, 0, 1, 1, 0])
SCORE = np.array([0.5, -0.2, 0.1, 0.8, -1.0])


def pair_by_pair(time, event, risk):
    """Harrell's C as its definition reads."""
    concordant = comparable = 0.0
    for one in range(len(time)):
        for other in range(len(time)):
            later = time[other] > time[one] or (time[other] == time[one] and not event[other])
            if event[one] and later:
                comparable += 1
                concordant += 1.0 if risk[one] > risk[other] else 0.5 if risk[one] == risk[other] else 0.0
    return concordant / comparable


@pytest.mark.answer("L4.2")
def test_concordance_of_five_cases():
    assert harrell(TIME, EVENT, SCORE) == pytest.approx(5 / 7, abs=1e-12)
    assert uno(TIME, EVENT, SCORE, until=4.5) == pytest.approx(0.702380952, **GOLDEN)


@pytest.mark.answer("L4.2")
def test_a_survival_time_given_as_risk_turns_the_concordance_over():
    assert harrell(TIME, EVENT, -SCORE) == pytest.approx(2 / 7, abs=1e-12)


@pytest.mark.answer("L4.2")
@pytest.mark.parametrize("seed", range(4))
def test_concordance_with_ties_in_time_and_risk_is_that_of_every_pair(seed):
    generator = np.random.default_rng(seed)
    time, event = generator.integers(1, 12, 90).astype(float), generator.random(90) < 0.6
    risk = np.round(generator.normal(size=90) - 0.1 * time, 0)
    expected = pair_by_pair(time, event, risk)
    assert harrell(time, event, risk) == pytest.approx(expected, abs=1e-12)
    statistic = concordance_statistic(time, event, risk, Resamples.of(np.arange(90), 10))
    assert statistic(np.ones((90, 1)))[0] == pytest.approx(expected, abs=1e-12)
    twice = np.repeat(np.arange(90), 2)  # a case drawn twice is two cases at one time
    assert statistic(np.full((90, 1), 2.0))[0] == pytest.approx(harrell(time[twice], event[twice], risk[twice]))


@pytest.mark.answer("L4.2")
def test_the_resampled_weights_of_uno_are_those_of_the_drawn_cases():
    generator = np.random.default_rng(5)
    time, event = generator.integers(1, 30, 60).astype(float), generator.random(60) < 0.5
    risk = generator.normal(size=60) - 0.05 * time
    resamples = Resamples.of(np.arange(60), 8)
    found = concordance_statistic(time, event, risk, resamples, weighted=True, until=20.0)(resamples.counts)
    for column, value in zip(resamples.counts.T.astype(int), found, strict=True):
        drawn = np.repeat(np.arange(60), column)
        assert value == pytest.approx(uno(time[drawn], event[drawn], risk[drawn], until=20.0), abs=1e-12)


@pytest.mark.answer("L4.2")
def test_the_weights_come_from_the_training_cases_where_they_are_given():
    everybody_stays = Steps(np.array([9.0]), np.array([0.5]), 1.0)
    assert uno(TIME, EVENT, SCORE, everybody_stays) == pytest.approx(5 / 7, abs=1e-12)
    given = concordance_statistic(
        TIME, EVENT, SCORE, Resamples.of(np.arange(5), 2), weighted=True, censoring=everybody_stays
    )
    assert given(np.ones((5, 1)))[0] == pytest.approx(5 / 7, abs=1e-12)


@pytest.mark.answer("L4.3")
def test_breslow_baseline_and_the_curves_on_it():
    baseline = breslow(TIME, EVENT, SCORE)
    assert list(baseline.time) == [1, 3, 4]
    assert baseline.value == pytest.approx([0.162178556, 0.432551766, 0.818142938], **GOLDEN)
    assert np.diff(baseline.value, prepend=0) == pytest.approx([0.162178556, 0.270373210, 0.385591172], **GOLDEN)
    curves = survival_of(baseline, np.array([0.0, 0.8]), baseline.time)
    assert curves[0] == pytest.approx([0.850289367, 0.648851264, 0.441250323], **GOLDEN)
    assert curves[1] == pytest.approx([0.697024294, 0.381875111, 0.161894467], **GOLDEN)
    assert survival_of(baseline, SCORE, np.array([0.5]))[:, 0] == pytest.approx(1.0)


@pytest.mark.answer("L4.3")
def test_curves_are_the_same_wherever_the_scores_are_centred():
    moved = breslow(TIME, EVENT, SCORE + 700.0)  # exp would overflow
    expected = survival_of(breslow(TIME, EVENT, SCORE), SCORE, TIME)
    assert survival_of(moved, SCORE + 700.0, TIME) == pytest.approx(expected, abs=1e-9)


@pytest.mark.answer("L4.3")
def test_curves_without_a_model():
    assert kaplan_meier(TIME, EVENT).at(np.array([1, 2, 3, 4])) == pytest.approx([0.8, 0.8, 0.533333333, 0.266666667])
    assert nelson_aalen(TIME, EVENT).at(4.0) == pytest.approx(1.033333333, **GOLDEN)
    followed = censoring_distribution(TIME, EVENT)
    assert followed.before(np.array([1, 2, 3])) == pytest.approx([1, 1, 0.75])
    assert followed.at(np.array([2.0, 5.0])) == pytest.approx([0.75, 0.0])


@pytest.mark.answer("L4.3")
def test_an_event_comes_before_a_censoring_of_the_same_time():
    time, event = np.array([1.0, 1, 2, 2]), np.array([1, 0, 1, 0])
    assert kaplan_meier(time, event).value == pytest.approx([0.75, 0.375])
    assert censoring_distribution(time, event).value == pytest.approx([2 / 3, 0.0])


@pytest.mark.answer("L4.7")
def test_concordance_of_whole_curves():
    curves = np.array(
        [
            (0.7, 0.5, 0.3, 0.2, 0.1),
            (0.9, 0.8, 0.3, 0.2, 0.1),
            (0.8, 0.6, 0.4, 0.3, 0.2),
            (0.95, 0.9, 0.5, 0.15, 0.1),
            (0.6, 0.55, 0.45, 0.4, 0.3),
        ]
    )
    assert antolini(TIME, EVENT, curves, TIME) == pytest.approx(6 / 7, abs=1e-12)


@pytest.mark.answer("L4.7")
def test_curves_that_never_cross_have_the_concordance_of_their_risk():
    curves = survival_of(breslow(TIME, EVENT, SCORE), SCORE, TIME)
    assert antolini(TIME, EVENT, curves, TIME) == pytest.approx(harrell(TIME, EVENT, SCORE), abs=1e-12)


@pytest.mark.answer("L4.8")
def test_brier_score_weighted_for_censoring():
    survival = survival_of(breslow(TIME, EVENT, SCORE), SCORE, np.array([3.5]))[:, 0]
    assert survival == pytest.approx([0.490094378, 0.701774302, 0.619995144, 0.381875111, 0.852888119], **GOLDEN)
    assert brier(TIME, EVENT, survival, 3.5) == pytest.approx(0.258202304, **GOLDEN)
    terms = [0.240192500, 0.0, 0.512525305, 0.509437838, 0.028855874]
    assert brier(TIME, EVENT, survival, 3.5) == pytest.approx(sum(terms) / 5, **GOLDEN)


@pytest.mark.answer("L4.8")
def test_where_nobody_is_followed_there_is_no_brier_score():
    survival = np.full(5, 0.5)
    assert brier(TIME, EVENT, survival, 1.0) == pytest.approx(0.25)  # one lost, four still there, all at one half
    followed = Steps(np.array([2.0]), np.array([0.0]), 1.0)
    assert np.isnan(brier(TIME, EVENT, survival, 3.5, followed))


@pytest.mark.answer("L4.9")
def test_area_under_the_curve_at_a_time():
    time, event = np.arange(1.0, 7), np.array([1, 1, 0, 1, 0, 1])
    risk = np.array([0.9, 0.1, 0.5, 0.4, 0.2, 0.3])
    assert time_dependent_auc(time, event, risk, 4.5) == pytest.approx(0.7, **GOLDEN)
    unweighted = Steps(np.array([99.0]), np.array([0.5]), 1.0)
    assert time_dependent_auc(time, event, risk, 4.5, unweighted) == pytest.approx(0.666666667, **GOLDEN)
    assert time_dependent_auc(TIME, EVENT, SCORE, 3.5) == pytest.approx(0.5, **GOLDEN)


@pytest.mark.answer("L4.9")
def test_equal_risks_count_one_half_and_no_case_is_undefined():
    assert time_dependent_auc(TIME, EVENT, np.zeros(5), 3.5) == pytest.approx(0.5)
    assert np.isnan(time_dependent_auc(TIME, EVENT, SCORE, 0.5))
