"""The check of follow-up: silent on what can be trained on, and one sentence for each thing that can't."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from preceptor.core.cohort import Case, Cohort
from preceptor.intake.checks.follow_up import FollowUp
from preceptor.learn.tasks.survival import Survival

TASK = Survival(time="months", event="death", times=[6, 12], unit="months")


def cohort(cases: int = 200, **changes) -> Cohort:
    """`changes`: ``{column: {case number: value}}``."""
    rng = np.random.default_rng(0)
    made = []
    for number in range(cases):
        labels = {"months": float(rng.uniform(1, 30)), "death": int(rng.integers(2))}
        labels |= {name: values[number] for name, values in changes.items() if number in values}
        made.append(Case(f"c{number}", {}, labels=labels, role=("train", "test")[number % 4 == 0]))
    return Cohort(tuple(made), Path())


def codes(given: Cohort, task: Survival = TASK) -> dict[str, str]:
    return {problem.code: problem.severity for problem in FollowUp()(given, {}, task)}


def everywhere(value, cases: int = 200) -> dict:
    return dict.fromkeys(range(cases), value)


def test_silent_on_a_cohort_that_can_be_trained_on():
    assert codes(cohort()) == {}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"months": {3: -2.0, 5: -1.0}}, {"follow_up_value": "error"}),
        ({"death": {3: 2}}, {"follow_up_value": "error"}),
        ({"death": everywhere(0)}, {"no_event": "error", "no_event_tested": "warning"}),
        ({"death": dict.fromkeys((n for n in range(200) if n % 4), 0)}, {"no_event": "error"}),
        ({"death": dict.fromkeys(range(0, 200, 4), 0)}, {"no_event_tested": "warning"}),
        ({"months": {7: None, 9: None}}, {"follow_up_half": "warning"}),
        ({"months": everywhere(3.0)}, {"time_beyond_follow_up": "error"}),
    ],
)
def test_names_what_is_wrong(changes, expected):
    assert codes(cohort(**changes)) == expected


def test_every_case_of_one_fault_is_named_in_one_problem():
    (problem,) = FollowUp()(cohort(months={3: -2.0, 5: -1.0}), {}, TASK)
    assert problem.cases == ("c3", "c5") and "2 cases" in problem.what


def test_few_events_are_a_warning_and_the_number_a_setting():
    small = cohort(40)
    assert codes(small) == {"few_events": "warning"}
    assert FollowUp(least_events=5)(small, {}, TASK) == []


def test_an_external_cohort_is_one_to_be_tested():
    elsewhere = cohort(death=dict.fromkeys(range(0, 200, 4), 0))
    outside = [case for case in elsewhere if case.role == "test"]
    for event, expected in ((0, {"no_event_tested": "warning"}), (1, {})):
        last = replace(outside[-1], role="external", labels={**outside[-1].labels, "death": event})
        cases = (*(case for case in elsewhere if case.key != last.key), last)
        assert codes(replace(elsewhere, cases=cases)) == expected


def test_says_nothing_of_other_tasks():
    from preceptor.learn.tasks.classification import Classification

    assert FollowUp()(cohort(months={3: -2.0}), {}, Classification(["a", "b"])) == []
