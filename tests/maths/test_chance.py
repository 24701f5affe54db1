"""Shuffles, probes and areas against what is known."""

from __future__ import annotations

import numpy as np
import pytest

from preceptor.maths.adjusted_odds import log_odds
from preceptor.maths.contingency import cramers_v, standardised_difference
from preceptor.maths.intervals import Resamples
from preceptor.maths.linear_probe import folds_of, probe_matrix, probe_scores
from preceptor.maths.roc import auroc
from preceptor.maths.shuffles import auroc_of_columns, chance_of, shuffled
from preceptor.maths.weighted_holm import weighted_holm
from preceptor.maths.weighted_roc import weighted_auroc_statistic


def test_patients_are_dealt_whole_and_stay_in_their_stratum():
    clusters = np.repeat(np.arange(30), 3)
    stratum, values = clusters % 2, clusters % 3
    dealt = shuffled(values, clusters, stratum, 50)
    for column in dealt.T:
        assert all(len(set(column[clusters == each])) == 1 for each in range(30))
        for each in (0, 1):
            assert sorted(column[stratum == each]) == sorted(values[stratum == each])
    assert (dealt != values[:, None]).any()


def test_a_p_is_never_nought():
    assert chance_of(2.0, np.zeros(99)) == 0.01
    assert chance_of(0.0, np.zeros(99)) == 1.0


def test_areas_of_columns_are_the_plain_area_and_stratified_pairs_are_counted_once():
    rng = np.random.default_rng(0)
    codes, score = rng.integers(0, 2, 60), rng.integers(0, 9, 60).astype(float)
    scores = np.stack([-score, score], axis=1)[:, :, None]
    one = auroc_of_columns(codes[:, None], scores, np.zeros(60, dtype=int))
    assert one[0] == pytest.approx(auroc(codes, score))
    stratum = rng.integers(0, 3, 60)
    wins = pairs = 0.0
    for each in range(3):
        here = stratum == each
        number = (codes[here] == 1).sum() * (codes[here] == 0).sum()
        wins, pairs = wins + auroc(codes[here], score[here]) * number, pairs + number
    assert auroc_of_columns(codes[:, None], scores, stratum)[0] == pytest.approx(wins / pairs)


def test_the_probe_is_ridge_regression_and_reads_nothing_from_noise():
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(0)
    features, target, fold = rng.normal(size=(80, 5)), rng.integers(0, 2, 80), np.arange(80) % 4
    scores = probe_scores(probe_matrix(features, fold), target[:, None], 2)[:, 1, 0]
    for held in range(4):
        seen = fold != held
        centre, spread = features[seen].mean(0), features[seen].std(0)
        fitted = Ridge(alpha=5.0).fit((features[seen] - centre) / spread, target[seen])
        asked = (features[~seen] - centre) / spread
        assert scores[~seen] == pytest.approx(fitted.predict(asked) - target[seen].mean(), abs=1e-9)
    wide = rng.normal(size=(80, 300))
    assert probe_matrix(wide, fold).shape == (80, 80)
    areas = []
    for seed in range(20):
        noise = np.random.default_rng(seed).normal(size=(80, 20))
        given = probe_scores(probe_matrix(noise, fold), target[:, None], 2)
        areas.append(auroc_of_columns(target[:, None], given, np.zeros(80, dtype=int))[0])
    assert np.mean(areas) == pytest.approx(0.5, abs=0.05)


def test_folds_keep_patients_together_and_blocks_speak_their_own_language():
    clusters = np.repeat(np.arange(20), 2)
    fold = folds_of(clusters, 5)
    assert all(len(set(fold[clusters == each])) == 1 for each in range(20))
    block = (clusters >= 10).astype(int)
    matrix = probe_matrix(np.random.default_rng(0).normal(size=(40, 3)), fold, block)
    assert (matrix[np.ix_(block == 0, block == 1)] == 0).all()
    assert (matrix[fold[:, None] == fold[None]] == 0).all()


def test_weights_of_nought_leave_cases_out_and_equal_ones_change_nothing():
    rng = np.random.default_rng(1)
    truth, score = rng.integers(0, 2, 50).astype(float), rng.integers(0, 9, 50).astype(float)
    resamples, everyone = Resamples.of(np.arange(50), 100), np.ones((50, 1))
    assert weighted_auroc_statistic(truth, score, np.full(50, 3.0), resamples)(everyone)[0] == pytest.approx(
        auroc(truth, score)
    )
    weight = (np.arange(50) < 30).astype(float)
    found = weighted_auroc_statistic(truth, score, weight, resamples)(everyone)[0]
    assert found == pytest.approx(auroc(truth[:30], score[:30]))


def test_equal_weights_are_holm_and_heavier_suspects_pay_less():
    from preceptor.maths.comparison import holm

    p = np.array([0.01, 0.04, 0.002, 0.3])
    assert weighted_holm(p, np.full(4, 2.0)) == pytest.approx(holm(p))
    # .002 and .01 come first: (3 + 1 + 1 + 1) / 1 * .002 for the third, then 5 / 3 * .01 for the first, 2 * .04, .3.
    assert weighted_holm(p, np.array([3.0, 1, 1, 1])) == pytest.approx([0.01 / 3 * 5, 0.08, 0.012, 0.3])


def test_association_and_difference_by_hand():
    one = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    two = np.array([0, 0, 0, 1, 0, 1, 1, 1])
    assert cramers_v(np.stack([one, two], 1), one) == pytest.approx([1.0, 0.5])
    from scipy.stats.contingency import association

    rng = np.random.default_rng(0)
    three, four = rng.integers(0, 3, 90), rng.integers(0, 4, 90)
    table = np.array([[np.sum((three == r) & (four == c)) for c in range(4)] for r in range(3)])
    assert cramers_v(three[:, None], four)[0] == pytest.approx(association(table, method="cramer"))
    assert standardised_difference(np.array([0.5]), np.array([0.4]))[0] == pytest.approx(0.1 / np.sqrt(0.245))


def test_odds_adjusted_for_what_explains_them_fall_and_else_stay():
    rng = np.random.default_rng(0)
    site = rng.integers(0, 2, 600)
    truth = (rng.random(600) < np.where(site, 0.8, 0.2)).astype(float)
    reads_site, reads_truth = site + 0.1 * rng.normal(size=600), truth + rng.normal(size=600)
    by_site, by_truth = log_odds(truth, reads_site, site), log_odds(truth, reads_truth, site)
    assert by_site.alone > 1 and abs(by_site.adjusted) < 0.5 * by_site.alone
    assert by_truth.adjusted > 0.8 * by_truth.alone
