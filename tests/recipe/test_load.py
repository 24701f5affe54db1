"""From a file to a recipe: defaults written back, every fault at once, each where it stands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from preceptor.core.errors import RecipeError
from preceptor.recipe.load import load_recipe

from .writing import RIGHT, load, problems


def test_defaults_are_written_back_from_the_constructors(tmp_path):
    recipe = load(tmp_path)
    assert recipe.study == "small"
    assert recipe.network["unet"]["channels"] == [4, 8, 16]
    assert recipe.network["unet"]["norm"] == "instance"
    assert [next(iter(each)) for each in recipe.objective] == ["dice", "cross_entropy"]
    assert recipe.objective[0]["dice"]["denominator"] == "plain"
    assert recipe.strategy == {"once": {}}
    assert recipe.train.batch_size == 4
    assert recipe.train.optimizer == {"adamw": {"lr": 0.001, "weight_decay": 0.01, "betas": [0.9, 0.999]}}
    assert recipe.folder == tmp_path.resolve()


def test_nested_plug_ins_are_filled_to_the_bottom(tmp_path):
    recipe = load(tmp_path, RIGHT, "strategy={k_fold: {folds: 3, each: {ensemble: {members: 2}}}}", "split.test=0.2")
    inner = recipe.strategy["k_fold"]["each"]["ensemble"]
    assert inner == {"members": 2, "each": {"once": {}}}


def test_the_study_is_the_files_name_where_none_is_given(tmp_path):
    assert load(tmp_path, RIGHT.replace("study: small\n", "")).study == "recipe"


def test_one_plug_in_may_stand_without_its_brackets(tmp_path):
    assert (
        load(tmp_path, RIGHT.replace("[dice, cross_entropy]", "dice")).objective
        == load(tmp_path, RIGHT.replace("[dice, cross_entropy]", "[{dice: null}]")).objective
    )


def test_every_fault_is_told_at_once_with_its_line(tmp_path):
    text = (
        RIGHT.replace("seed: 7", "seed: seven")
        .replace("unet:", "unett:")
        .replace("epochs: 3", "epochs: 0")
        .replace("test: 0.2", "test: 0.3")
        + "evalaute: [dice]\n"
    )
    found = {(problem.code, problem.where) for problem in problems(tmp_path, text)}
    assert found == {
        ("parameter_type", "recipe.yaml:2"),
        ("split_sum", "recipe.yaml:4"),
        ("plugin_unknown", "recipe.yaml:6"),
        ("parameter_bounds", "recipe.yaml:8"),
        ("section_unknown", "recipe.yaml:9"),
    }


def test_the_nearest_right_name_is_offered(tmp_path):
    remedies = [problem.remedy for problem in problems(tmp_path, RIGHT.replace("unet:", "U-Net:"))]
    assert remedies == ["did you mean 'unet'?"]


def test_a_fault_in_an_override_names_the_override(tmp_path):
    assert [problem.where for problem in problems(tmp_path, RIGHT, "train.epochs=ten")] == ["--set train.epochs=ten"]


def test_a_network_handed_in_from_python_may_be_named(tmp_path):
    recipe = load(tmp_path, RIGHT.replace("{unet: {channels: [4, 8, 16]}}", "mine"), networks=("mine",))
    assert recipe.network == {"mine": {}}


def test_what_is_missing_is_told(tmp_path):
    codes = [problem.what for problem in problems(tmp_path, "seed: 1\n")]
    assert codes == [f"the section '{name}' is missing" for name in ("cohort", "task", "network", "objective")]


@pytest.mark.parametrize("text", ["", "- a\n", "text\n", "12\n"])
def test_what_is_no_mapping_is_refused(text, tmp_path):
    assert [problem.code for problem in problems(tmp_path, text)] == ["recipe_form"]


def test_what_is_no_text_is_refused(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_bytes(b"study: \xff\xfe\n")
    with pytest.raises(RecipeError, match="not UTF-8"):
        load_recipe(path)


def test_a_recipe_that_is_not_there_names_its_neighbours(tmp_path):
    (tmp_path / "other.yaml").touch()
    with pytest.raises(RecipeError) as caught:
        load_recipe(tmp_path / "recipe.yaml")
    assert caught.value.problem.remedy == "here lie other.yaml"


def test_very_many_faults_are_cut(tmp_path):
    found = problems(tmp_path, RIGHT + "".join(f"extra_{number}: 1\n" for number in range(80)))
    assert len(found) == 51
    assert found[-1].what == "and 30 more"


def test_a_recipe_of_pure_settings_is_refused_without_torch(tmp_path):
    """Only a plug-in that needs torch imports it: wrong settings are told in a moment."""
    (tmp_path / "recipe.yaml").write_text("train: {epochs: ten}\ntask: {segmentation: {labels: {a: 1}}}\n")
    program = (
        "import sys\nfrom preceptor.recipe.load import load_recipe\n"
        f"try:\n    load_recipe({str(tmp_path / 'recipe.yaml')!r})\n"
        "except Exception as error:\n    print(type(error).__name__)\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["RecipeError", "False"]


def test_roots_confine_every_path(tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    text = RIGHT.replace('image: "images', 'folder: ../data, image: "images')
    assert [problem.code for problem in problems(inside, text, roots=[inside])] == ["path_outside"]
    assert load(inside, text, roots=[tmp_path]).cohort["folder"]["folder"] == "../data"
    assert load(inside, text).folder == inside.resolve()


def test_the_shipped_recipes_pass_their_check():
    folder = Path(__file__).parents[2] / "recipes"
    found = sorted(folder.glob("*.yaml"))
    assert found
    for path in found:
        recipe = load_recipe(path)
        assert recipe.warnings == (), path.name
