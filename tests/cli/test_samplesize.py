"""``preceptor samplesize``: the answers of the formulas, patients with several images, and questions without an answer."""

from __future__ import annotations

import json

import pytest

from preceptor.cli import main
from preceptor.maths import sample_size


def asked(capsys, *command: str) -> dict:
    assert main(["samplesize", *command, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_width_is_that_of_the_whole_interval(capsys):
    said = asked(capsys, "auroc", "--expected", "0.85", "--width", "0.1", "--prevalence", "0.3")
    assert said["patients"] == sample_size.cases_for_auroc(0.85, 0.05, 0.3) == 338
    said = asked(capsys, "proportion", "--expected", "0.5", "--width", "0.2")
    assert said["patients"] == 93  # Wilson: 96 by the normal formula, less z squared


def test_a_sensitivity_needs_the_diseased_and_a_specificity_the_healthy(capsys):
    options = ("--expected", "0.9", "--width", "0.1", "--prevalence", "0.2")
    diseased, healthy = (asked(capsys, name, *options)["patients"] for name in ("sensitivity", "specificity"))
    assert diseased == pytest.approx(4 * healthy, abs=4)


def test_images_of_one_patient_count_for_fewer(capsys):
    command = ("mean", "--difference", "0.02", "--deviation", "0.06")
    one = asked(capsys, *command)
    two = asked(capsys, *command, "--images-per-patient", "2", "--correlation", "0.5")
    assert one["patients"] == one["independent_cases"] == two["independent_cases"] == 73
    assert two["design_effect"] == 1.5 and two["patients"] == 55
    same = asked(capsys, *command, "--images-per-patient", "2", "--correlation", "1")
    assert same["patients"] == 73


def test_two_models_are_compared(capsys):
    said = asked(capsys, "mcnemar", "--first-only", "0.1", "--second-only", "0.05")
    assert said["patients"] == sample_size.pairs_for_mcnemar(0.1, 0.05)
    far, near = (
        asked(capsys, "aurocs", "--first", "0.9", "--second", "0.85", "--prevalence", "0.3", "--between", each)[
            "patients"
        ]
        for each in ("0.2", "0.8")
    )
    assert near < far


@pytest.mark.parametrize(
    "command",
    [
        ("auroc", "--expected", "1.4", "--width", "0.1", "--prevalence", "0.3"),
        ("proportion", "--expected", "0.9", "--width", "0"),
        ("mcnemar", "--first-only", "0.1", "--second-only", "0.1"),
        ("mean", "--difference", "0", "--deviation", "1"),
        ("auroc", "--expected", "0.8", "--width", "0.1", "--prevalence", "0.3", "--images-per-patient", "0"),
    ],
)
def test_a_question_without_an_answer_is_told(capsys, command):
    assert main(["samplesize", *command]) == 2
    said = capsys.readouterr()
    assert "no number of patients" in said.err and not said.out
