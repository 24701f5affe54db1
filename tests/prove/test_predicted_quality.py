"""What was foretold without truth against the real Dice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas
import pytest

from preceptor.core.evidence import Predictions, Question
from preceptor.core.slots import build
from preceptor.prove.evaluators.predicted_quality import PredictedQuality
from preceptor.prove.measuring import Measuring
from tests.prove.answered import NOBODY, maps

QUESTION = Question("segmentation", "label", ("background", "a"), dense=True, values=(0, 1))


def compared(foretold, real, **settings):
    keys = [f"case-{at}" for at in range(len(real))]
    table = pandas.DataFrame({"key": keys, "patient": keys, "cluster": keys})
    measuring = Measuring.of(Predictions(table, QUESTION, Path()), 500, 0.95, 0)
    return PredictedQuality(**settings).compare(np.array(foretold), np.array(real), measuring)


def test_correlation_errors_and_failures():
    rng = np.random.default_rng(0)
    real = rng.uniform(0.3, 0.95, 60)
    foretold = real + 0.05 + rng.normal(0, 0.05, 60)
    foretold[7] = np.nan
    known = np.arange(60) != 7
    finding = compared(foretold, real)
    assert finding.value == pytest.approx(np.corrcoef(foretold[known], real[known])[0, 1])
    assert finding.interval[0] < finding.value < finding.interval[1]
    error = np.abs(foretold - real)
    assert finding.parts["mean_absolute_error"].value == pytest.approx(error[known].mean())
    inside = known & (real >= 0.6) & (real < 0.7)
    assert finding.parts["mean_absolute_error"].parts["0.6-0.7"].value == pytest.approx(error[inside].mean())
    assert finding.parts["bias"].value == pytest.approx((foretold - real)[known].mean())
    failed = real[known] < 0.7
    wins = foretold[known][failed][:, None] < foretold[known][~failed][None]
    assert finding.parts["failures"].value == pytest.approx(wins.mean())
    assert any("1 case without" in note for note in finding.notes)
    assert finding.curves["agreement"]["real"] == pytest.approx(real[known].tolist(), abs=1e-6)


def test_without_a_failure_the_area_is_undefined_and_says_so():
    finding = compared([0.9, 0.8, 0.85], [0.92, 0.8, 0.81]).parts["failures"]
    assert np.isnan(finding.value)
    assert any("0 failures among 3" in note for note in finding.notes)


def test_the_real_dice_is_measured_from_the_stored_maps(tmp_path):
    whole = np.zeros((12, 10, 8))
    whole[2:6, 2:6, 2:6] = 1
    half = np.where(np.arange(8) < 4, whole, 0)
    predictions = maps(tmp_path, [(whole, whole), (whole, half), (whole, np.roll(whole, 1, 0))])
    table = predictions.table.assign(**{"part:predicted_dice": [0.9, 0.7, 0.8]})
    finding = build("evaluators", "predicted_quality")(replace(predictions, table=table), NOBODY)
    assert finding.curves["agreement"]["real"] == pytest.approx([1.0, 2 / 3, 0.75], abs=1e-6)
    assert finding.value == pytest.approx(np.corrcoef([0.9, 0.7, 0.8], [1.0, 2 / 3, 0.75])[0, 1])
