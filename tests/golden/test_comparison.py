"""Known answers of tests of differences and of decisions."""

from __future__ import annotations

import numpy as np
import pytest

from preceptor.maths.comparison import benjamini_hochberg, bonferroni, delong, holm, mcnemar, net_benefit
from preceptor.maths.intervals import clopper_pearson, wilson
from preceptor.maths.seeds import paired_over_seeds, spread

GOLDEN = {"abs": 1e-6}


@pytest.mark.answer("L14.3")
def test_delong_of_two_scores():
    truth = np.array([1] * 5 + [0] * 5)
    first = np.array((9, 10, 7, 5, 6, 1, 3, 8, 4, 2))
    second = np.array((4, 7, 6, 8, 9, 2, 1, 10, 5, 3))
    found = delong(truth, first, second)
    assert found.areas == pytest.approx((0.88, 0.76), **GOLDEN)
    assert found.covariance == pytest.approx(np.array([[0.0168, 0.0216], [0.0216, 0.0392]]), **GOLDEN)
    assert (found.z, found.p) == pytest.approx((1.060660172, 0.288844366), **GOLDEN)
    same = delong(truth, first, first)
    assert (same.z, same.p) == (0.0, 1.0)
    tied = delong(truth, first > 4, second)
    assert tied.areas[0] == pytest.approx(0.9)
    with pytest.raises(ValueError, match="the least"):
        delong(truth[4:], first[4:], second[4:])


@pytest.mark.answer("L14.4")
def test_mcnemar_of_ten_against_three():
    found = mcnemar(10, 3)
    expected = (0.092285156, 0.057373047, 3.769230769, 0.052203634, 2.769230769, 0.096092329)
    assert found == pytest.approx(expected, **GOLDEN)
    assert mcnemar(3, 10) == pytest.approx(expected, **GOLDEN)
    assert mcnemar(0, 0).exact == 1.0 and mcnemar(4, 4).exact == 1.0 and mcnemar(4, 4).mid == 1.0


@pytest.mark.answer("L14.8")
@pytest.mark.parametrize(("threshold", "benefit", "all_treated"), [(0.2, 0.3, 0.25), (0.5, 0.1, -0.2)])
def test_net_benefit_of_ten_cases(threshold, benefit, all_treated):
    probability = np.array((0.1, 0.1, 0.3, 0.3, 0.3, 0.6, 0.6, 0.8, 0.9, 0.9))
    truth = np.array((0, 0, 0, 1, 0, 1, 0, 1, 1, 0))
    assert net_benefit(truth, probability, threshold) == pytest.approx(benefit, **GOLDEN)
    assert net_benefit(truth, np.ones(10), threshold) == pytest.approx(all_treated, **GOLDEN)
    assert net_benefit(truth, np.zeros(10), threshold) == 0.0
    assert net_benefit(truth, np.full(10, threshold), threshold) == pytest.approx(all_treated, **GOLDEN)


P = np.array((0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205))


@pytest.mark.answer("L14.14")
def test_many_tests_at_once():
    mixed = np.array([3, 0, 7, 5, 1, 6, 2, 4])
    adjusted = {
        bonferroni: np.minimum(8 * P, 1),
        holm: (0.008, 0.056, 0.234, 0.234, 0.234, 0.234, 0.234, 0.234),
        benjamini_hochberg: (0.008, 0.032, 0.0672, 0.0672, 0.0672, 0.08, 0.084571429, 0.205),
    }
    for method, expected in adjusted.items():
        assert method(P) == pytest.approx(np.array(expected), **GOLDEN)
        assert method(P[mixed]) == pytest.approx(np.array(expected)[mixed], **GOLDEN)


@pytest.mark.answer("L14.14")
def test_intervals_of_a_proportion():
    assert wilson(9, 10)[:2] == pytest.approx((0.595849973, 0.982123787), **GOLDEN)
    assert clopper_pearson(9, 10)[:2] == pytest.approx((0.554983883, 0.997471421), **GOLDEN)
    assert clopper_pearson(0, 10).lower == 0.0
    assert clopper_pearson(10, 10).upper == 1.0


# ---------------------------------------------------------------- L14.13

AREAS = (0.813, 0.961, 0.919, 0.934, 0.902)


@pytest.mark.answer("L14.13")
def test_one_run_is_not_a_result():
    from scipy import stats

    found = spread(AREAS)
    assert (found.mean, found.deviation, found.number) == pytest.approx((0.906, 0.0562, 5), abs=5e-4)
    assert found.deviation == pytest.approx(0.0562, abs=5e-5)
    assert (found.lowest, found.highest) == (0.813, 0.961)
    expected = stats.t.interval(0.95, 4, loc=np.mean(AREAS), scale=stats.sem(AREAS))
    assert found.interval[:2] == pytest.approx(expected, **GOLDEN)
    alone = spread([0.9])
    assert alone.interval is None and np.isnan(alone.deviation) and alone.mean == 0.9
    for nothing in ([], [0.9, np.nan]):
        with pytest.raises(ValueError, match="every seed"):
            spread(nothing)


@pytest.mark.answer("L14.13")
def test_methods_are_compared_seed_by_seed():
    from scipy import stats

    other = np.array(AREAS) - (0.01, 0.02, 0.015, 0.01, 0.005)
    found = paired_over_seeds(AREAS, other)
    assert found.p == pytest.approx(stats.ttest_rel(AREAS, other).pvalue, **GOLDEN)
    assert found.differences.mean == pytest.approx(0.012, **GOLDEN)
    assert found.p < 0.01 < stats.ttest_ind(AREAS, other).pvalue, "what a seed brings to both cancels out"
    assert paired_over_seeds(AREAS, AREAS).p == 1.0
    with pytest.raises(ValueError, match="no pairs"):
        paired_over_seeds(AREAS, AREAS[1:])
