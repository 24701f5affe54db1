"""What holds for every check: facts that can be kept, problems that say what to do, silence about what is well."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from preceptor.core.cohort import Case, Cohort
from preceptor.core.errors import PrepareError, Problem
from preceptor.core.slots import plugin

from .material import sample
from .plugins import each, example


def healthy(count: int = 32):
    """Cases that differ, each patient in one role, with maps of the declared values."""
    cases, opened = [], {}
    for number in range(count):
        key = f"case-{number:02d}"
        opened[key] = sample(seed=number, key=key)
        role = ("train", "train", "tune", "test")[number % 4]
        cases.append(
            Case(
                key,
                {"image": f"{key}.nii.gz"},
                f"patient-{number:02d}",
                masks={"label": f"{key}-label.nii.gz"},
                labels={"finding": ("absent", "present")[number // 4 % 2]},
                role=role,
            )
        )
    return Cohort(tuple(cases), Path("unused")), opened


def facts_of(check, cohort, opened):
    facts = {case.key: check.look(case, opened.get(case.key), None) for case in cohort}
    return json.loads(json.dumps(facts))


def task():
    return plugin("tasks", "segmentation").example()


@each("checks")
def test_says_what_it_reads(slot, name):
    assert example(slot, name).reads in ("nothing", "pixels")


@each("checks")
def test_its_facts_are_json(slot, name):
    cohort, opened = healthy()
    check = example(slot, name)
    for case in cohort:
        json.dumps(check.look(case, opened[case.key], None), allow_nan=False)
    json.dumps(check.look(cohort.cases[0], None, PrepareError("cut off", code="damaged")), allow_nan=False)


@each("checks")
def test_is_silent_about_what_is_well(slot, name):
    cohort, opened = healthy()
    check = example(slot, name)
    assert check(cohort, facts_of(check, cohort, opened), task()) == []
    assert check(cohort, facts_of(check, cohort, opened), None) == []


@each("checks")
def test_an_image_that_did_not_open_breaks_nothing(slot, name):
    cohort, opened = healthy()
    check = example(slot, name)
    error = PrepareError("the file ends early", expected="a whole file", code="damaged")
    facts = facts_of(check, cohort, opened) | {"case-03": check.look(cohort["case-03"], None, error)}
    for problem in check(cohort, facts, task()):
        assert isinstance(problem, Problem) and "case-03" in problem.cases


@each("checks")
def test_one_case_alone_can_be_checked(slot, name):
    """As `predict` does: one fact, no roles."""
    given = sample(key="new")
    cohort = Cohort((Case("new", {"image": "new.nii.gz"}, masks={"label": "m.nii.gz"}),), Path("unused"))
    check = example(slot, name)
    facts = json.loads(json.dumps({"new": check.look(cohort.cases[0], given, None)}))
    assert all(problem.severity == "warning" for problem in check(cohort, facts, task()))


@each("checks")
def test_its_problems_say_what_to_do_and_name_no_patient(slot, name):
    """A cohort with as many things wrong as fit into one: whatever is found is said in full."""
    cohort, opened = healthy()
    twin = opened["case-00"]
    leaked = [
        Case(f"twin-{role}", {"image": "twin.nii.gz"}, "MEIER^ANNA", masks={"label": "l.nii.gz"}, role=role)
        for role in ("train", "test")
    ]
    broken = sample(key="twin-train")
    broken.masks["label"].array[:] = 9
    other = sample(key="twin-test")
    other.masks["label"].array[:] = 0
    object.__setattr__(other.masks["label"], "affine_mm", np.diag([7.0, 7.0, 90.0, 1.0]))
    object.__setattr__(other.reference, "affine_mm", np.diag([1e-4, 900.0, 1.0, 1.0]))
    del twin
    cohort = cohort.with_cases([*cohort, *leaked])
    opened |= {"twin-train": broken, "twin-test": other}
    check = example(slot, name)
    facts = facts_of(check, cohort, opened)
    facts["case-05"] = check.look(
        cohort["case-05"], None, PrepareError("the file ends early", expected="a whole file", code="damaged")
    )
    for problem in check(cohort, json.loads(json.dumps(facts)), task()):
        assert problem.what and not problem.what.endswith(".") and problem.code
        assert problem.expected or problem.remedy
        assert problem.severity in ("error", "warning")
        assert "MEIER" not in f"{problem} {problem.cases}"
        assert all(key in {case.key for case in cohort} for key in problem.cases)
