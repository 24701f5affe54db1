"""The model card: the nine headings of Mitchell 2019, filled from what was measured, silent on nothing."""

from __future__ import annotations

import re

from preceptor.core.evidence import Evidence, Finding, Verdict
from preceptor.deliver.card import card_of, write_card
from preceptor.deliver.group import Group

MITCHELL = [
    "Model details",
    "Intended use",
    "Factors",
    "Metrics",
    "Evaluation data",
    "Training data",
    "Quantitative analyses",
    "Ethical considerations",
    "Caveats and recommendations",
]
RECIPE = {
    "study": "chest",
    "task": {"classification": {"classes": ["absent", "present"], "label": "finding"}},
    "network": {"cnn": {}},
    "safeguards": [{"temperature": {}}],
    "seed": 7,
}


def card(parts=None, interval=(0.81, 0.93), **facts):
    finding = Finding("roc", 0.876, "chance that …", interval, cases=60, clusters=60, parts=parts or {})
    evidence = Evidence({"roc": finding}, (Verdict("at_least", True, "roc: above 0.8"),), (), facts)
    expected = {"space_dims": [2], "channels": [1], "modalities": ["CR"], "spacing_mm": [0.1, 0.2]}
    group = Group.__new__(Group)
    values = {"expected": {"frontal": expected}, "members": [1, 2], "cases": {"train": 100, "tune": 20, "test": 60}}
    for name, value in values.items():
        object.__setattr__(group, name, value)
    return card_of(RECIPE, evidence, [group], {"packages": {"torch": "2.13"}})


def sections(text: str) -> dict[str, str]:
    pieces = re.split(r"^## (.*)$", text, flags=re.M)
    return dict(zip(pieces[1::2], (each.strip() for each in pieces[2::2]), strict=True))


def test_every_heading_is_there_once_with_something_below_it():
    found = sections(write_card(card()))
    assert list(found) == MITCHELL
    assert all(found.values())
    assert "| roc | 0.876 | 0.810 to 0.930 | 60 |" in found["Quantitative analyses"]
    assert "| test | 60 |" in found["Evaluation data"] and "| train | 100 |" not in found["Evaluation data"]
    assert "| train | 100 |" in found["Training data"] and "| tune | 20 |" in found["Training data"]
    assert "2D, 1 channel; CR" in found["Intended use"]
    assert "members: 2" in found["Model details"]
    assert found["Ethical considerations"].startswith("Not stated")
    assert "No group" in found["Factors"]


def test_groups_that_were_measured_are_named_and_a_rehearsal_says_so():
    parts = {"site=A": Finding("roc.site=A", 0.8, ""), "site=B": Finding("roc.site=B", 0.7, "")}
    told = write_card(card(parts, rehearsal=True))
    assert "Measured apart: site." in told and "Not for use" in told
    assert "| roc | 0.876 |  | 60 |" in write_card(card(interval=None))
