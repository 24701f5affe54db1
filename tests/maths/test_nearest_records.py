"""Distances to the nearest record: by hand, and a generator that learns by heart is found out."""

from __future__ import annotations

import numpy as np
import pytest

from preceptor.maths.nearest_records import Records, gower_distances, nearness


def test_distances_by_hand():
    one = Records(np.array([[0.0, np.nan], [0.5, 2.0]]), np.array([[1], [2]]))
    two = Records(np.array([[0.25, np.nan], [9.0, 2.5]]), np.array([[1], [-1]]))
    expected = [[0.25 / 3, 3 / 3], [(0.25 + 1 + 1) / 3, (1 + 0.5 + 1) / 3]]
    assert gower_distances(one, two) == pytest.approx(np.array(expected), abs=1e-6)


def _people(rows: int, seed: int) -> Records:
    rng = np.random.default_rng(seed)
    return Records(rng.normal(size=(rows, 5)) / 3, rng.integers(0, 3, (rows, 2)))


def test_rows_of_nobody_keep_as_near_to_one_half_as_to_the_other():
    found = [nearness(_people(150, seed), _people(150, 50 + seed), _people(180, 90 + seed)) for seed in range(6)]
    assert np.mean([each.share for each in found]) == pytest.approx(0.5, abs=0.05)
    assert np.mean([each.membership_auroc for each in found]) == pytest.approx(0.5, abs=0.04)
    assert min(each.p_value for each in found) > 0.005


def test_rows_learnt_by_heart_are_found_out():
    training, rng = _people(150, 1), np.random.default_rng(9)
    made = Records(training.numbers + rng.normal(0, 0.02, training.numbers.shape), training.codes)
    found = nearness(made, training, _people(150, 2))
    assert found.share > 0.95 and found.p_value < 0.01 and found.membership_auroc > 0.95
    assert found.training < 0.3 * found.holdout


def test_identical_halves_tie():
    people = _people(60, 1)
    assert nearness(_people(40, 2), people, people).share == 0.5
    with pytest.raises(ValueError, match="needed"):
        nearness(people, people, people.only(np.zeros(0, int)))
