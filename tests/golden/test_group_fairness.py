"""Known answers of fairness: gaps of thresholded answers, weights that make group and class independent, group DRO."""

from __future__ import annotations

import numpy as np
import pytest

from preceptor.maths import group_fairness

PROBABILITY = np.array([0.9, 0.7, 0.4, 0.2, 0.8, 0.3, 0.55, 0.6, 0.1, 0.45])
TRUTH = np.array([1.0, 1, 0, 0, 1, 1, 0, 1, 1, 0])
GROUP = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2])


def _gaps(threshold: float) -> dict[str, float]:
    found = group_fairness.rates(TRUTH, (threshold <= PROBABILITY).astype(float))
    shares = {name: [group_fairness.share(rate, group == GROUP) for group in range(3)] for name, rate in found.items()}
    return shares | {f"{name} gap": group_fairness.spread(each).gap for name, each in shares.items()}


@pytest.mark.answer("L8.1")
@pytest.mark.parametrize(
    ("threshold", "selection", "true_positive", "false_positive", "gaps"),
    [
        (0.5, [0.5, 0.666667, 0.333333], [1, 0.5, 0.5], [0, 1, 0], (0.333333, 0.5, 1)),
        (0.35, [0.75, 0.666667, 0.666667], [1, 0.5, 0.5], [0.5, 1, 1], (0.083333, 0.5, 0.5)),
    ],
)
def test_rates_of_groups_and_their_gaps(threshold, selection, true_positive, false_positive, gaps):
    found = _gaps(threshold)
    assert found["selection"] == pytest.approx(selection, abs=1e-6)
    assert found["true_positive"] == pytest.approx(true_positive, abs=1e-6)
    assert found["false_positive"] == pytest.approx(false_positive, abs=1e-6)
    names = ("selection gap", "true_positive gap", "false_positive gap")
    assert [found[name] for name in names] == pytest.approx(gaps, abs=1e-6)


@pytest.mark.answer("L8.1")
@pytest.mark.parametrize(("threshold", "difference"), [(0.5, 1.0), (0.35, 0.5)])
def test_equalised_odds_is_the_larger_gap_of_the_two_rates(threshold, difference):
    found = _gaps(threshold)
    assert max(found[f"{name} gap"] for name in group_fairness.CRITERIA["equalised_odds"]) == pytest.approx(difference)
