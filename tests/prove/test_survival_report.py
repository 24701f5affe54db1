"""The chart of survival by risk: what happened and what was foretold, and nothing where that is not known."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas
import pytest

from preceptor.core.evidence import Predictions, Question
from preceptor.prove.report.survival_plots import _steps, survival_plots

QUESTION = Question("survival", "death", ("death",), exclusive=False, unit="months", times=(5.0, 15.0))


def predictions(cases: int = 90, curves: bool = True) -> Predictions:
    rng = np.random.default_rng(0)
    risk = rng.normal(0, 1, cases)
    whole, lost = rng.exponential(12 / np.exp(risk)), rng.uniform(1, 40, cases)
    table = pandas.DataFrame(
        {
            "key": [f"c{i}" for i in range(cases)],
            "role": "test",
            "truth_time": np.minimum(whole, lost),
            "truth_event": (whole <= lost).astype(float),
            "answer": risk,
        }
    )
    if curves:
        table = table.assign(**{f"survival_{t:g}": np.exp(-t / 12 * np.exp(risk)) for t in QUESTION.times})
    return Predictions(table, QUESTION, Path())


def test_a_line_for_each_third_and_a_dot_for_each_time():
    (plot,) = survival_plots(predictions())
    assert len(re.findall("<polyline", plot.chart)) == 3 and len(re.findall("foretold at", plot.chart)) == 6
    told = [float(each) for each in re.findall(r"foretold at 15 ([\d.]+)", plot.chart)]
    assert told == sorted(told, reverse=True) and len(told) == 3 and all(0 < each < 1 for each in told)
    (bare,) = survival_plots(predictions(curves=False))
    assert "foretold" not in bare.caption and "foretold at" not in bare.chart


def test_the_corners_of_a_curve():
    across, up = _steps(np.array([1.0, 2.0, 3.0, 9.0]), np.array([True, False, True, False]), 5.0)
    assert across == [0.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 5.0]
    assert up == pytest.approx([1.0, 1.0, 0.75, 0.75, 0.75, 0.75, 0.375, 0.375])


def test_nothing_is_drawn_of_few_cases_or_of_another_question():
    assert survival_plots(predictions(14)) == []
    given = predictions()
    assert survival_plots(replace(given, question=Question("regression", "age", ("age",), exclusive=False))) == []
    assert survival_plots(replace(given, table=given.table.assign(truth_event=float("nan")))) == []
