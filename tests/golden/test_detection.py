"""Known answers of detection: the free-response ROC curve."""

from __future__ import annotations

import json

import numpy as np
import pandas
import pytest

from preceptor.core.cohort import Cohort
from preceptor.core.evidence import Predictions, Question
from preceptor.core.slots import build
from preceptor.maths.detection import Marks, froc


@pytest.fixture
def marks():
    """Lesions a and b in image 0, c in image 1, none in image 2; seven marks, the third a second one on lesion a."""
    image, score = np.array([0, 0, 0, 1, 2, 0, 1]), np.array([0.9, 0.8, 0.7, 0.6, 0.55, 0.5, 0.3])
    return Marks(image, score, np.array([0, -1, 0, 2, -1, 1, -1]), np.array([0, 0, 1]), images=3)


@pytest.mark.answer("L14.12")
def test_free_response_curve_of_three_images(marks):
    curve = froc(marks)
    expected = {0.85: (1 / 3, 0), 0.6: (2 / 3, 1 / 3), 0.5: (1, 2 / 3), 0.3: (1, 1)}
    for threshold, point in expected.items():
        assert curve.at(threshold) == pytest.approx(point, abs=1e-12), threshold
    assert curve.at(0.95) == (0, 0)


@pytest.mark.answer("L14.12")
def test_the_same_three_images_as_stored_points():
    truth = [[[0, 0], [50, 0]], [[0, 0]], []]
    said = [
        [([1, 0], 0.9), ([99, 99], 0.8), ([0, 2], 0.7), ([50, 1], 0.5)],
        [([0, 1], 0.6), ([70, 70], 0.3)],
        [([5, 5], 0.55)],
    ]
    table = pandas.DataFrame(
        {
            "key": ["x", "y", "z"],
            "cluster": ["x", "y", "z"],
            "truth": [json.dumps([{"point": each} for each in image]) for image in truth],
            "answer": [json.dumps([{"point": at, "score": score} for at, score in image]) for image in said],
        }
    )
    question = Question("localisation", "truth", ("lesion",), exclusive=False, unit="mm")
    finding = build("evaluators", {"froc": {"rates": [0.3, 0.5, 0.67], "within": 3.0}})(
        Predictions(table, question, None), Cohort((), None)
    )
    assert finding.parts["at_0.3"].value == pytest.approx(1 / 3)
    assert finding.parts["at_0.5"].value == pytest.approx(2 / 3)
    assert finding.parts["at_0.67"].value == pytest.approx(1)
    assert finding.value == pytest.approx(2 / 3)
