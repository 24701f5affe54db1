"""The survey: one look at every image, every problem told, nothing ended by one bad file."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from preceptor.core.cohort import Case, Cohort
from preceptor.core.slots import build, names
from preceptor.intake import survey as module
from preceptor.intake.case import open_case
from preceptor.intake.survey import check_sample, survey
from preceptor.intake.synthesis.phantom_plan import Plan
from preceptor.intake.synthesis.phantom_study import make_study
from preceptor.learn.tasks.classification import Classification
from preceptor.learn.tasks.segmentation import Segmentation

STRUCTURES = Segmentation({"front": 1, "back": 2})
LESION = Segmentation({"lesion": 1})
VOLUME_OF_LESIONS = {"task": "lesion", "size": (32, 32, 8), "labels": {"lesion": 1}}


def every_check() -> list:
    return [build("checks", name) for name in names("checks")]


@pytest.fixture(scope="module")
def structures(tmp_path_factory) -> Cohort:
    return make_study(Plan(task="segmentation", visits=12, size=(20, 24, 16), seed=4), tmp_path_factory.mktemp("made"))


@pytest.mark.parametrize(
    ("settings", "task"),
    [
        ({"task": "segmentation", "size": (20, 24, 16)}, STRUCTURES),
        ({"task": "lesion", "size": (32, 32, 16), "labels": {"lesion": 1}}, Segmentation({"lesion": 1})),
        (
            {"task": "lesion", "size": (32, 32, 16), "labels": {"lesion": 1}, "format": "mixed"},
            Segmentation({"lesion": 1}),
        ),
        ({"views": ("frontal", "lateral"), "missing_views": 0.3, "format": "png", "site_effect": 1.0}, None),
        ({"size": (28, 28), "format": "png", "visits": 120}, None),
        ({"size": (32, 32, 8), "visits_per_patient": 2, "format": "mixed", "visits": 40}, None),
        ({"format": "dicom", "site_effect": 0.7}, None),
    ],
)
def test_a_sound_cohort_has_no_problem(settings, task, tmp_path):
    cohort = make_study(Plan(**{"visits": 40, "seed": 3} | settings), tmp_path)
    found = survey(cohort, every_check(), task or Classification(["absent", "present"]))
    assert [str(problem) for problem in found.problems] == []
    assert found.pairs == ()


def test_threads_change_nothing(structures):
    alone, together = (survey(structures, every_check(), STRUCTURES, workers=n) for n in (0, 3))
    assert alone.facts == together.facts
    assert alone.problems == together.problems


def test_each_image_is_opened_once_and_progress_is_told(structures, monkeypatch):
    opened, told, lock = [], [], threading.Lock()

    def counting(root, case):
        with lock:
            opened.append(case.key)
        return open_case(root, case)

    monkeypatch.setattr(module, "open_case", counting)
    survey(structures, every_check(), STRUCTURES, progress=lambda done, total: told.append((done, total)))
    assert opened == [case.key for case in structures]
    assert told == [(number + 1, 12) for number in range(12)]


def test_tables_alone_need_no_image(monkeypatch):
    monkeypatch.setattr(module, "open_case", lambda *_: pytest.fail("an image was opened"))
    cohort = Cohort((Case("a", {"image": "nowhere.png"}),), Path("nowhere"))
    assert survey(cohort, [build("checks", "leaked_patients")]).problems == []


def spoil(cohort: Cohort, tmp_path: Path) -> Cohort:
    """A copy with: a truncated file, an absent one, a failing decoder, a copy of another patient's picture."""
    import shutil

    root = tmp_path / "spoilt"
    shutil.copytree(cohort.root, root)
    by_place = [root / case.images["image"] for case in cohort]
    by_place[0].write_bytes(by_place[0].read_bytes()[:200])
    by_place[1].unlink()
    shutil.copy(by_place[2], by_place[3])
    return Cohort(cohort.cases, root)


def test_every_problem_is_told_in_one_run(structures, tmp_path):
    found = survey(spoil(structures, tmp_path), every_check(), STRUCTURES)
    keys = [case.key for case in structures]
    by_code = {problem.code: problem for problem in found.problems}
    assert by_code["truncated"].cases == (keys[0],)
    assert by_code["file_absent"].cases == (keys[1],)
    assert by_code["duplicates_across_patients"].cases == (keys[2], keys[3])
    assert [problem.severity for problem in found.problems] == sorted(problem.severity for problem in found.problems)
    assert [(pair.first, pair.second, pair.identical) for pair in found.pairs] == [(keys[2], keys[3], True)]


def test_a_decoder_that_fails_ends_nothing_and_tells_nothing(structures, monkeypatch):
    def failing(root, case):
        if case.key == structures.cases[5].key:
            raise ValueError("Doe^Jane 19400101")
        return open_case(root, case)

    monkeypatch.setattr(module, "open_case", failing)
    found = survey(structures, every_check(), STRUCTURES)
    (problem,) = found.problems
    assert problem.code == "unreadable" and problem.cases == (structures.cases[5].key,)
    assert "Doe" not in str(problem)


def test_problems_follow_the_roles_that_are_dealt_later(structures):
    found = survey(structures, every_check(), STRUCTURES)
    assert not found.problems
    one = structures.cases[0]
    twice = Case("again", one.images, one.patient, one.masks, role="test")
    first = Case(one.key, one.images, one.patient, one.masks, role="train")
    codes = {problem.code for problem in found.problems_of(Cohort((first, twice), structures.root))}
    assert "leaked_patients" in codes


def test_one_case_is_checked_as_the_cohort_was(structures):
    sample = open_case(structures.root, structures.cases[0])
    assert check_sample(sample, every_check(), STRUCTURES) == []
    from dataclasses import replace

    mask = sample.masks["label"]
    strange = replace(sample, masks={"label": mask.with_array(np.where(mask.array == 2, 7, mask.array))})
    (problem,) = check_sample(strange, every_check(), STRUCTURES)
    assert problem.code == "label_undeclared"
    unlabelled = replace(sample, masks={}, labels={})
    assert check_sample(unlabelled, every_check(), STRUCTURES) == [], "a new patient has no truth"
