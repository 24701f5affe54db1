"""Labels from reports: sentence by sentence, and how often the rules err."""

from __future__ import annotations

import time

import numpy as np
import pytest

from preceptor.core.errors import CohortError
from preceptor.intake.reports.rereading import draw_sample, estimate_error
from preceptor.intake.reports.rules import Labeller

LABELLER = Labeller(
    {
        "effusion": ["pleural effusion", "pleural effusions", "effusion", "effusions"],
        "pneumothorax": ["pneumothorax"],
        "pneumonia": ["pneumonia", "pneumonic infiltrate"],
        "edema": ["edema", "vascular congestion"],
        "mass": ["mass", "masses"],
    }
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Small left pleural effusion.", {"effusion": "present"}),
        ("No pleural effusion or pneumothorax.", {"effusion": "absent", "pneumothorax": "absent"}),
        (
            "No focal consolidation, pleural effusion, or pneumothorax.",
            {"effusion": "absent", "pneumothorax": "absent"},
        ),
        ("No pneumothorax, small left effusion.", {"pneumothorax": "absent", "effusion": "present"}),
        ("No pneumothorax but a large effusion is seen.", {"pneumothorax": "absent", "effusion": "present"}),
        ("Lungs are clear without edema. There is pneumonia.", {"edema": "absent", "pneumonia": "present"}),
        ("Possible pneumonia.", {"pneumonia": "uncertain"}),
        ("Pneumonia cannot be excluded.", {"pneumonia": "uncertain"}),
        ("Pneumonia is not ruled out.", {"pneumonia": "uncertain"}),
        ("Effusion or edema cannot be excluded.", {"effusion": "uncertain", "edema": "uncertain"}),
        ("Opacity may represent pneumonia or edema.", {"pneumonia": "uncertain", "edema": "uncertain"}),
        ("The effusion has resolved.", {"effusion": "absent"}),
        ("Pneumothorax is not seen.", {"pneumothorax": "absent"}),
        ("NO\nPLEURAL   EFFUSION", {"effusion": "absent"}),
        ("Massive heart, biomass.", {}),
        ("No effusion. Later in the day a new effusion.", {"effusion": "present"}),
        ("No effusion seen; trace effusion is possible.", {"effusion": "uncertain"}),
        (
            "INDICATION: rule out pneumonia. FINDINGS: Mild edema. IMPRESSION: No mass.",
            {"edema": "present", "mass": "absent"},
        ),
        ("HISTORY: pneumonia last year.", {}),
        # What looks like a negation and is none.
        ("No change in the effusion.", {"effusion": "present"}),
        (
            "No significant interval change in the effusion, no pneumothorax.",
            {"effusion": "present", "pneumothorax": "absent"},
        ),
        ("Without appreciable change, the edema persists.", {"edema": "present"}),
        ("The mass has not changed and pneumonia is seen.", {"mass": "present", "pneumonia": "present"}),
        ("There is not only an effusion but also edema.", {"effusion": "present", "edema": "present"}),
        ("Effusion has not resolved.", {"effusion": "present"}),
        ("No improvement of the pneumonia.", {"pneumonia": "present"}),
        # Two negations.
        ("The left base is not without effusion.", {"effusion": "present"}),
        ("The lungs are not free of edema.", {"edema": "present"}),
        ("Effusion is not absent.", {"effusion": "present"}),
        # Doubt, not denial.
        ("We cannot exclude a small effusion.", {"effusion": "uncertain"}),
        ("The film does not exclude pneumonia.", {"pneumonia": "uncertain"}),
        ("Pneumonia is unlikely.", {"pneumonia": "uncertain"}),
        ("Pneumonia cannot be completely excluded.", {"pneumonia": "uncertain"}),
        # How far a negation reaches.
        (
            "Without evidence of pneumothorax, effusion or edema but mass in the left apex.",
            {"pneumothorax": "absent", "effusion": "absent", "edema": "absent", "mass": "present"},
        ),
        ("No pneumothorax; effusion on the left.", {"pneumothorax": "absent", "effusion": "present"}),
        ("No evidence of mass. Edema.", {"mass": "absent", "edema": "present"}),
        ("Neither effusion nor pneumothorax.", {"effusion": "absent", "pneumothorax": "absent"}),
        ("Edema without effusion.", {"edema": "present", "effusion": "absent"}),
        (
            "Effusion, pneumothorax and edema are not seen.",
            {"effusion": "absent", "pneumothorax": "absent", "edema": "absent"},
        ),
        ("No pneumothorax, effusion persists.", {"pneumothorax": "absent", "effusion": "present"}),
        (
            "No pneumothorax, effusion, or edema is present.",
            {"pneumothorax": "absent", "effusion": "absent", "edema": "absent"},
        ),
        ("Edema versus pneumonia.", {"edema": "uncertain", "pneumonia": "uncertain"}),
        ("Mass is present, pneumothorax is absent.", {"mass": "present", "pneumothorax": "absent"}),
        ("", {}),
    ],
)
def test_what_reports_say(text, said):
    assert {label: each for label, each in LABELLER.read(text).items() if each} == said


