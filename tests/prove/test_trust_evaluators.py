"""Whether doubt is worth something: risk and coverage, failures, foreign cases."""

from __future__ import annotations

import json

import numpy as np
import pytest

from preceptor.core.errors import CohortError, RecipeError
from preceptor.core.evidence import Question
from preceptor.core.slots import build
from preceptor.prove.case_losses import case_losses, failure_limit
from preceptor.prove.judging import judge
from tests.prove.answered import NOBODY, binary, classes, labels, maps, numbers


def measured(name, predictions, **settings):
    return build("evaluators", {name: {"resamples": 100} | settings})(predictions, NOBODY)


# ---------------------------------------------------------------- what went wrong


def test_losses_of_every_question(tmp_path):
    three = classes([0, 1, 2], [[0.6, 0.2, 0.2], [0.6, 0.2, 0.2], [0.1, 0.2, 0.7]])
    assert case_losses(three).values.tolist() == [0, 1, 0]
    unlabelled = case_losses(binary([0, 1, -1], [0.2, 0.3, 0.9])).values
    assert unlabelled[:2].tolist() == [0, 1] and np.isnan(unlabelled[2])
    several = case_losses(labels([[1, 0, np.nan], [1, 1, 0]], [[0.9, 0.9, 0.9], [0.9, 0.9, 0.1]])).values
    np.testing.assert_allclose(several, (0.5, 0))
    assert case_losses(numbers([60, 50], [57, 52])).values.tolist() == [3, 2]
    truth, half = np.zeros((4, 4, 4)), np.zeros((4, 4, 4))
    truth[:2], half[0] = 1, 1  # Dice 2 * 16 / 48 of the one structure, the other absent from both
    dense = case_losses(maps(tmp_path, [(truth, truth), (truth, half), (None, half)])).values
    np.testing.assert_allclose(dense[:2], (0, (1 - 2 / 3) / 2))
    assert np.isnan(dense[2])


def test_what_a_failure_is_must_be_said_of_a_quantity():
    years = numbers([60], [50]).question
    with pytest.raises(RecipeError) as caught:
        failure_limit(years, None, "failure_detection")
    assert caught.value.problem.code == "failure_unsaid" and "years" in caught.value.problem.expected
    assert not build("evaluators", "failure_detection").suits(years)
    assert build("evaluators", {"failure_detection": {"limit": 5.0}}).suits(years)
    assert failure_limit(Question("segmentation", "label", ("b", "a"), dense=True), None, "x") == pytest.approx(0.3)


# ---------------------------------------------------------------- risk and coverage


def test_perfect_doubt_has_no_excess_and_useless_doubt_does():
    rng = np.random.default_rng(0)
    truth = np.arange(200) % 2
    said = np.where(rng.random(200) < 0.2, 1 - truth, truth)
    wrong = said != truth
    perfect = measured("risk_coverage", binary(truth, np.where(said, 0.9, 0.1), uncertainty=wrong.astype(float)))
    useless = measured("risk_coverage", binary(truth, np.where(said, 0.9, 0.1), uncertainty=rng.random(200)))
    assert perfect.parts["excess"].value == pytest.approx(0, abs=1e-12)
    assert useless.parts["excess"].value > 0.05 and useless.value == pytest.approx(wrong.mean(), abs=0.06)
    assert perfect.parts["risk at 80 %"].value == pytest.approx(max(0, wrong.sum() - 40) / 160)
    assert useless.higher_is_better is False and useless.interval[0] <= useless.value <= useless.interval[1]
    curve = useless.curves["risk and coverage"]
    assert curve["coverage"][-1] == 1 and curve["risk"][-1] == pytest.approx(wrong.mean(), abs=1e-6)


def test_any_number_that_safeguards_left_can_rank():
    predictions = binary([0, 1, 0, 1], [0.1, 0.9, 0.6, 0.4], uncertainty=[0.4, 0.3, 0.2, 0.1])
    predictions.table["part:epistemic"] = [0.1, 0.2, 0.3, 0.4]
    found = measured("risk_coverage", predictions, scores=["uncertainty", "epistemic"])
    assert found.value == pytest.approx((2 + 2 * (np.log(2))) / 4) and found.parts["epistemic"].value < 0.2
    assert found.parts["epistemic"].parts["excess"].value == pytest.approx(0)
    with pytest.raises(CohortError) as caught:
        measured("risk_coverage", predictions, scores=["nothing"])
    assert caught.value.problem.code == "score_missing" and "epistemic" in caught.value.problem.expected


