"""Intervals that cover what they promise, and are the same as those of others where others exist."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preceptor.maths.calibration import binned_sums, calibration_error_statistic, recalibration_statistic
from preceptor.maths.intervals import (
    Bootstrap,
    Resamples,
    average_of,
    bootstrap,
    mean_statistic,
    paired_difference,
    ratio_statistic,
    undefined,
)
from preceptor.maths.one_step import recalibration_one_step
from preceptor.maths.roc import auroc, auroc_statistic, average_precision, average_precision_statistic, sensitivity_band


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.integers(1, 50), st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_every_resample_draws_as_many_clusters_as_there_are(clusters, number, seed):
    resamples = Resamples.of(clusters, number, seed)
    assert resamples.counts.shape == (len(set(clusters)), number)
    assert (resamples.counts.sum(0) == len(set(clusters))).all() and (resamples.counts >= 0).all()


def test_draws_are_uniform_and_repeatable():
    counts = Resamples.of(np.arange(40), 5000, seed=3).counts
    assert (counts == Resamples.of(np.arange(40), 5000, seed=3).counts).all()
    assert (counts != Resamples.of(np.arange(40), 5000, seed=4).counts).any()
    assert counts.mean(1) == pytest.approx(np.ones(40), abs=0.08)  # one draw a cluster, sd 0.014
    assert counts.var(1) == pytest.approx(np.full(40, 1 - 1 / 40), abs=0.12)
    assert np.mean(counts == 0) == pytest.approx((1 - 1 / 40) ** 40, abs=0.005)


def test_bca_is_that_of_scipy():
    from scipy import stats

    values = np.random.default_rng(0).exponential(size=40)
    resamples = Resamples.of(np.arange(40), 20000)
    ours = bootstrap(mean_statistic(values, resamples), resamples).interval(0.95)
    generator = np.random.default_rng(1)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=20000, method="BCa", rng=generator).confidence_interval
    assert ours.method == "BCa"
    assert ours[:2] == pytest.approx(tuple(theirs), abs=0.02 * values.std())
    plain = bootstrap(mean_statistic(values, resamples), resamples, accelerated=False).interval(0.95)
    assert plain.method == "percentile" and plain.upper < ours.upper  # BCa leans towards the long tail


def test_a_statistic_is_the_loop_over_its_cases():
    """A cluster drawn twice counts all its cases twice."""
    generator = np.random.default_rng(2)
    patients, values = generator.integers(0, 12, 50), generator.normal(size=50)
    values[:5] = np.nan
    resamples = Resamples.of(patients, 60)
    means = bootstrap(mean_statistic(values, resamples), resamples)
    ratios = bootstrap(ratio_statistic(np.nan_to_num(values) ** 2, patients + 1.0, resamples), resamples)
    for column, mean, ratio in zip(resamples.counts.T.astype(int), means.values, ratios.values, strict=True):
        rows = np.repeat(np.arange(50), column[resamples.cluster])
        assert mean == pytest.approx(np.nanmean(values[rows]))
        assert ratio == pytest.approx((np.nan_to_num(values[rows]) ** 2).sum() / (patients[rows] + 1.0).sum())
    left_out = [np.nanmean(values[resamples.cluster != each]) for each in range(len(resamples.names))]
    assert means.jackknife == pytest.approx(left_out)


@given(st.integers(0, 10_000), st.integers(4, 40), st.integers(1, 12), st.booleans())
@settings(max_examples=40, deadline=None)
def test_ranking_under_weights_is_the_loop_over_repeated_cases(seed, cases, patients, tied):
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, 2, cases).astype(float)
    truth[generator.random(cases) < 0.1] = np.nan
    score = np.round(generator.random(cases), 1) if tied else generator.random(cases)
    resamples = Resamples.of(generator.integers(0, patients, cases), 25, seed)
    for statistic, plain in ((auroc_statistic, auroc), (average_precision_statistic, average_precision)):
        found = bootstrap(statistic(truth, score, resamples), resamples)
        for column, value in zip(resamples.counts.T.astype(int), found.values, strict=True):
            rows = np.repeat(np.arange(cases), column[resamples.cluster])
            rows = rows[~np.isnan(truth[rows])]
            expected = plain(truth[rows], score[rows]) if len(rows) else np.nan
            assert value == pytest.approx(expected, nan_ok=True, abs=1e-12)


def test_what_is_undefined_is_counted_and_left_out():
    resamples = Resamples.of(np.arange(6), 1000)
    truth, score = np.array([1, 0, 0, 0, 0, 0]), np.array([0.5, 0.1, 0.2, 0.6, 0.7, 0.3])
    found = bootstrap(auroc_statistic(truth, score, resamples), resamples, accelerated=False)
    expected = ((resamples.counts[0] == 0) | (resamples.counts[1:].sum(0) == 0)).sum()
    assert found.degenerate == expected > 250
    assert np.isfinite(found.interval()[:2]).all()
    nothing = bootstrap(mean_statistic(np.full(6, np.nan), resamples), resamples)
    assert nothing.interval() is None and nothing.degenerate == 1000


def test_values_that_are_all_alike_have_an_interval_of_no_width():
    resamples = Resamples.of(np.arange(10), 200)
    assert bootstrap(mean_statistic(np.full(10, 0.7), resamples), resamples).interval()[:2] == pytest.approx((0.7, 0.7))


def test_differences_are_paired_or_refused():
    resamples, other = Resamples.of(list("abcdef"), 300), Resamples.of(list("abcdeg"), 300)
    values = np.random.default_rng(5).normal(size=6)
    first = bootstrap(mean_statistic(values + 1, resamples), resamples)
    second = bootstrap(mean_statistic(values, resamples), resamples)
    assert paired_difference(first, second).interval()[:2] == pytest.approx((1.0, 1.0))
    with pytest.raises(ValueError, match="same resamples"):
        paired_difference(first, bootstrap(mean_statistic(values, other), other))
    with pytest.raises(ValueError, match="no case"):
        Resamples.of([])


def test_a_band_without_both_classes_is_undefined_and_quiet():
    resamples = Resamples.of(np.arange(4), 50)
    middle, lower, upper = sensitivity_band(np.ones(4), np.arange(4.0), resamples, np.linspace(0, 1, 5))
    assert np.isnan([middle, lower, upper]).all()


# ---------------------------------------------------------------- coverage, simulated

STUDIES = 300


def _covered(intervals, true):
    lower, upper = np.array([interval[:2] for interval in intervals]).T
    return np.mean((lower <= true) & (true <= upper))


def test_clustered_auroc_covers():
    """40 patients of 3 images; scores share a patient effect. The true AUROC from its normal model."""
    from scipy.stats import norm

    true, found, naive = norm.cdf(1.2 / np.sqrt(2 * (1.0 + 0.25))), [], []
    patients = np.repeat(np.arange(40), 3)
    for seed in range(STUDIES):
        generator = np.random.default_rng(seed)
        truth = (np.arange(40) < 18)[patients]
        score = 1.2 * truth + generator.normal(size=40)[patients] + 0.5 * generator.normal(size=120)
        for clusters, kept in ((patients, found), (np.arange(120), naive)):
            resamples = Resamples.of(clusters, 500, seed)
            kept.append(
                bootstrap(auroc_statistic(truth, score, resamples), resamples, accelerated=False).interval(0.95)
            )
    assert 0.90 <= _covered(found, true) <= 0.98
    assert _covered(naive, true) <= 0.85


def test_mean_of_skewed_values_per_patient_covers():
    """Dice as it is: near 1 with a long tail below. 30 patients of 1 to 3 images, means of images."""
    found = []
    for seed in range(STUDIES):
        generator = np.random.default_rng(seed)
        patients = np.repeat(np.arange(30), generator.integers(1, 4, 30))
        values = 1 - np.minimum(0.05 * generator.exponential(size=30)[patients] + 0.02, 1)
        resamples = Resamples.of(patients, 500, seed)
        found.append(bootstrap(mean_statistic(values, resamples), resamples).interval(0.95))
    assert 0.89 <= _covered(found, 0.93) <= 0.98


def test_a_paired_difference_covers_none_where_there_is_none():
    found = []
    for seed in range(STUDIES):
        generator = np.random.default_rng(seed)
        truth = np.arange(60) < 25
        shared = truth + generator.normal(size=60)
        resamples = Resamples.of(np.arange(60), 500, seed)
        first, second = (
            bootstrap(auroc_statistic(truth, shared + generator.normal(0, 0.5, 60), resamples), resamples, False)
            for _ in range(2)
        )
        found.append(paired_difference(first, second).interval(0.95))
    assert 0.90 <= _covered(found, 0.0) <= 0.985


def test_calibration_error_is_resampled_as_one_number():
    generator = np.random.default_rng(6)
    patients, probability = np.repeat(np.arange(30), 4), generator.random(120)
    truth = (generator.random(120) < probability).astype(float)
    resamples = Resamples.of(patients, 200)
    sums = binned_sums(resamples.cluster, 30, truth, probability, 10)
    found = bootstrap(calibration_error_statistic(sums), resamples)
    for column, value in zip(resamples.counts.T.astype(int), found.values, strict=True):
        rows = np.repeat(np.arange(120), column[resamples.cluster])
        which = np.minimum((probability[rows] * 10).astype(int), 9)
        gaps = [abs((truth[rows] - probability[rows])[which == at].sum()) for at in range(10)]
        assert value == pytest.approx(sum(gaps) / len(rows))
    assert isinstance(found, Bootstrap)


# ---------------------------------------------------------------- very many clusters


def test_clusters_left_out_by_the_group_give_the_same_acceleration():
    generator = np.random.default_rng(7)
    values = generator.exponential(size=3000) ** 2  # skewed, so that the acceleration is no trifle
    resamples = Resamples.of(np.arange(3000), 400)
    found = bootstrap(mean_statistic(values, resamples), resamples)
    assert len(found.jackknife) == 500
    alone = (values.sum() - values) / 2999
    whole = Bootstrap(found.value, found.values, found.key, alone)
    assert found.interval()[:2] == pytest.approx(whole.interval()[:2], rel=2e-3)
    deviations = [each.mean() - each for each in (alone, found.jackknife)]
    acceleration = [np.sum(each**3) / (6 * np.sum(each**2) ** 1.5) for each in deviations]
    assert acceleration[1] == pytest.approx(acceleration[0], abs=0.006)


def test_one_step_is_as_good_as_the_whole_way_where_clusters_are_many():
    generator = np.random.default_rng(8)
    odds = generator.normal(0, 1.5, 3000)
    truth = (generator.random(3000) < 1 / (1 + np.exp(-(0.7 * odds - 0.4)))).astype(float)
    probability = 1 / (1 + np.exp(-odds))
    resamples = Resamples.of(np.arange(3000) // 2, 200)
    for part in ("slope", "intercept"):
        step = recalibration_one_step(truth, probability, resamples, part)
        whole = recalibration_statistic(resamples.cluster, truth, probability, part)
        first, second = step(resamples.counts), whole(resamples.counts)
        ends = [np.quantile(each, [0.025, 0.975]) for each in (first, second)]
        assert np.abs(ends[0] - ends[1]).max() < 0.15 * second.std()
        assert np.corrcoef(first, second)[0, 1] > 0.995
        one = np.ones((1500, 1))
        assert step(one) == pytest.approx(whole(one), abs=1e-9)
    unlabelled = np.append(truth, np.nan), np.append(probability, 0.3)
    more = Resamples.of(np.append(np.arange(3000) // 2, 0), 50)
    assert recalibration_one_step(*unlabelled, more, "slope")(one) == pytest.approx(
        recalibration_one_step(truth, probability, resamples, "slope")(one)
    )


def test_a_mean_of_several_is_undefined_with_any_of_them_and_where_there_is_none():
    counts = np.ones((4, 3))
    one, two = (lambda counts, value=value: np.full(counts.shape[1], value) for value in (1.0, 3.0))
    assert average_of([one, two])(counts).tolist() == [2.0] * 3
    for several in ([one, undefined], []):
        assert np.isnan(average_of(several)(counts)).tolist() == [True] * 3
