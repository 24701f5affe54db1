"""Known answers of feature selection: Hall's merit, and a search that leaves copies and noise out."""

from __future__ import annotations

import numpy as np
import pytest

from preceptor.maths.feature_selection import (
    cfs_merit,
    in_bins,
    mutual_information,
    select_by_correlation,
    symmetric_uncertainty,
)


@pytest.mark.answer("I10.5")
def test_merit_of_a_set():
    for with_class, among, expected in (
        ([0.6], 0.0, 0.6),
        ([0.6, 0.5], 0.2, 0.710046947),
        ([0.6, 0.5], 0.9, 0.564288094),
        ([0.6, 0.5, 0.4], 0.3, 0.684653197),
        ([0.6, 0.6], 1.0, 0.6),  # a copy adds nothing
    ):
        assert abs(cfs_merit(with_class, among) - expected) < 1e-9
    assert cfs_merit([], 0.0) == 0


@pytest.mark.answer("I10.5")
def test_the_search_leaves_copies_and_noise_out():
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 2, 400), rng.integers(0, 2, 400)
    features = np.stack([first, first * 5 + 1, second, rng.normal(size=400)], axis=1).astype(float)
    columns, merit = select_by_correlation(features, 2 * first + second)
    assert sorted(columns) in ([0, 2], [1, 2])
    # Each says half of four equal classes, 2 ln 2 / (ln 2 + ln 4), and neither says anything of the other.
    assert abs(merit - 2 * (2 / 3) / np.sqrt(2)) < 0.02


@pytest.mark.answer("I10.5")
def test_symmetric_uncertainty_has_its_ends_and_its_middle():
    four = np.arange(4).repeat(5)
    assert abs(symmetric_uncertainty(four, 3 - four) - 1) < 1e-12
    assert abs(symmetric_uncertainty(four, four // 2) - 2 / 3) < 1e-12
    assert abs(symmetric_uncertainty(np.tile([0, 1], 10), np.repeat([0, 1], 10))) < 1e-12
    assert abs(mutual_information(four, four // 2) - np.log(2)) < 1e-12


def test_bins_hold_about_as_many_each_and_missing_ones_stand_apart():
    values = np.arange(100.0)
    assert np.bincount(in_bins(values, 4)).tolist() == [25, 25, 25, 25]
    values[:10] = np.nan
    codes = in_bins(values, 3)
    assert len(set(codes[:10])) == 1 and codes[0] not in codes[10:]
    assert in_bins(np.array([7.0, 3.0, 7.0])).tolist() == [1, 0, 1]
