"""Gates hold only on numbers that are there."""

from __future__ import annotations

import pytest

from preceptor.core.evidence import Evidence, Finding
from preceptor.core.slots import build

DICE = Finding(
    "dice",
    0.90,
    "overlap",
    interval=(0.87, 0.92),
    parts={
        "anterior": Finding("dice.anterior", 0.91, "overlap", interval=(0.89, 0.93)),
        "odd": Finding("dice.odd", float("nan"), "overlap"),
    },
)
ERROR = Finding("mean_absolute_error", 3.0, "error", interval=(2.5, 3.6), unit="years")
EVIDENCE = Evidence({"dice": DICE, "mean_absolute_error": ERROR})


@pytest.mark.parametrize(
    ("gate", "settings", "passes"),
    [
        ("at_least", {"finding": "dice", "value": 0.87}, True),
        ("at_least", {"finding": "dice", "value": 0.88}, False),
        ("at_least", {"finding": "dice", "value": 0.90, "bound": "value"}, True),
        ("at_least", {"finding": "dice.anterior", "value": 0.88}, True),
        ("at_least", {"finding": "dice.odd", "value": 0.0}, False),
        ("at_least", {"finding": "dice.odd", "value": 0.0, "bound": "value"}, False),
        ("at_least", {"finding": "roc", "value": 0.0}, False),
        ("at_least", {"finding": "dice.posterior", "value": 0.0}, False),
        ("at_most", {"finding": "mean_absolute_error", "value": 3.6}, True),
        ("at_most", {"finding": "mean_absolute_error", "value": 3.5}, False),
        ("at_most", {"finding": "mean_absolute_error", "value": 3.0, "bound": "value"}, True),
        ("at_most", {"finding": "dice.odd", "value": 9.0}, False),
        ("at_most", {"finding": "roc", "value": 9.0}, False),
    ],
)
def test_a_bound_is_met_or_not(gate, settings, passes):
    verdict = build("gates", {gate: settings})(EVIDENCE)
    assert verdict.passed is passes and verdict.gate == gate


def test_the_sentence_holds_the_numbers():
    low = build("gates", {"at_least": {"finding": "dice", "value": 0.88}})(EVIDENCE)
    assert low.sentence == "the lower end of the 95 % interval of dice is 0.87, below 0.88"
    high = build("gates", {"at_most": {"finding": "mean_absolute_error", "value": 3.5}})(EVIDENCE)
    assert high.sentence == "the upper end of the 95 % interval of mean_absolute_error is 3.6 years, above 3.5 years"
    missing = build("gates", {"at_least": {"finding": "roc", "value": 0.5}})(EVIDENCE)
    assert missing.sentence == "there is no finding 'roc' to compare with 0.5"


@pytest.mark.parametrize(
    ("problem", "passes"),
    [
        ({"code": "leaked_patients", "what": "2 people", "severity": "error"}, False),
        ({"code": "duplicates_across_split", "what": "a copy", "severity": "warning"}, False),
        ({"code": "patient_ids_alike", "what": "2 ids", "severity": "error"}, False),
        ({"code": "patient_ids_alike", "what": "2 ids", "severity": "warning"}, True),
        ({"code": "duplicates_across_patients", "what": "a copy", "severity": "warning"}, True),
    ],
)
def test_a_leak_that_a_check_reported_closes_the_gate(problem, passes):
    verdict = build("gates", "no_leak")(Evidence({}, problems=(problem,)))
    assert verdict.passed is passes
    assert passes or problem["what"] in verdict.sentence
