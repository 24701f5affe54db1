"""What answers reach, beside what somebody reaches who never looks."""

from __future__ import annotations

import math
from types import SimpleNamespace

import nibabel
import numpy as np
import pandas
import pytest

from preceptor.core.cohort import Case, Cohort
from preceptor.core.errors import CohortError
from preceptor.core.evidence import Predictions, Question
from preceptor.prove import chance as module
from preceptor.prove.chance import reached

from . import answered


def beyond(predictions, *ways):
    """How often who guesses by any of some ways gets beyond what luck may reach."""
    found = [reached(predictions(way), None, None) for way in ways]
    return np.mean([each.score > each.chance + each.beyond for each in found])


def test_classes_count_alike_however_common_they_are():
    truth = ["a"] * 90 + ["b"] * 10
    table = {"truth": truth, "answer": ["a"] * 100, "role": "test"}
    question = Question("classification", "kind", ("a", "b", "c"))
    found = reached(Predictions(pandas.DataFrame(table), question, None), None, None)
    assert (found.measure, found.score, found.chance) == ("balanced accuracy", 0.5, pytest.approx(1 / 3))
    assert found.beyond == pytest.approx(1.5 * 1.96 * math.sqrt(2 / 9 / 100))


def test_of_labels_those_absent_count_as_those_present():
    truth = np.array([[1, 0], [0, 0], [0, 1], [0, np.nan]])
    says_yes = answered.labels(truth, np.ones((4, 2)))
    says_truth = answered.labels(truth, np.nan_to_num(truth))
    assert reached(says_yes, None, None)[1:3] == (0.5, 0.5)
    found = reached(says_truth, None, None)
    assert found.score == 1 and found.beyond == pytest.approx(1.5 * 1.96 * math.sqrt(0.25 / 8))


def test_numbers_are_explained_as_a_share_of_their_variance():
    truth = np.array([10.0, 20.0, 30.0, 40.0])
    assert reached(answered.numbers(truth, truth), None, None).score == 1
    constant = reached(answered.numbers(truth, np.full(4, 25.0)), None, None)
    assert constant.score == pytest.approx(0) == constant.chance
    assert reached(answered.numbers(truth, truth + 5), None, None).score == pytest.approx(1 - 25 / 125)


def test_who_guesses_the_order_of_events_seldom_gets_beyond_luck_and_who_knows_it_does():
    question = Question("survival", "death", ("death",), exclusive=False, times=(1.0,))

    def followed(seed, share=0.0):
        rng = np.random.default_rng(seed)
        time, event = rng.exponential(size=60), (rng.random(60) < 0.7).astype(float)
        risk = rng.normal(size=60) * (1 - share) - share * time
        table = {"truth_time": time, "truth_event": event, "answer": risk, "role": "test"}
        return Predictions(pandas.DataFrame(table), question, None)

    assert beyond(followed, *range(300)) <= 0.02
    known = reached(followed(0, 1.0), None, None)
    assert known.score == 1 and known.chance == 0.5 and 0.05 < known.beyond < 0.25


def test_a_region_that_is_the_same_in_all_cases_needs_no_look(tmp_path):
    """Four of eight pixels are marked in every case, and one more: in test cases always the last, which nobody can know."""
    cases = []
    for number in range(8):
        mask = np.zeros((8, 1, 1), np.uint8)
        mask[:4] = 1
        mask[7 if number > 3 else 4 + number] = 1
        nibabel.save(nibabel.Nifti1Image(mask, np.eye(4)), tmp_path / f"{number}.nii.gz")
        source = f"{number}.nii.gz"
        role = "train" if number < 4 else "test"
        cases.append(Case(f"c{number}", {"image": source}, masks={"blob": source}, role=role))
    question = Question("segmentation", "blob", ("background", "blob"), dense=True)
    task = SimpleNamespace(mask="blob", question=question, encode_mask=lambda array: array)
    assert module._best_constant(Cohort(tuple(cases), tmp_path), task) == pytest.approx(2 * 4 / (5 + 4))


def test_without_test_cases_nothing_is_reached():
    trained = answered.numbers([1.0], [1.0])
    trained.table["role"] = "train"
    with pytest.raises(CohortError) as caught:
        reached(trained, None, None)
    assert caught.value.problem.code == "no_test_cases"
