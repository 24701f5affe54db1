"""Within sites, and between two models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas
import pytest

from preceptor.core.cohort import Cohort
from preceptor.core.errors import CohortError
from preceptor.core.evidence import Predictions, Question
from preceptor.maths.intervals import Resamples
from preceptor.maths.roc import auroc
from preceptor.maths.stratified_roc import stratified_auroc_statistic
from preceptor.prove.comparing.compare import compare_auroc
from preceptor.prove.evaluators.roc_within import RocWithin

NOBODY = Cohort((), Path())


def _predictions(truth, score, site, patient=None):
    patient = [f"p{i}" for i in range(len(truth))] if patient is None else patient
    table = pandas.DataFrame(
        {
            "key": [f"c{i}" for i in range(len(truth))],
            "patient": patient,
            "cluster": patient,
            "role": "test",
            "fit": "0",
            "truth": np.where(truth, "present", "absent"),
            "answer": "absent",
            "probability_absent": 1 - score,
            "probability_present": score,
            "accepted": True,
            "field:site": site,
        }
    )
    return Predictions(table, Question("classification", "finding", ("absent", "present")), Path())


def _read_the_site(cases=400, seed=0):
    """Site A is mostly positive, site B mostly negative, and the score knows the site and nothing else."""
    rng = np.random.default_rng(seed)
    site = rng.choice(["A", "B"], cases)
    truth = rng.random(cases) < np.where(site == "A", 0.9, 0.1)
    score = np.clip(np.where(site == "A", 0.8, 0.2) + 0.05 * rng.normal(size=cases), 0, 1)
    return truth, score, site


def test_a_model_that_reads_the_site_ranks_well_overall_and_by_chance_within():
    truth, score, site = _read_the_site()
    assert auroc(truth.astype(float), score) > 0.85
    within = RocWithin(field="site")(_predictions(truth, score, site), NOBODY)
    assert within.value == pytest.approx(0.5, abs=0.12)
    assert within.interval[0] < 0.5 < within.interval[1]


def test_pairs_are_counted_by_hand():
    truth = np.array([1.0, 0, 1, 0, 1])
    score = np.array([0.9, 0.1, 0.2, 0.8, 0.5])
    site = np.array(["A", "A", "B", "B", "C"])
    statistic = stratified_auroc_statistic(truth, score, site, Resamples.of(np.arange(5)))
    # A: one pair, won. B: one pair, lost. C: no pair.
    assert statistic(np.ones((5, 1)))[0] == pytest.approx(0.5)
    only_a = np.array([[1.0], [1], [0], [0], [1]])
    assert statistic(only_a)[0] == pytest.approx(1.0)
    assert np.isnan(statistic(np.array([[0.0], [0], [0], [0], [1]]))[0])


def test_sites_with_one_class_are_told():
    truth = np.array([True, False, True, True])
    found = RocWithin(field="site")(_predictions(truth, np.array([0.9, 0.1, 0.5, 0.6]), ["A", "A", "B", "B"]), NOBODY)
    assert found.value == 1.0
    assert "1 of 2 values of site" in found.notes[0]


def test_a_case_without_a_site_does_not_enter():
    truth, score = np.array([True, False, True, False]), np.array([0.9, 0.1, 0.2, 0.8])
    found = RocWithin(field="site")(_predictions(truth, score, ["A", "A", None, None]), NOBODY)
    assert found.value == 1.0
    assert found.cases == 2
    assert "2 cases without a site" in found.notes[1]


def test_an_unknown_field_is_refused():
    with pytest.raises(CohortError, match="no field 'scanner'"):
        RocWithin(field="scanner")(_predictions(np.array([True, False]), np.array([0.9, 0.1]), "A"), NOBODY)


def test_a_model_against_itself_differs_by_nothing():
    truth, score, site = _read_the_site()
    same = compare_auroc(_predictions(truth, score, site), _predictions(truth, score, site))
    assert same.value == 0
    assert same.interval == (0.0, 0.0) or same.interval is None


def test_a_paired_interval_is_narrower_than_an_unpaired_one():
    rng = np.random.default_rng(1)
    truth = rng.random(300) < 0.5
    shared = truth + rng.normal(size=300)
    first = 1 / (1 + np.exp(-(shared + 0.1 * rng.normal(size=300))))
    second = 1 / (1 + np.exp(-(shared + 0.1 * rng.normal(size=300))))
    left, right = _predictions(truth, first, "A"), _predictions(truth, second, "A")
    paired = compare_auroc(left, right)
    width = paired.interval[1] - paired.interval[0]
    flipped = compare_auroc(right, left)
    assert flipped.value == pytest.approx(-paired.value)
    values = paired.bootstrap.values
    assert width < 0.06
    assert abs(np.mean(values) - paired.value) < 0.01


def test_two_that_share_no_case_are_refused():
    truth, score, site = _read_the_site(50)
    other = _predictions(truth, score, site)
    other.table["key"] = other.table["key"] + "x"
    with pytest.raises(CohortError, match="share no case"):
        compare_auroc(_predictions(truth, score, site), other)
