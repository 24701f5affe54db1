"""I12.11: forty faults planted in one cohort are told in one run, each with its verdict; its clean twin gets none."""

from __future__ import annotations

import pytest

from preceptor.core.errors import Problem
from preceptor.core.slots import build, names
from preceptor.intake.checking import check_cohort
from preceptor.intake.cohort import build_cohort
from tests.intake.planted_faults import TABLE, TASK, Fault, Maker, Planted

#: What the faults bring with them beside their own problem: copies carry other labels, and so on.
SIDE_EFFECTS = {
    "leak",
    "duplicates_conflicting",
    "image_dark_cut",
    "image_bright_cut",
    "image_noisy",
    "image_blurred",
    "label_volume",
}


def checked(planted: Planted) -> list[Problem]:
    cohort = build_cohort(build("datasets", {"table": TABLE}, root=planted.folder))
    return check_cohort(cohort, list(names("checks")), {"given": True}, 0, build("tasks", TASK)).problems


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    planted = Maker(tmp_path_factory.mktemp("faulty") / "cohort").write(faulty=True)
    return planted, checked(planted)


def tells(problem: Problem, fault: Fault) -> bool:
    return (
        (problem.code, problem.severity) == (fault.code, fault.severity)
        and set(fault.cases) <= set(problem.cases)
        and fault.says in str(problem)
    )


@pytest.mark.slow
@pytest.mark.answer("I12.11")
def test_all_forty_are_told_in_one_run_with_their_verdict(faulty):
    planted, problems = faulty
    assert sorted(planted.faults) == list(range(1, 41))
    missed = {
        number: fault
        for number, each in planted.faults.items()
        for fault in each
        if not any(tells(problem, fault) for problem in problems)
    }
    assert missed == {}


@pytest.mark.slow
@pytest.mark.answer("I12.11")
def test_nothing_is_told_of_cases_without_a_fault(faulty):
    planted, problems = faulty
    expected = {fault.code for each in planted.faults.values() for fault in each}
    assert {problem.code for problem in problems} <= expected | SIDE_EFFECTS
    hurt = {key for each in planted.faults.values() for fault in each for key in fault.cases}
    for problem in problems:
        if problem.code != "label_positive_only":  # a fault of the column, which names whoever has it filled in
            assert set(problem.cases) <= hurt, problem
    assert all(problem.expected and problem.remedy and problem.what for problem in problems)


@pytest.mark.slow
@pytest.mark.answer("I12.11")
def test_the_clean_cohort_gets_no_verdict(tmp_path):
    planted = Maker(tmp_path / "cohort").write(faulty=False)
    assert checked(planted) == []
