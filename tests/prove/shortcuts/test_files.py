"""What goes with an answer though no image shows it: order, rhythm, names and sizes of files, each named by itself."""

from __future__ import annotations

import numpy as np
import pytest

from preceptor.core.cohort import Case, Cohort
from preceptor.prove.shortcuts.files import telling_files


def cohort_of(folder, classes, size=lambda index, name: 300, file=lambda index, name: f"{index:03}.bin"):
    cases = []
    for index, name in enumerate(classes):
        path = folder / file(index, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size(index, name)))
        cases.append(Case(f"c{index:03}", {"image": file(index, name)}, labels={"label": name}))
    return Cohort(tuple(cases), folder)


def told(cohort, answers):
    return [clue.what for clue in telling_files(cohort, answers)]


@pytest.fixture
def lots():
    rng = np.random.default_rng(0)
    return [str(each) for each in rng.permutation(["ill", "well"] * 30)]


def test_a_fair_study_has_no_clue(tmp_path, lots):
    rng = np.random.default_rng(1)
    cohort = cohort_of(tmp_path, lots, size=lambda index, name: int(rng.integers(300, 400)))
    assert told(cohort, lots) == []
    assert told(cohort, list(rng.random(60))) == []


def test_each_clue_is_named(tmp_path, lots):
    heavier = cohort_of(tmp_path / "a", lots, size=lambda index, name: 300 + index % 7 + 4 * (name == "ill"))
    assert told(heavier, lots) == ["the size of the files"]
    named = cohort_of(tmp_path / "b", lots, file=lambda index, name: f"{'pos' if name == 'ill' else 'neg'}/{index}.bin")
    assert told(named, lots) == ["the names of the files"]
    assert told(cohort_of(tmp_path / "c", sorted(lots)), sorted(lots)) == ["the order of the cases"]
    turns = ["ill", "well"] * 30
    assert told(cohort_of(tmp_path / "d", turns), turns) == ["the rhythm in which the cases follow one another"]


def test_numbers_have_clues_too(tmp_path):
    ages = [float(each) for each in np.random.default_rng(2).uniform(20, 90, 60)]
    cohort = cohort_of(tmp_path, [""] * 60, size=lambda index, name: 100 + int(ages[index]))
    assert told(cohort, ages) == ["the size of the files"]
    assert told(cohort, list(range(60))) == ["the order of the cases"]


def test_chance_is_seldom_accused(tmp_path):
    rng = np.random.default_rng(3)
    cohort = cohort_of(tmp_path, ["x"] * 40, size=lambda index, name: int(rng.integers(300, 400)))
    accused = sum(bool(told(cohort, [str(each) for each in rng.integers(0, 3, 40)])) for _ in range(200))
    assert accused <= 1
