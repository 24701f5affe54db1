"""A bundle that was sealed long ago still opens, and still says what it said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from preceptor.deliver.bundle import Bundle

HERE = Path(__file__).parent / "golden"


def test_the_first_format_stays_readable():
    told = json.loads((HERE / "v1.json").read_text())
    bundle = Bundle.open(HERE / "v1.preceptor")
    assert bundle.digest == told["digest"]
    assert bundle.question.classes == ("dark", "square")
    assert bundle.card["name"].startswith("Bright squares")
    assert 0.5 <= bundle.evidence["roc"].value <= 1
    for number, expected in enumerate(told["probability"]):
        prediction = bundle.predict(HERE / f"v1-{number}.png", device="cpu")
        np.testing.assert_allclose(prediction.probability, expected, rtol=1e-4)
        assert prediction.accepted
