"""Dots by case: Bland and Altman's picture of volumes and numbers, foretold by real quality, and what the page says."""

from __future__ import annotations

import re

import numpy as np
import pandas
import pytest

from preceptor.core.evidence import Finding, Predictions, Question
from preceptor.core.slots import build
from preceptor.prove.report.clouds import cloud_plots
from preceptor.prove.report.plain_words import plain_words
from preceptor.prove.report.plots import MOST_DOTS, curve_plots

from .answered import NOBODY, maps


def volumes(tmp_path, shifts):
    """Answers with so many voxels more or less than the true 4 x 4 x 4 of the anterior, and a right posterior."""
    drawn = []
    for shift in shifts:
        truth = np.zeros((12, 10, 8))
        truth[2:6, 2:6, 2:6], truth[7:10, 2:6, 2:6] = 1, 2
        answer = truth.copy()
        inside, outside = np.argwhere(truth == 1), np.argwhere(truth == 0)
        for at in outside[:shift] if shift > 0 else inside[: -shift or 0]:
            answer[tuple(at)] = 1 if shift > 0 else 0
        drawn.append((truth, answer))
    return maps(tmp_path, drawn)


def test_volumes_are_counted_in_ml_with_their_limits(tmp_path):
    shifts = np.array([4, -2, 0, 6, 2])
    predictions = volumes(tmp_path, shifts)
    finding = build("evaluators", "volume_agreement")(predictions, NOBODY)
    part = finding.parts["anterior"]
    (size,) = {
        each / shift for each, shift in zip(part.curves["differences"]["difference"], shifts, strict=True) if shift
    }
    assert finding.unit == "ml" and size == pytest.approx(0.001 * np.prod(_spacing(predictions)), rel=1e-3)
    assert part.value == pytest.approx(np.abs(shifts).mean() * size)
    assert part.parts["bias"].value == pytest.approx(shifts.mean() * size)
    low, high = part.parts["lower_limit"], part.parts["upper_limit"]
    assert high.value - low.value == pytest.approx(2 * 1.959964 * shifts.std(ddof=1) * size, rel=1e-4)
    assert "exact" in high.method and high.interval[1] - high.value > 2 * (high.value - high.interval[0])  # five cases
    assert finding.parts["posterior"].value == 0 and finding.value == pytest.approx(part.value / 2)
    told = dict(plain_words({"volume_agreement": finding}, predictions.question))
    assert re.search(
        r"volume of anterior in the answer is off by about 0\.0\d+ ml.*Of 100 single answers",
        told["volume_agreement.anterior"],
    )


def test_several_images_of_a_patient_are_resampled_together(tmp_path):
    predictions = volumes(tmp_path, [4, -2, 0, 6, 2, 1])
    table = predictions.table.assign(cluster=["a", "a", "b", "b", "c", "c"])
    predictions = Predictions(table, predictions.question, predictions.folder)
    limit = build("evaluators", "volume_agreement")(predictions, NOBODY).parts["anterior"].parts["upper_limit"]
    assert "bootstrap of 3" in limit.method and limit.clusters == 3


def test_the_picture_shows_every_case_with_bias_and_limits():
    rng = np.random.default_rng(0)
    truth = rng.normal(60, 10, 40)
    answer = truth + rng.normal(2, 5, 40)
    keys = [f"k{number}" for number in range(40)]
    table = pandas.DataFrame({"key": keys, "cluster": keys, "truth": truth, "answer": answer})
    question = Question("regression", "age", ("age",), unit="years")
    finding = build("evaluators", "regression_error")(Predictions(table, question, None), NOBODY)
    (plot,) = cloud_plots("Error", finding)
    assert plot.chart.count('data-tip="mean ') == 40 and plot.chart.count("<polygon") == 3
    assert "answer minus truth (years)" in plot.chart and "95 % of differences" in plot.caption
    assert not curve_plots("Error", finding)  # no line through the dots
    assert (
        cloud_plots("Error", Finding("x", 1.0, "", curves=finding.curves)) == []
    )  # without limits there is no picture


def test_foretold_by_real_is_a_cloud_and_many_cases_are_thinned():
    rng = np.random.default_rng(0)
    real = rng.uniform(0.3, 0.95, 1000)
    curve = {"real": real.tolist(), "foretold": (real + rng.normal(0, 0.02, 1000)).tolist()}
    finding = Finding("predicted_quality", 0.9, "", curves={"agreement": curve})
    (plot,) = cloud_plots("Predicted quality", finding)
    assert plot.chart.count("<circle") == MOST_DOTS and f"{MOST_DOTS} of 1000" in plot.caption
    assert "foretold Dice" in plot.chart and not curve_plots("Predicted quality", finding)


def _spacing(predictions):
    from preceptor.prove.maps import pairs

    return next(iter(pairs(predictions))).spacing
