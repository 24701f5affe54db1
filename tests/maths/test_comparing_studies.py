"""Exchanging answers, claims against a margin, and how many patients a study needs: by hand and simulated."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from preceptor.maths import sample_size
from preceptor.maths.comparison import delong, mcnemar
from preceptor.maths.intervals import Bootstrap, Resamples, bootstrap, mean_statistic, paired_difference
from preceptor.maths.margins import claims
from preceptor.maths.permutation import exchange_auroc, exchange_means
from preceptor.maths.roc import auroc

# ---------------------------------------------------------------- exchanging


def test_every_way_of_exchanging_few_patients_is_tried():
    generator = np.random.default_rng(0)
    first, second, patient = generator.normal(0.6, 1, 12), generator.normal(0, 1, 12), np.arange(12) // 2
    gap = [(first - second)[patient == each].sum() for each in range(6)]
    every = [abs(np.dot(gap, signs)) for signs in product((1, -1), repeat=6)]
    found = exchange_means(first, second, patient)
    assert found.exact and found.tried == 64
    assert found.p == np.mean(np.array(every) >= abs(sum(gap)) - 1e-12)
    assert found.difference == pytest.approx((first - second).mean())
    assert exchange_means(first, first, patient).p == 1.0


def test_exchanging_independent_cases_is_scipys_permutation_test():
    generator = np.random.default_rng(1)
    first, second = generator.normal(0.25, 1, 40), generator.normal(0, 1, 40)
    theirs = stats.permutation_test(
        (first, second), lambda a, b: np.mean(a - b), permutation_type="samples", n_resamples=20_000, rng=2
    )
    assert exchange_means(first, second, np.arange(40), 20_000).p == pytest.approx(theirs.pvalue, abs=0.015)
    missing = np.append(first, np.nan), np.append(second, 5.0), np.arange(41)
    assert exchange_means(*missing).difference == pytest.approx((first - second).mean())


def test_exchanging_right_answers_is_the_exact_test_of_mcnemar():
    first = np.array([1] * 9 + [0] * 3 + [1] * 20)
    second = np.array([0] * 9 + [1] * 3 + [1] * 20)
    assert exchange_means(first, second, np.arange(32), 100_000).p == pytest.approx(mcnemar(9, 3).exact, abs=0.006)


def test_exchanged_rankings_agree_with_delong_and_ignore_the_scale():
    generator = np.random.default_rng(3)
    truth = np.repeat([1.0, 0.0], (60, 90))
    first, second = truth + generator.normal(0, 1, 150), truth + generator.normal(0, 1.6, 150)
    found = exchange_auroc(truth, first, second, np.arange(150), 4000)
    assert found.difference == pytest.approx(auroc(truth, first) - auroc(truth, second))
    assert found.p == pytest.approx(delong(truth, first, second).p, abs=0.03)
    assert exchange_auroc(truth, np.exp(first), second, np.arange(150), 4000) == found
    tied = exchange_auroc(truth, np.round(first), np.round(second), np.arange(150))
    assert tied.difference == pytest.approx(auroc(truth, np.round(first)) - auroc(truth, np.round(second)))
    unlabelled = np.append(truth, np.nan), np.append(first, 9.0), np.append(second, -9.0), np.arange(151)
    assert exchange_auroc(*unlabelled, 4000).difference == pytest.approx(found.difference)
    with pytest.raises(ValueError, match="no ranking"):
        exchange_auroc(np.ones(4), first[:4], second[:4], np.arange(4))


def test_exchanging_by_patient_holds_its_promise_and_by_image_does_not():
    """No true difference; images of a patient err alike. 5 % of studies may find one."""
    by_patient, by_image, patient = [], [], np.repeat(np.arange(20), 5)
    for seed in range(200):
        generator = np.random.default_rng(seed)
        gap = generator.normal(size=20)[patient] + 0.5 * generator.normal(size=100)
        for clusters, kept in ((patient, by_patient), (np.arange(100), by_image)):
            kept.append(exchange_means(gap, np.zeros(100), clusters, 400, seed).p < 0.05)
    assert 0.01 <= np.mean(by_patient) <= 0.09
    assert np.mean(by_image) >= 0.25


# ---------------------------------------------------------------- margins


def _difference(lower, upper):
    """A bootstrap whose 95 % interval of percentiles ends where asked."""
    values = np.linspace(lower, upper, 1001)
    spread = (values - values.mean()) / 0.95 + values.mean()
    return Bootstrap((lower + upper) / 2, spread, "any")


@pytest.mark.parametrize(
    ("lower", "upper", "expected"),
    [
        (0.01, 0.03, (True, False, True, True)),
        (0.01, 0.09, (True, False, True, False)),
        (-0.03, 0.04, (False, False, True, True)),
        (-0.04, 0.09, (False, False, True, False)),
        (-0.08, 0.02, (False, False, False, False)),
        (-0.09, -0.01, (False, True, False, False)),
        (-0.04, -0.01, (False, True, True, True)),
    ],
)
def test_claims_against_a_margin_of_five_points(lower, upper, expected):
    found = claims(_difference(lower, upper), 0.05)
    assert found[:4] == expected
    assert found.interval[:2] == pytest.approx((lower, upper), abs=1e-3)
    assert found.narrow.level == pytest.approx(0.9) and found.narrow.lower > found.interval.lower
    # Of an error, less is better: the same numbers with the sign turned are the same claims.
    turned = claims(_difference(-upper, -lower), 0.05, higher_is_better=False)
    assert turned[:4] == expected and turned.sentence == found.sentence


def test_a_claim_needs_a_margin_and_an_interval():
    with pytest.raises(ValueError, match="above 0"):
        claims(_difference(0, 1), 0.0)
    assert claims(Bootstrap(np.nan, np.full(9, np.nan), "any"), 0.1) is None


def test_wrong_claims_are_as_rare_as_promised():
    """Truly worse by exactly the margin: non-inferiority in 2.5 % of studies, equivalence in 5 %, at most about."""
    worse, alike, better = [], [], []
    for seed in range(300):
        generator = np.random.default_rng(seed)
        resamples = Resamples.of(np.arange(60), 400, seed)
        first, second = generator.normal(0, 1, 60), np.zeros(60)
        for shift, kept in ((-0.3, worse), (0.0, better)):
            pair = (bootstrap(mean_statistic(each, resamples), resamples) for each in (first + shift, second))
            found = claims(paired_difference(*pair), 0.3)
            kept.append(found.non_inferior if shift else found.superior)
            if shift:
                alike.append(found.equivalent)
    assert np.mean(worse) <= 0.06 and np.mean(better) <= 0.06 and np.mean(alike) <= 0.09


# ---------------------------------------------------------------- how many


def test_published_numbers():
    # Hanley & McNeil 1982, table 2 and text: 51 abnormal and 58 normal, area 0.893, standard error 0.032.
    assert sample_size.auroc_variance(0.893, 51, 58) ** 0.5 == pytest.approx(0.0325, abs=5e-4)
    # Two-sided 5 %, power 80 %, a difference of half a standard deviation: 34 pairs in every textbook.
    assert sample_size.pairs_for_mean(0.5, 1.0) == 34
    # Connor 1987: shares .2 and .1; (1.95996 sqrt(.3) + .84162 sqrt(.29))^2 / .01.
    assert sample_size.pairs_for_mcnemar(0.2, 0.1) == 234
    assert sample_size.design_effect(10, 0.5) == 5.5
    assert sample_size.design_effect(10, 0.5, variation=1.0) == 10.5
    assert sample_size.patients(100) == 100 and sample_size.patients(100, 10, 0.5) == 55
    assert sample_size.patients(100, 10, 1.0) == 100, "images that repeat one another tell nothing"
    assert sample_size.cases_for_proportion(0.5, 0.05) == pytest.approx(1.96**2 * 0.25 / 0.05**2, abs=6)
    assert sample_size.cases_for_sensitivity(0.9, 0.05, 0.1) == 10 * sample_size.cases_for_proportion(0.9, 0.05)


def test_a_study_of_the_size_asked_has_the_width_asked():
    from preceptor.maths.intervals import wilson

    cases = sample_size.cases_for_proportion(0.8, 0.06)
    width = wilson(round(0.8 * cases), cases)
    assert (width.upper - width.lower) / 2 == pytest.approx(0.06, abs=0.001)
    cases = sample_size.cases_for_auroc(0.8, 0.05, 0.3)
    halves, shift = [], np.sqrt(2) * stats.norm.ppf(0.8)
    for seed in range(60):
        generator = np.random.default_rng(seed)
        truth = np.arange(cases) < 0.3 * cases
        score = shift * truth + generator.normal(size=cases)
        halves.append(1.96 * np.sqrt(delong(truth, score, generator.normal(size=cases)).covariance[0, 0]))
    assert 0.04 <= np.mean(halves) <= 0.0505, "Hanley and McNeil's variance errs on the side of more cases"


def test_a_study_of_the_size_asked_has_the_power_asked():
    pairs = sample_size.pairs_for_mean(0.02, 0.05)
    seen = [stats.ttest_1samp(np.random.default_rng(s).normal(0.02, 0.05, pairs), 0).pvalue < 0.05 for s in range(500)]
    assert np.mean(seen) == pytest.approx(0.8, abs=0.06)
    pairs = sample_size.pairs_for_mean(0.0, 0.05, margin=0.015)
    ends = [_lower(np.random.default_rng(s).normal(0.0, 0.05, pairs)) > -0.015 for s in range(500)]
    assert np.mean(ends) == pytest.approx(0.8, abs=0.06)
    pairs = sample_size.pairs_for_mcnemar(0.2, 0.1)
    drawn = [np.random.default_rng(s).multinomial(pairs, (0.2, 0.1, 0.7)) for s in range(500)]
    assert np.mean([mcnemar(a, b).p < 0.05 for a, b, _ in drawn]) == pytest.approx(0.8, abs=0.06)


def _lower(values):
    return values.mean() - 1.96 * values.std(ddof=1) / np.sqrt(len(values))


@pytest.mark.slow
def test_a_study_of_two_rankings_has_the_power_asked():
    """Two scores with a correlation of .6 given the truth; the correlation of their areas is near it."""
    areas, share = (0.85, 0.78), 0.3
    shifts = [np.sqrt(2) * stats.norm.ppf(each) for each in areas]
    cases = sample_size.cases_for_paired_auroc(*areas, share, correlation=0.55)
    seen = []
    for seed in range(150):
        generator = np.random.default_rng(seed)
        truth = np.arange(cases) < share * cases
        noise = generator.multivariate_normal((0, 0), [(1, 0.6), (0.6, 1)], cases)
        seen.append(delong(truth, *(shift * truth + noise[:, at] for at, shift in enumerate(shifts))).p < 0.05)
    assert 0.7 <= np.mean(seen) <= 0.92


def test_a_next_study_is_planned_by_the_spread_of_this_one():
    needed = sample_size.clusters_for_difference(0.02, 50, 0.02)
    assert needed == np.ceil(50 * (1.959964 + 0.841621) ** 2)
    with pytest.raises(ValueError, match="difference of 0"):
        sample_size.clusters_for_difference(0.02, 50, 0.0)


@pytest.mark.parametrize(
    "asked",
    [
        lambda: sample_size.cases_for_auroc(0.8, 0.05, 0.0),
        lambda: sample_size.cases_for_auroc(1.2, 0.05, 0.3),
        lambda: sample_size.pairs_for_mean(0.0, 1.0),
        lambda: sample_size.pairs_for_mean(-0.2, 1.0, margin=0.1),
        lambda: sample_size.pairs_for_mcnemar(0.2, 0.2),
        lambda: sample_size.cases_for_paired_auroc(0.8, 0.8, 0.3, 0.5),
        lambda: sample_size.design_effect(0.5, 0.1),
        lambda: sample_size.cases_for_proportion(0.5, 0.0),
    ],
)
def test_what_no_study_can_show_is_refused(asked):
    with pytest.raises(ValueError):
        asked()
