"""Known answers of survival phantoms: what no model can rank better, and what censoring does to Harrell's number."""

from __future__ import annotations

import numpy as np
import pytest

from preceptor.maths.concordance import harrell
from preceptor.maths.survival_phantoms import (
    censoring_until,
    concordance_among,
    draw_follow_up,
    expected_concordance,
)


@pytest.mark.answer("P2.5")
def test_the_achievable_concordance_of_a_normal_risk():
    found = [expected_concordance(effect) for effect in (0.5, 1.0, 2.0, -1.0)]
    assert found == pytest.approx([0.631126619, 0.725213454, 0.828012406, 0.725213454], abs=1e-9)
    assert concordance_among(np.log([1.0, 3.0])) == pytest.approx(0.625, abs=1e-12)
    assert expected_concordance(0.0) == pytest.approx(0.5, abs=1e-12)


@pytest.mark.answer("P2.5")
@pytest.mark.parametrize("effect", [0.5, 1.0, 2.0])
def test_uncensored_draws_reach_it(effect):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        x = rng.normal(0, 1, 2000)
        time, event = draw_follow_up(rng, 0.1 * np.exp(effect * x))
        assert event.all()
        assert abs(harrell(time, event, x) - expected_concordance(effect)) <= 0.012
        assert abs(concordance_among(effect * x) - expected_concordance(effect)) <= 0.012


@pytest.mark.answer("P2.5")
def test_harrells_number_moves_with_censoring():
    found = {}
    for effect in (0.5, 1.0, 2.0):
        rng = np.random.default_rng(1)
        x = rng.normal(0, 1, 20_000)
        time, event = draw_follow_up(rng, 0.1 * np.exp(effect * x), 20.0)
        assert time.max() <= 20 and 0.52 < event.mean() < 0.57
        found[effect] = harrell(time, event, x)
    assert 0.622 <= found[0.5] <= 0.636 and 0.723 <= found[1.0] <= 0.736 and 0.841 <= found[2.0] <= 0.852
    assert found[2.0] - expected_concordance(2.0) > 0.012


@pytest.mark.answer("P2.5")
@pytest.mark.parametrize("censored", [0.1, 0.45, 0.9])
def test_as_many_are_lost_from_sight_as_were_asked_for(censored):
    rng = np.random.default_rng(2)
    hazard = 0.1 * np.exp(rng.normal(0, 1, 20_000))
    _, event = draw_follow_up(rng, hazard, censoring_until(hazard, censored))
    assert 1 - event.mean() == pytest.approx(censored, abs=0.01)
    assert censoring_until(hazard, 0.0) == np.inf