def test_a_cue_after_a_mention_reaches_back_over_six_words():
    labeller = Labeller({"effusion": ["effusion"]})
    assert labeller.read("Effusion in the lower chest is excluded.")["effusion"] == "absent"
    assert labeller.read("Effusion in the left lower chest is excluded.")["effusion"] == "present"


def test_a_longer_phrase_is_not_the_shorter_one():
    labeller = Labeller({"mass": ["mass"], "nothing": ["mass effect"]})
    assert labeller.read("There is mass effect.") == {"mass": None, "nothing": "present"}
    assert labeller.read("Mass with mass effect.") == {"mass": "present", "nothing": "present"}


@pytest.mark.parametrize(
    "piece", ["no effusion, ", "effusion, ", "effusion and ", "history: ", "findings: history: ", "no ", "."]
)
def test_what_is_no_sentence_takes_no_time(piece):
    begun = time.process_time()
    LABELLER.read(piece * 2000)
    assert time.process_time() - begun < 5


def test_a_phrase_may_deny_by_itself():
    labeller = Labeller({"big": ["cardiomegaly"]}, {"big": ["heart size is normal"]})
    assert labeller.read("Heart size is  normal.") == {"big": "absent"}
    assert labeller.read("Heart size is not normal.") == {"big": None}
    assert labeller.read("Heart size is normal. Later: cardiomegaly.") == {"big": "present"}
    with pytest.raises(CohortError):
        Labeller({"big": ["cardiomegaly"]}, {"other": ["fine"]})


def test_phrases_are_text_and_not_expressions():
    assert Labeller({"odd": ["a.b", "(x"]}).read("axb is here") == {"odd": None}
    for wrong in ({}, {"mass": []}, {"mass": [" "]}):
        with pytest.raises(CohortError):
            Labeller(wrong)


def made(seed, number=4000, error=None):
    """Verdicts of rules and the truth behind them, with an error share for each verdict."""
    rng = np.random.default_rng(seed)
    error = error or {"present": 0.1, "absent": 0.04, "uncertain": 0.4, None: 0.01}
    said = dict(
        zip(
            map(str, range(number)),
            rng.choice(["present", "absent", "uncertain", None], number, p=[0.2, 0.4, 0.05, 0.35]),
            strict=True,
        )
    )
    other = {"present": "absent", "absent": "present", "uncertain": "present", None: "present"}
    truth = {key: other[value] if rng.random() < error[value] else value for key, value in said.items()}
    return said, truth


def test_the_interval_holds_the_truth():
    """A hundred samples of 60 reports a verdict: the share of all reports that are wrong lies inside in 95, roughly."""
    held = 0
    for seed in range(100):
        said, truth = made(seed)
        drawn = draw_sample(said, 60, seed)
        estimate = estimate_error(said, {key: truth[key] for key in drawn})
        wrong = np.mean([said[key] != truth[key] for key in said])
        held += estimate.low <= wrong <= estimate.high
        assert estimate.low <= estimate.error <= estimate.high
    assert 88 <= held <= 100


def test_a_sample_weighs_verdicts_by_how_often_they_were_given():
    said, truth = made(1, error={"present": 0.0, "absent": 0.0, "uncertain": 1.0, None: 0.0})
    drawn = draw_sample(said, 50)
    assert len(drawn) == len(set(drawn)) == 200 and drawn == draw_sample(said, 50) != draw_sample(said, 50, seed=1)
    estimate = estimate_error(said, {key: truth[key] for key in drawn})
    share = np.mean([value == "uncertain" for value in said.values()])
    assert estimate.error == pytest.approx(share) and estimate.by_said["uncertain"][:2] == (50, 50)
    assert estimate.high > estimate.error, "no error among 150 is not none among all"
    whole = estimate_error(said, truth)
    assert whole.low == pytest.approx(whole.high) == pytest.approx(share), "all were read: nothing is left to estimate"
    with pytest.raises(CohortError):
        estimate_error(said, {key: truth[key] for key in drawn if said[key] != "absent"})
