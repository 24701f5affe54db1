"""Columns that tell, that repeat, and that say nothing; patients kept together."""

from __future__ import annotations

import numpy as np
import pytest

from preceptor.core.errors import CohortError
from preceptor.prove.explaining.tabular_importance import tabular_importance


def test_what_tells_is_found_and_what_repeats_is_named_once():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=300), rng.normal(size=300)
    truth = np.where(first + second + 0.3 * rng.normal(size=300) > 0, "ill", "well")
    table = np.stack([first, 3 * first + 1, second, rng.normal(size=300)], axis=1)
    found = tabular_importance(table, ["age", "months", "dose", "noise"], truth, np.arange(300) // 2, repeats=3)
    assert {"age", "months"} & set(found.selected) and not {"age", "months"} <= set(found.selected)
    assert "dose" in found.selected and "noise" not in found.selected
    assert found.mutual_information["age"] > 0.1 > found.mutual_information["noise"]
    assert found.permutation["dose"][0] > 0.05 and abs(found.permutation["noise"][0]) < 0.05
    assert found.scores["forest"] > 0.8 > found.scores["chance"] == 0.5 and "<=" in found.rules
    assert found.clusters == 150


def test_too_few_patients_are_refused():
    with pytest.raises(CohortError, match="2 patients"):
        tabular_importance(np.zeros((8, 1)), ["x"], [0, 1] * 4, [0, 1] * 4)
