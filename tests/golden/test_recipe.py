"""I12.1: recipes from strangers run nothing, hang nowhere, hide nothing and lead nowhere."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from preceptor.core.errors import RecipeError
from preceptor.recipe.load import load_recipe
from preceptor.recipe.paths import confine
from preceptor.recipe.report import Report
from preceptor.recipe.yaml import read_yaml

# Nine levels of nine aliases each: 9 ** 9 values for whoever expands them.
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join(['*' + old] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)

# The text of a document, and what it must be refused for.
ATTACKS = {
    "alias bomb": (BOMB, "yaml_alias"),
    "cycle": ("a: &a [*a]\n", "yaml_alias"),
    "20,000 brackets": ("[" * 20_000, "recipe_too_deep"),
    "20,000 braces": ("{a: " * 20_000, "recipe_too_deep"),
    "100,001 values": ("a: [" + "1," * 100_001 + "]\n", "recipe_too_large"),
    "two megabytes": ("# " + "x" * 2_000_000, "recipe_too_large"),
}


@pytest.mark.answer("I12.1")
@pytest.mark.parametrize("attack", ATTACKS)
def test_attacks_are_refused_within_a_second(attack, tmp_path):
    text, code = ATTACKS[attack]
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    began = time.process_time()
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert caught.value.problem.code == code
    assert time.process_time() - began < 1.0


@pytest.mark.answer("I12.1")
@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.mkdir", "!!python/object/new:os.mkdir", "!!python/name:os.mkdir", "!mkdir"]
)
def test_tags_run_nothing_and_are_refused(tag, tmp_path):
    made = tmp_path / "made"
    (tmp_path / "recipe.yaml").write_text(f"study: {tag} ['{made}']\n")
    with pytest.raises(RecipeError) as caught:
        load_recipe(tmp_path / "recipe.yaml")
    assert "yaml_tag" in {problem.code for problem in caught.value.problems}
    assert not made.exists()


@pytest.mark.answer("I12.1")
def test_a_key_that_stands_twice_is_refused_and_never_the_last_one_taken(tmp_path):
    (tmp_path / "recipe.yaml").write_text("seed: 1\nseed: 2\n")
    with pytest.raises(RecipeError) as caught:
        load_recipe(tmp_path / "recipe.yaml")
    twice = [problem for problem in caught.value.problems if problem.code == "key_twice"]
    assert [problem.where for problem in twice] == ["recipe.yaml:2"]


@pytest.mark.answer("I12.1")
def test_scalars_have_the_types_of_yaml_1_2():
    data = read_yaml("a: no\nb: 012\nc: 1:30\nd: 1e-3\ne: '1e-3'\n", "r").data
    assert data == {"a": "no", "b": 12, "c": "1:30", "d": 0.001, "e": "1e-3"}
    assert isinstance(data["d"], float)


@pytest.mark.answer("I12.1")
def test_text_is_no_number_where_a_number_is_asked(tmp_path):
    (tmp_path / "recipe.yaml").write_text("train: {clip_norm: '1e-3', epochs: 2.5}\n")
    with pytest.raises(RecipeError) as caught:
        load_recipe(tmp_path / "recipe.yaml")
    wrong = {problem.what.split()[0] for problem in caught.value.problems if "parameter" in problem.code}
    assert wrong == {"train.clip_norm", "train.epochs"}


@pytest.fixture
def house(tmp_path):
    """An allowed folder beside one that is not, with a link from the first into the second."""
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    (inside / "images").mkdir(parents=True)
    outside.mkdir()
    (outside / "secret.nii.gz").touch()
    (inside / "across").symlink_to(outside)
    (inside / "file.nii.gz").symlink_to(outside / "secret.nii.gz")
    return inside


@pytest.mark.answer("I12.1")
@pytest.mark.parametrize(
    "path",
    [
        "../outside",
        "../outside/secret.nii.gz",
        "images/../../outside",
        "images/*/../../../outside",
        "/etc",
        "/etc/passwd",
        "~/data",
        "across",
        "across/secret.nii.gz",
        "across/*.nii.gz",
        "file.nii.gz",
        "C:\\data",
        "\\\\server\\data",
    ],
)
def test_a_path_out_of_the_roots_is_refused(path, house):
    report = Report("recipe.yaml", {("cohort", "folder", "path"): "recipe.yaml:3"})
    confine({"cohort": {"folder": {"path": path}}}, house, house, [house], report)
    assert [(problem.code, problem.where) for problem in report.problems] == [("path_outside", "recipe.yaml:3")]
    assert path not in str(report.problems[0]), "a path may hold a patient's name"


@pytest.mark.answer("I12.1")
@pytest.mark.parametrize(
    "path", [".", "images", "images/*.nii.gz", "not/there/yet", "images/../images", "label", "PA|AP"]
)
def test_a_path_inside_the_roots_is_fine(path, house):
    report = Report("recipe.yaml", {})
    confine({"cohort": {"folder": {"path": path}}}, house, house, [house], report)
    assert report.problems == []


@pytest.mark.answer("I12.1")
def test_memory_stays_small():
    """In a process with 300 MB of address space beyond the interpreter's own, the bomb is refused all the same."""
    program = (
        "import resource, sys\n"
        "from preceptor.recipe.yaml import read_yaml\n"
        "from preceptor.core.errors import RecipeError\n"
        "now = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (now + 300_000_000,) * 2)\n"
        "try:\n    read_yaml(sys.stdin.read(), 'r')\n"
        "except RecipeError as error:\n    print(error.problem.code)\n"
    )
    if not Path("/proc/self/statm").exists():
        pytest.skip("address space is limited by Linux alone")
    done = subprocess.run([sys.executable, "-c", program], input=BOMB, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "yaml_alias", done.stderr
