"""Numbers as sentences: the right counts, the right way round, chance told, and silence where there is no meaning."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preceptor.core.evidence import Finding, Question
from preceptor.prove.comparing.external import in_the_large
from preceptor.prove.evaluators.calibration import Calibration
from preceptor.prove.evaluators.confusion import Confusion
from preceptor.prove.evaluators.mean_absolute_error import MeanAbsoluteError
from preceptor.prove.evaluators.predictive_values import PredictiveValues
from preceptor.prove.evaluators.roc import Roc
from preceptor.prove.report.plain_words import in_plain_words, number_of_100, plain_words

from .answered import BINARY, NOBODY, binary, numbers

OUTLINES = Question("segmentation", "label", ("background", "anterior", "posterior"), dense=True)
METHOD = "bootstrap of 80 patients, 2000 resamples, BCa"


def made(value, interval=None, unit="", cases=80, clusters=80, method=METHOD) -> Finding:
    return Finding("x", value, "", interval, cases=cases, clusters=clusters, unit=unit, method=method)


@pytest.mark.parametrize(
    ("name", "finding", "question", "said"),
    [
        (
            "roc",
            made(0.943, (0.906, 0.967)),
            BINARY,
            "Of two patients, one with present and one without, the model gives the first the higher score in about 94 "
            "of 100 such pairs (likely between 91 and 97); guessing gets 50.",
        ),
        (
            "confusion.sensitivity",
            made(0.08, (0.03, 0.16)),
            BINARY,
            "Of 100 patients with present, about 8 are found and 92 missed (likely between 3 and 16).",
        ),
        (
            "confusion.specificity",
            made(0.9, None),
            BINARY,
            "Of 100 patients without present, about 90 are cleared and 10 alarmed for nothing "
            "(how far chance may move this is not known).",
        ),
        (
            "operating_point.positive_predictive_value",
            made(0.996, (0.99, 1.0)),
            BINARY,
            "Of 1000 patients that the model says have present, about 996 have it (likely between 990 and 1000), where "
            "it is as common as among these.",
        ),
        (
            "predictive_values.positive at 0.004",
            made(0.17, (0.1, 0.25)),
            BINARY,
            "Where 4 of 1\u202f000 patients have present: of 100 that the model says have it, about 17 do (likely "
            "between 10 and 25).",
        ),
        (
            "dice.anterior",
            made(0.874, (0.86, 0.89)),
            OUTLINES,
            "Were the model's outline of anterior and the expert's of one size, about 87 of every 100 voxels would lie "
            "in both (likely between 86 and 89).",
        ),
        (
            "surface_distance",
            made(2.13, (1.9, 2.4), unit="mm"),
            OUTLINES,
            "All but 5 of 100 points of the outline lie within about 2.1 mm of the expert's (likely between 1.9 mm "
            "and 2.4 mm).",
        ),
        (
            "surface_distance.assd.posterior",
            made(0.5, (0.4, 0.6), unit="mm"),
            OUTLINES,
            "A point of the outline of posterior lies about 0.5 mm from the expert's on average (likely between "
            "0.4 mm and 0.6 mm).",
        ),
        (
            "mean_absolute_error",
            made(4.25, (3.5, 5.1), unit="years"),
            Question("regression", "age", ("age",), unit="years"),
            "The model's answer is off by about 4.2 years on average (likely between 3.5 years and 5.1 years).",
        ),
        (
            "calibration",
            made(0.041, (0.02, 0.07)),
            BINARY,
            "Where the model says 30 of 100, expect about 4.1 more or fewer: so far is a told probability from what "
            "comes true, on average (likely between 2 and 7).",
        ),
        (
            "calibration_in_the_large",
            made(-0.12, (-0.18, -0.06)),
            BINARY,
            "In 100 patients the model foretells about 12 more with present than there are (likely between 6 and 18).",
        ),
        (
            "conformal_coverage.true present",
            made(0.91, (0.85, 0.95)),
            BINARY,
            "For about 91 of 100 patients with present the set that the model names holds the truth (likely between 85 "
            "and 95).",
        ),
        (
            "readers.over_reliance",
            made(0.177, (-0.2, 0.554)),
            BINARY,
            "Shown wrong advice, readers follow it in about 18 more of 100 cases than without it (anything from 20 "
            "fewer to 55 more is likely: no difference is shown).",
        ),
        (
            "change.roc",
            made(-0.08, (-0.12, -0.04)),
            BINARY,
            "Of 100 pairs of a patient with and one without, about 8 fewer are ranked rightly there (likely between 4 "
            "and 12).",
        ),
        (
            "external.roc",
            made(0.8, (0.7, 0.9), cases=12, clusters=12),
            BINARY,
            "At sites the model never saw: of two patients, one with present and one without, the model gives the first "
            "the higher score in about 80 of 100 such pairs (likely between 70 and 90); guessing gets 50. This rests on "
            "only 12 patients.",
        ),
    ],
)
def test_a_sentence(name, finding, question, said):
    assert in_plain_words(name, finding, question) == said


@pytest.mark.parametrize(
    ("name", "finding", "question"),
    [
        ("roc", made(math.nan), BINARY),
        ("calibration.log_loss", made(0.4), BINARY),
        ("calibration.brier", made(0.1), BINARY),
        ("roc.site=A", made(0.8), BINARY),
        ("average_precision", made(0.8), BINARY),
        ("operating_point.threshold", made(0.3), BINARY),
        ("dice.site=A", made(0.8), OUTLINES),
        ("surface_distance.hausdorff", made(8.0), OUTLINES),
        ("change.calibration", made(0.1), BINARY),
        ("readers.agreement.unaided", made(0.5), BINARY),
        ("brand_new_measure", made(0.5), BINARY),
    ],
)
def test_no_sentence_where_there_is_no_meaning(name, finding, question):
    assert in_plain_words(name, finding, question) is None


def test_images_are_not_called_patients():
    several = made(0.8, (0.7, 0.9), cases=240, clusters=80)
    assert in_plain_words("confusion.sensitivity", several, BINARY).startswith("Of 100 images with")
    unknown = made(0.8, (0.7, 0.9), method="bootstrap of 80 images, 2000 resamples")
    assert in_plain_words("confusion.sensitivity", unknown, BINARY).startswith("Of 100 images with")


@given(st.floats(0, 1), st.floats(0, 0.5), st.floats(0, 0.5))
def test_counts_lie_inside_their_interval_and_add_up(value, below, above):
    finding = made(value, (max(value - below, 0), min(value + above, 1)))
    said = in_plain_words("confusion.sensitivity", finding, BINARY)
    found = re.match(r"Of (\d+) .* about (\d+) are found and (\d+) missed \(likely between (\d+) and (\d+)\)", said)
    of, hits, missed, low, high = map(int, found.groups())
    assert hits + missed == of and low <= hits <= high
    assert abs(hits / of - value) <= 0.5 / of + 1e-12


def test_the_evaluators_own_findings_speak():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 120)
    predictions = binary(truth, 1 / (1 + np.exp(-2.0 * (truth - 0.5) - rng.normal(size=120))), range(120))
    findings = {
        "roc": Roc(resamples=100)(predictions, NOBODY),
        "confusion": Confusion(resamples=100)(predictions, NOBODY),
        "calibration": Calibration(resamples=100)(predictions, NOBODY),
        "predictive_values": PredictiveValues([0.02], resamples=100)(predictions, NOBODY),
        **in_the_large(predictions, resamples=100),
    }
    told = dict(plain_words(findings, BINARY))
    expected = {"roc", "confusion", "confusion.accuracy", "confusion.sensitivity", "confusion.specificity"}
    expected |= {"confusion.positive_predictive_value", "confusion.negative_predictive_value", "calibration"}
    expected |= {"calibration.observed_to_expected", "calibration_in_the_large"}
    expected |= {"predictive_values.positive at 0.02", "predictive_values.negative at 0.02"}
    assert set(told) == expected
    hits = round(100 * findings["confusion"].parts["sensitivity"].value)
    assert f"about {hits} are found and {100 - hits} missed" in told["confusion.sensitivity"]
    assert told["predictive_values.positive at 0.02"].startswith("Where 2 of 100 patients have present")
    error = MeanAbsoluteError(resamples=100)(numbers(np.arange(40.0), np.arange(40.0) + 2), NOBODY)
    words = plain_words({"mean_absolute_error": error}, Question("regression", "age", ("age",), unit="years"))
    assert words[0][1].startswith("The model's answer is off by about 2 years")


def test_small_shares_keep_their_meaning():
    assert number_of_100(0.02) == "2 of 100" and number_of_100(0.004) == "4 of 1\u202f000"
