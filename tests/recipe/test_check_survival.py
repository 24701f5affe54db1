"""What the recipe check says of survival: curves that nothing gives, and objectives of other tasks."""

from __future__ import annotations

import pytest

from preceptor.core.errors import RecipeError
from preceptor.recipe.load import load_recipe

RECIPE = """
study: soon
cohort: {phantoms: {task: survival, label: death}}
split: {by: patient, train: 0.7, tune: 0.1, test: 0.2}
task: {survival: {time: death_time, event: death_event, times: [6, 12]}}
network: cnn
objective: OBJECTIVE
safeguards: [SAFEGUARDS]
evaluate: [concordance, survival_brier]
"""


def codes(tmp_path, objective: str, safeguards: str = "") -> list[str]:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE.replace("OBJECTIVE", objective).replace("SAFEGUARDS", safeguards), encoding="utf-8")
    return [problem.code for problem in load_recipe(path).warnings]


def test_curves_that_nothing_gives_are_told(tmp_path):
    assert "no_curves" in codes(tmp_path, "cox")
    assert "no_curves" not in codes(tmp_path, "cox", "baseline_hazard")
    assert "no_curves" not in codes(tmp_path, "logistic_hazard")


@pytest.mark.parametrize("objective", ["cross_entropy", "mean_squared_error", "gaussian", "binary_cross_entropy"])
def test_objectives_of_other_tasks_are_refused(objective, tmp_path):
    with pytest.raises(RecipeError):
        codes(tmp_path, objective)


def test_what_looks_across_a_batch_is_not_accumulated(tmp_path):
    with pytest.raises(RecipeError):
        codes(tmp_path, "cox\ntrain: {accumulate: 2}")
