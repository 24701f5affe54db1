"""Every kind of phantom, and every question of a phantom study, written as DICOM: dciodvfy finds no error."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from preceptor.core.errors import RecipeError
from preceptor.core.slots import names, parameters, plugin
from preceptor.intake.case import open_case
from preceptor.intake.synthesis.drawn_study import Order, synthesise
from preceptor.intake.synthesis.phantom_plan import Plan
from preceptor.intake.synthesis.phantom_study import make_study

#: What has a time axis and slices: there is no image type that all readers take it from.
NOT_WRITTEN = {"cine_heart"}


def errors_of(cohort):
    """dciodvfy's errors over the first case's files."""
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy (Debian dicom3tools) is not here")
    case = cohort.cases[0]
    assert open_case(cohort.root, case).images.keys() == case.images.keys()
    sources = [cohort.root / each for each in case.images.values()]
    files = [file for each in sources for file in (sorted(each.rglob("*.dcm")) if each.is_dir() else [each])]
    assert files and all(file.suffix == ".dcm" for file in files)
    found = []
    for file in files:
        said = subprocess.run(["dciodvfy", "-new", str(file)], capture_output=True, text=True, check=False)
        found += [line for line in (said.stdout + said.stderr).splitlines() if line.startswith("Error")]
        assert said.returncode == 0
    return found


def ordered(kind):
    drawn = plugin("phantoms", kind)
    smallest = drawn.example()
    return Order({kind: {name: getattr(smallest, name) for name in parameters(drawn)}}, 1, "dicom")


@pytest.mark.parametrize("kind", sorted(set(names("phantoms")) - NOT_WRITTEN))
def test_each_kind_is_valid(kind, tmp_path):
    assert errors_of(synthesise(ordered(kind), tmp_path / "study")) == []


@pytest.mark.parametrize("kind", sorted(NOT_WRITTEN))
def test_what_can_not_be_written_is_refused(kind, tmp_path):
    with pytest.raises(RecipeError, match="DICOM is not written"):
        synthesise(ordered(kind), tmp_path / "study")


@pytest.mark.parametrize("task", ["classification", "multilabel", "regression", "segmentation", "lesion", "survival"])
def test_each_question_of_a_phantom_study_is_valid(task, tmp_path):
    plan = Plan(task=task, classes=("a", "b"), labels={"front": 1}, visits=1, size=(24, 20, 3), format="dicom")
    assert errors_of(make_study(plan, tmp_path)) == []
