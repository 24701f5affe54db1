"""A slide's score from its tiles."""

from __future__ import annotations

import numpy as np
import pytest

from preceptor.maths.slide_scores import slide_score


def test_the_largest_the_mean_and_a_percentile_of_tiles_with_an_answer():
    values = np.array([0.0, 0.1, 0.2, 0.3, np.nan, 1.0])
    assert slide_score(values, 75) == pytest.approx((1.0, 0.32, 0.3))
    assert slide_score(values, 100).percentile == 1.0
    assert slide_score(values, 62.5).percentile == pytest.approx(0.25)


def test_no_answer_is_no_score():
    assert all(np.isnan(each) for each in slide_score(np.array([np.nan])))
