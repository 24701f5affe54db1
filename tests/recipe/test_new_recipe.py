"""`preceptor new recipe`: what it writes passes the check as it is, and explains itself."""

from __future__ import annotations

import pytest

from preceptor.cli import main
from preceptor.core.errors import RecipeError
from preceptor.core.slots import names
from preceptor.recipe.load import load_recipe
from preceptor.recipe.new import new_recipe


@pytest.mark.parametrize("task", ["classification", "multilabel", "regression", "segmentation", "survival"])
def test_a_new_recipe_passes_its_check_without_a_warning(task, tmp_path):
    path = new_recipe(task, tmp_path / "new.yaml")
    recipe = load_recipe(path, roots=[tmp_path])
    assert next(iter(recipe.task)) == task
    assert recipe.warnings == ()
    text = path.read_text()
    assert text.count("<--") >= 5
    assert recipe.gates


def test_every_task_has_a_recipe_to_start_from(tmp_path):
    """A task without one is answered with those that have one."""
    for task in names("tasks"):
        try:
            new_recipe(task, tmp_path / f"{task}.yaml")
        except RecipeError as error:
            assert error.problem.code == "task_unknown"  # noqa: PT017
            assert "segmentation" in error.problem.expected


def test_the_command_writes_beside_and_overwrites_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["new", "recipe", "segmentation"]) == 0
    said = capsys.readouterr()
    assert said.out == "segmentation.yaml\n"
    assert "preceptor check segmentation.yaml" in said.err
    (tmp_path / "segmentation.yaml").write_text("mine")
    assert main(["new", "recipe", "segmentation"]) == 2
    assert (tmp_path / "segmentation.yaml").read_text() == "mine"
    assert main(["new", "recipe", "segmentaton"]) == 2
    assert "did you mean 'segmentation'?" in capsys.readouterr().err
