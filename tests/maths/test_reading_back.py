"""Calibration read backwards has no pull towards the mean, where regression has one."""

from __future__ import annotations

import numpy as np
import pytest

from preceptor.maths.reading_back import read_back


def test_a_line_without_noise_is_inverted():
    real = np.linspace(0.2, 0.9, 20)
    read = read_back(0.1 + 0.7 * real, real)
    assert read(np.array([0.1 + 0.7 * 0.35, 0.8, 0.1, -1, 2])) == pytest.approx([0.35, 1, 0, 0, 1], abs=1e-3)


def test_a_parabola_without_noise_is_inverted():
    real = np.linspace(0.1, 0.95, 30)
    read = read_back(0.05 + 0.4 * real + 0.5 * real**2, real, degree=2)
    asked = np.array([0.2, 0.5, 0.8])
    assert read(0.05 + 0.4 * asked + 0.5 * asked**2) == pytest.approx(asked, abs=1e-3)


def test_cases_of_one_truth_are_told_right_on_average():
    """Noise of 0.15: regression tells a truth of 0.9 as 0.8, read backwards it is 0.9."""
    rng = np.random.default_rng(0)
    real = rng.uniform(0.3, 0.95, 4000)
    measured = 0.2 + 0.6 * real + rng.normal(0, 0.09, 4000)
    read = read_back(measured, real)
    slope, constant = np.polyfit(measured, real, 1)
    for truth in (0.45, 0.8):
        shown = 0.2 + 0.6 * truth + rng.normal(0, 0.09, 4000)
        assert read(shown).mean() == pytest.approx(truth, abs=0.01)
        assert abs((constant + slope * shown).mean() - truth) > 0.04


def test_what_does_not_rise_is_refused():
    real = np.linspace(0, 1, 10)
    with pytest.raises(ValueError):
        read_back(1 - real, real)


def test_a_parabola_that_turns_round_stays_monotone():
    real = np.linspace(0, 1, 50)
    read = read_back(real - 0.7 * real**2, real, degree=2)
    told = read(np.linspace(-0.2, 0.6, 200))
    assert (np.diff(told) >= 0).all() and told[0] == 0
