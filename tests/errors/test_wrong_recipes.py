"""Wrong recipes and what is said about them, word by word."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from preceptor.recipe.load import load_recipe

from .wrong import BASES, WRONG, told

SNAPSHOTS = Path(__file__).parent / "snapshots"


@pytest.mark.parametrize("name", BASES)
def test_the_right_recipes_are_right(name, tmp_path):
    (tmp_path / "recipe.yaml").write_text(BASES[name])
    assert load_recipe(tmp_path / "recipe.yaml", roots=[tmp_path]).warnings == ()


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.name)
def test_what_is_said(wrong):
    assert wrong.snapshot() == (SNAPSHOTS / f"{wrong.name}.txt").read_text(encoding="utf-8")


def test_there_are_enough_causes_and_no_snapshot_too_many():
    codes = set()
    for wrong in WRONG:
        error = told(wrong)
        codes |= {problem.code for problem in error.problems or (error.problem,)}
    assert "" not in codes
    assert len(WRONG) >= 60
    assert len(codes) >= 40
    assert {path.stem for path in SNAPSHOTS.glob("*.txt")} == {wrong.name for wrong in WRONG}


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.name)
def test_every_message_is_one_a_person_can_act_on(wrong):
    error = told(wrong)
    for problem in error.problems or (error.problem,):
        assert re.match(r"(recipe\.yaml(:\d+)?|--set .+)$", problem.where), problem.where
        assert problem.expected or problem.remedy
        assert not problem.what.endswith(".")
        assert problem.what[0] == problem.what[0].lower() or problem.what[0].isupper()
        assert "Traceback" not in problem.what
        assert "<class" not in str(problem)
        assert "pydantic" not in str(problem).lower()
        assert len(str(problem).splitlines()) <= 12
