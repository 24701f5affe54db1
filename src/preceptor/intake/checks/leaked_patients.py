"""People who stand on two sides of the split."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Literal

from preceptor.core.cohort import ROLES, Case, Cohort, Sample
from preceptor.core.errors import Problem
from preceptor.core.plugins import Task

#: Sides of a split: what is fitted on one must not be measured on another.
_SIDES = {"train": 0, "tune": 0, "adapt": 0, "calibrate": 1, "test": 2, "external": 2}


class LeakedPatients:
    """People with cases in two roles, and patient ids that differ in nothing but case, spaces or leading zeros.

    A model tested on people it was trained on is measured by how well it knows them: on slices of 60 patients with
    random labels a random split reaches an accuracy of 1.0 where 0.5 is the truth.

    Raises: nothing; it returns `Problem` records. A person on both sides of the split is an ``error``; one in train
    and tune, and ids that look alike within one role, are a ``warning``.

    Source: Yagis et al. 2021, "Effect of data leakage in brain MRI classification", Scientific Reports 11:22544.

    Example:
        >>> cases = (Case("a", {}, patient="7", role="train"), Case("b", {}, patient="7", role="test"))
        >>> [problem.code for problem in LeakedPatients()(Cohort(cases, Path()), {}, None)]
        ['leaked_patients']
    """

    reads = "nothing"

    @classmethod
    def example(cls) -> LeakedPatients:
        return cls()

    def look(self, case: Case, sample: Sample | None, error: Exception | None) -> Any:
        return None

    def __call__(self, cohort: Cohort, facts: Mapping[str, Any], task: Task | None) -> list[Problem]:
        people: dict[str, list[Case]] = defaultdict(list)
        for case in cohort:
            people[case.cluster].append(case)
        leaked = [cases for cases in people.values() if len({_SIDES[role] for role in _roles(cases)}) > 1]
        shared = [cases for cases in people.values() if len(_roles(cases)) > 1 and cases not in leaked]
        return [*_in_two_roles(leaked, "error"), *_in_two_roles(shared, "warning"), *_alike(cohort)]


def _in_two_roles(people: list[list[Case]], severity: Literal["error", "warning"]) -> list[Problem]:
    if not people:
        return []
    roles = [role for role in ROLES if any(role in _roles(cases) for cases in people)]
    who = f"{len(people)} people have" if len(people) > 1 else "1 person has"
    spoilt = "every measure" if severity == "error" else "the score that training is steered by, and nothing else,"
    return [
        Problem(
            f"{who} cases in {' and '.join(roles)}: {spoilt} is too good",
            "split",
            "every case of a person in one role",
            "split by patient; with given roles, move all cases of a person to one side",
            "leaked_patients" if severity == "error" else "shared_patients",
            tuple(case.key for cases in people for case in cases),
            severity,
        )
    ]


def _roles(cases: list[Case]) -> set[str]:
    return {case.role for case in cases if case.role is not None}


def _alike(cohort: Cohort) -> list[Problem]:
    """Patient ids that become one when written plainly."""
    written: dict[str, dict[str, list[Case]]] = defaultdict(lambda: defaultdict(list))
    for case in cohort:
        if case.patient is not None:
            plain = re.sub(r"[\s_.-]+", "", case.patient).casefold()
            written[plain.lstrip("0") or plain][case.patient].append(case)
    problems = []
    for ids in written.values():
        cases = [case for each in ids.values() for case in each]
        if len(ids) > 1 and len({case.cluster for case in cases}) > 1:
            parted = len(_roles(cases)) > 1
            problems.append(
                Problem(
                    f"{len(ids)} patient ids differ only in case, spaces or leading zeros"
                    + (" and stand in different roles" if parted else ""),
                    "patient ids",
                    "one way to write an id",
                    "write the ids alike where they mean one person; read them as text, not as numbers",
                    "patient_ids_alike",
                    tuple(case.key for case in cases),
                    "error" if parted else "warning",
                )
            )
    return problems
