"""Studies of several readers: what must hold whatever the scores, and how often the intervals cover."""

from __future__ import annotations

import numpy as np
import pytest

from preceptor.maths.comparison import delong
from preceptor.maths.reader_study import (
    against_readers,
    average_reader,
    crossed,
    dorfman_berbaum_metz,
    leave_out,
    leave_out_means,
    obuchowski_rockette,
)
from preceptor.maths.roc import auroc


def study(rng, *, tests=2, readers=4, cases=60, gain=0.0, reader_spread=0.3, interaction=0.2):
    """Scores as Roe & Metz 1997 make them: effects of reader, case, and all their products."""
    truth = np.repeat([1, 0], cases // 2)
    strength = 1.2 + gain * np.arange(tests)[:, None] + rng.normal(0, reader_spread, readers)
    strength = strength + rng.normal(0, interaction, (tests, readers))
    noise = rng.normal(0, 0.55, cases) + rng.normal(0, 0.45, (tests, 1, cases)) + rng.normal(0, 0.45, (readers, cases))
    return truth, strength[..., None] * truth + noise + rng.normal(0, 0.55, (tests, readers, cases))


def test_leaving_out_is_what_it_says():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 30)
    scores = np.round(rng.normal(size=(3, 30)) + truth, 0)
    clusters = np.repeat(np.arange(15), 2)
    left = leave_out(truth, scores, clusters)
    for reader in range(3):
        assert left.areas[reader] == pytest.approx(auroc(truth, scores[reader]))
        for patient in range(15):
            kept = clusters != patient
            assert left.without[patient, reader] == pytest.approx(auroc(truth[kept], scores[reader][kept]))


def test_the_jackknife_is_near_delong():
    truth, scores = study(np.random.default_rng(1), cases=200)
    ours = leave_out(truth, scores[0, :2]).covariance()
    assert ours == pytest.approx(delong(truth, *scores[0, :2]).covariance, rel=0.05)


def test_pseudovalues_find_the_same_whatever_the_study():
    for seed in range(4):
        truth, scores = study(np.random.default_rng(seed), tests=3 if seed % 2 else 2, readers=3, cases=40)
        found = obuchowski_rockette(truth, scores)
        assert dorfman_berbaum_metz(truth, scores) == pytest.approx(found.random.statistic, rel=1e-9)


def test_images_of_one_patient_widen_the_interval():
    truth, scores = study(np.random.default_rng(3), cases=80)
    twice = obuchowski_rockette(np.tile(truth, 2), np.tile(scores, 2))
    honest = obuchowski_rockette(np.tile(truth, 2), np.tile(scores, 2), np.tile(np.arange(80), 2))
    once = obuchowski_rockette(truth, scores)
    assert honest.fixed_readers.error == pytest.approx(once.fixed_readers.error, rel=1e-6)
    assert twice.fixed_readers.error < 0.8 * honest.fixed_readers.error


def test_two_equal_tests_differ_by_nothing():
    truth, scores = study(np.random.default_rng(4))
    found = obuchowski_rockette(truth, np.stack([scores[0], scores[0]]))
    assert found.random.difference == 0
    assert found.random.p == pytest.approx(1)


def test_the_model_is_held_against_the_average_reader():
    rng = np.random.default_rng(5)
    truth, scores = study(rng, tests=1, readers=5, cases=120)
    model = 3.0 * truth + rng.normal(size=120)
    found = against_readers(truth, model, scores[0])
    areas = np.array([auroc(truth, each) for each in scores[0]])
    assert found.value == pytest.approx(auroc(truth, model) - areas.mean())
    assert found.lower > 0
    assert found.p < 0.05
    # Other readers might differ from these: their interval is the wider one.
    assert found.lower < found.fixed_lower < found.fixed_upper < found.upper
    assert found.each[:, 0] == pytest.approx(auroc(truth, model) - areas)
    pair = delong(truth, model, scores[0, 2])
    error = np.sqrt(pair.covariance[0, 0] + pair.covariance[1, 1] - 2 * pair.covariance[0, 1])
    assert (found.each[2, 2] - found.each[2, 0]) / 1.959964 == pytest.approx(error, rel=0.05)


def test_means_are_left_out_and_compared_alike():
    rng = np.random.default_rng(8)
    seconds = rng.gamma(4, 10, (2, 4, 50)) + np.array([0.0, 6.0])[:, None, None]
    clusters = np.repeat(np.arange(25), 2)
    left = leave_out_means(seconds, clusters)
    assert left.without[7, 1, 2] == pytest.approx(seconds[1, 2, clusters != 7].mean())
    found = crossed(left)
    assert found.random.difference == pytest.approx(seconds[0].mean() - seconds[1].mean())
    # Of one figure without any correlation the fixed-reader error is that of a plain mean.
    lone = crossed(leave_out_means(seconds))
    plain = np.sqrt(seconds.var(axis=2, ddof=1).mean() / 50 * 2 / 4)
    assert lone.fixed_readers.error == pytest.approx(plain, rel=0.15)


def test_what_is_no_study():
    truth, scores = study(np.random.default_rng(6))
    with pytest.raises(ValueError, match="two readers"):
        obuchowski_rockette(truth, scores[:, :1])
    with pytest.raises(ValueError, match="two readers"):
        average_reader(leave_out_means(np.ones((1, 5))))
    with pytest.raises(ValueError, match="two readers"):
        against_readers(truth, scores[0, 0], scores[0, :1])
    scores[0, 1, 2] = np.nan
    with pytest.raises(ValueError, match="every reader must"):
        obuchowski_rockette(truth, scores)
    with pytest.raises(ValueError, match="two patients each"):
        leave_out(np.array([1, 0, 0]), np.zeros((1, 3)))


def test_how_often_the_intervals_cover_the_difference():
    """1,500 studies without a difference: for readers like these .95 holds, while fixed readers' interval covers less."""
    rng = np.random.default_rng(12)
    studies, random, fixed = 1500, 0, 0
    for _ in range(studies):
        found = obuchowski_rockette(*study(rng, cases=60))
        random += found.random.lower <= 0 <= found.random.upper
        fixed += found.fixed_readers.lower <= 0 <= found.fixed_readers.upper
    assert 0.93 <= random / studies <= 0.98
    assert fixed / studies <= random / studies - 0.01


def test_how_often_the_model_against_readers_interval_covers():
    """1,500 studies of 5 readers; the model's strength is fixed, and the true gap is known from a million cases."""
    rng = np.random.default_rng(13)
    strengths = 1.2 + 0.3 * rng.normal(size=200_000)
    from scipy.special import ndtr

    sd = np.sqrt(0.55**2 + 0.45**2 + 0.45**2 + 0.55**2)
    true = ndtr(1.5 / np.sqrt(2)) - ndtr(strengths / (sd * np.sqrt(2))).mean()
    covered = 0
    for _ in range(1500):
        truth, scores = study(rng, tests=1, readers=5, cases=80, interaction=0.0)
        found = against_readers(truth, 1.5 * truth + rng.normal(size=80), scores[0])
        covered += found.lower <= true <= found.upper
    assert 0.93 <= covered / 1500 <= 0.98