def test_patients_are_resampled_not_their_images():
    rng = np.random.default_rng(1)
    truth = np.repeat(np.arange(20) % 2, 10)
    said = np.repeat(np.where(rng.random(20) < 0.3, 0.6, 0.1), 10)
    doubt = np.repeat(rng.random(20), 10)
    alone = measured("risk_coverage", binary(truth, said, uncertainty=doubt))
    whole = measured("risk_coverage", binary(truth, said, np.repeat(np.arange(20), 10), uncertainty=doubt))
    width = [np.subtract(*each.interval[::-1]) for each in (alone, whole)]
    assert alone.value == pytest.approx(whole.value) and width[1] > 2 * width[0]


# ---------------------------------------------------------------- failures


def test_failures_are_ranked_by_doubt(tmp_path):
    truth, said = [0, 0, 1, 1], [0.1, 0.9, 0.9, 0.1]
    assert measured("failure_detection", binary(truth, said, uncertainty=[0.1, 0.9, 0.2, 0.8])).value == 1
    assert measured("failure_detection", binary(truth, said, uncertainty=[0.9, 0.1, 0.8, 0.2])).value == 0
    assert measured("failure_detection", binary(truth, said, uncertainty=[0.5] * 4)).value == 0.5
    right = measured("failure_detection", binary(truth, truth, uncertainty=[0.5] * 4))
    assert np.isnan(right.value) and any("nothing to tell apart" in note for note in right.notes)
    years = numbers([60, 60, 60], [61, 70, 59])
    years.table["uncertainty"] = [1.0, 2.0, 1.5]
    assert measured("failure_detection", years, limit=5.0).value == 1
    block = np.zeros((4, 4, 4))
    block[:2] = 1
    dense = maps(tmp_path, [(block, block), (block, np.roll(block, 1, 0)), (block, np.zeros_like(block))])
    dense.table["uncertainty"] = [0.1, 0.2, 0.3]
    assert measured("failure_detection", dense).value == 1, "only the missed one has a Dice below 0.7"


# ---------------------------------------------------------------- foreign cases


def foreign(kinds):
    predictions = binary([0] * 6, [0.1] * 6, uncertainty=[0.1, 0.2, 0.3, 0.15, 0.4, 0.5])
    predictions.table["field:kind"] = kinds
    predictions.table["part:far"] = [1.0, 2.0, 1.5, 9.0, 8.0, np.nan]
    predictions.table["accepted"] = [True, False, True, True, False, False]
    return predictions


def test_foreign_cases_by_a_field():
    predictions = foreign([None, None, None, "cells", "brain", "brain"])
    found = measured("ood", predictions, field="kind", scores=["uncertainty", "far"])
    assert found.value == pytest.approx(7 / 9) and found.parts["far"].value == 1
    assert found.parts["cells"].value == pytest.approx(1 / 3) and found.parts["brain"].value == 1
    assert found.parts["refused foreign"].value == pytest.approx(2 / 3)
    assert found.parts["refused own"].value == pytest.approx(1 / 3)
    assert any("1 case without far, counted as the most foreign" in note for note in found.parts["far"].notes)
    some = measured("ood", predictions, field="kind", foreign=["cells"])
    assert "3 foreign" not in some.notes[0] and some.notes[0] == "1 foreign, 5 own"


def test_external_cases_are_foreign_and_the_judge_hands_them_over():
    predictions = foreign([None] * 6)
    predictions.table["role"] = ["test"] * 3 + ["external"] * 3
    predictions.table["reasons"] = ""
    evidence = judge(predictions, NOBODY, [{"ood": {"resamples": 100}}, {"confusion": {"resamples": 100}}], [])
    assert evidence["ood"].value == pytest.approx(7 / 9) and "external.ood" not in evidence.findings
    assert "external.confusion" in evidence.findings, "other evaluators measure them apart"
    nobody = measured("ood", foreign([None] * 6))
    assert np.isnan(nobody.value) and any("nothing to tell apart" in note for note in nobody.notes)
    json.dumps(nobody.to_json())
