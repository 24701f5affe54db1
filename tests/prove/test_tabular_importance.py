"""Columns that tell, that repeat, and that say nothing; patients kept together."""

from __future__ import annotations

import numpy as np
import pytest

from preceptor.core.errors import CohortError
from preceptor.prove.explaining.forest_shapley import forest_shapley
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


def _forest_data(classes: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(120, 4))
    score = table[:, 0] + 0.5 * table[:, 1] * (table[:, 2] > 0)
    return table, score if classes == 0 else np.digitize(
        score, np.quantile(score, np.linspace(0, 1, classes + 1)[1:-1])
    )


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_shapley_values_add_up_to_what_the_forest_answers(classes):
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    table, truth = _forest_data(classes)
    kind = RandomForestClassifier if classes else RandomForestRegressor
    forest = kind(n_estimators=20, min_samples_leaf=2, random_state=0).fit(table[:80], truth[:80])
    for output in range(max(classes, 1)):
        shares = forest_shapley(forest, table[80:], output)
        assert shares.base + shares.values.sum(1) == pytest.approx(shares.answer, abs=1e-9)
        assert np.abs(shares.values[:, 0]).mean() > 3 * np.abs(shares.values[:, 3]).mean()


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_held_out_answers_are_taken_apart_in_the_order_of_the_cases(classes):
    table, truth = _forest_data(classes)
    table[5, 3] = np.nan
    names = ["a", "b", "c", "noise"]
    found = tabular_importance(table, names, truth, np.arange(120) // 3, is_number=not classes, repeats=1)
    assert max(found.shapley, key=found.shapley.__getitem__) == "a"
    if classes == 3:
        assert found.shares is None
        return
    assert found.shares.base + found.shares.values.sum(1) == pytest.approx(found.shares.answer, abs=1e-9)
    assert np.isnan(found.shares.features[5, 3])
    assert np.corrcoef(found.shares.answer, table[:, 0])[0, 1] > 0.5
    assert np.corrcoef(found.shares.values[:, 0], table[:, 0])[0, 1] > 0.7
