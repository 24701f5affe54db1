"""Promises of coverage, of errors and of what is missed: kept on new cases, by group where that is promised."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas
import pytest

from preceptor.core.cohort import Sample
from preceptor.core.errors import CohortError, RecipeError, Refusal
from preceptor.core.evidence import Predictions, Question
from preceptor.core.image import Image
from preceptor.core.plugins import Prediction
from preceptor.core.slots import build
from preceptor.maths import conformal
from tests.prove.answered import NOBODY, binary, classes, numbers

LESION = Question("segmentation", "label", ("background", "lesion"), dense=True, values=(0, 1))


def nobody(role="train"):
    return iter(())


def fitted(name, predictions, **settings):
    safeguard = build("safeguards", {name: settings})
    return safeguard.with_state(safeguard.fit(predictions, nobody))


def drawn(number: int, seed: int) -> Predictions:
    """Three classes, the third of them hard; patients of two sites, the second with noisier answers."""
    rng = np.random.default_rng(seed)
    truth, site = rng.integers(0, 3, number), rng.integers(0, 2, number)
    sharpness = np.where(site == 0, 3.0, 1.0) * np.where(truth == 2, 0.4, 1.0)
    logits = rng.normal(0, 1, (number, 3)) + sharpness[:, None] * np.eye(3)[truth]
    predictions = classes(truth, np.exp(logits) / np.exp(logits).sum(1, keepdims=True))
    predictions.table["key"] = [f"{seed}-{at}" for at in range(number)]
    predictions.table["field:site"] = np.array(["A", "B"])[site]
    return predictions


def sets_of(safeguard, predictions: Predictions) -> Predictions:
    """The predictions with what the safeguard left, as a run stores it."""
    parts = []
    for row, probability in zip(predictions.table.to_dict("records"), predictions.probabilities(), strict=True):
        sample = Sample(
            row["key"], {"image": Image(np.zeros((1, 2, 2)), np.eye(4))}, fields={"site": row["field:site"]}
        )
        given = Prediction(row["key"], predictions.question, probability, sample=sample)
        parts.append({f"part:{name}": value for name, value in safeguard(given).parts.items()})
    table = pandas.concat([predictions.table, pandas.DataFrame(parts)], axis=1)
    return replace(predictions, table=table)


# ---------------------------------------------------------------- conformal sets


@pytest.mark.parametrize("score", ["lac", "aps", "raps"])
def test_every_score_covers_and_only_groups_cover_every_group(score):
    calibration, new = drawn(800, 0), drawn(700, 1)
    found = {
        by: build("evaluators", {"conformal_coverage": {"by": ["site"], "resamples": 100}})(
            sets_of(fitted("conformal", calibration, score=score, by=by, coverage=0.85), new), NOBODY
        )
        for by in (None, "class", "site")
    }
    assert all(0.81 <= each.value <= 0.90 for each in found.values())
    by_class = [found["class"].parts[f"true {name}"].value for name in "abc"]
    by_site = [found["site"].parts[f"site={name}"].value for name in "AB"]
    assert min(by_class) >= 0.79 and max(by_class) <= 0.92
    assert min(by_site) >= 0.79 and max(by_site) <= 0.91
    if score == "lac":
        overall = [found[None].parts[f"true {name}"].value for name in "abc"]
        assert min(overall) < 0.8, "on average is not for everybody"
    assert 1 < found[None].parts["set size"].value < 3
    assert 0 <= found[None].parts["single"].value < 1


def test_adaptive_sets_without_a_draw_are_larger():
    calibration, new = drawn(800, 0), drawn(300, 1)
    sizes = {
        randomised: sets_of(
            fitted("conformal", calibration, score="aps", randomised=randomised), new
        ).table["part:set_size"].mean()
        for randomised in (True, False)
    }  # fmt: skip
    assert sizes[True] < sizes[False]


def test_a_penalty_on_rank_cuts_tails():
    probability = np.array([[0.4, 0.3, 0.2, 0.1]])
    plain = conformal.aps_all_scores(probability)[0]
    found = conformal.raps_all_scores(probability, penalty=0.05, free=2)[0]
    np.testing.assert_allclose(found - plain, (0, 0, 0.05, 0.10), atol=1e-12)
    shuffled = conformal.raps_all_scores(probability[:, ::-1], penalty=0.05, free=2)[0]
    np.testing.assert_allclose(shuffled, found[::-1])


def test_the_same_case_has_the_same_set():
    safeguard = fitted("conformal", drawn(300, 0), score="aps")
    probability = np.array([0.5, 0.3, 0.2])
    once, again = (safeguard(Prediction("one", drawn(2, 0).question, probability.copy())).parts for _ in range(2))
    others = {
        tuple(safeguard(Prediction(str(at), drawn(2, 0).question, probability)).parts.values()) for at in range(99)
    }
    assert once == again and len(others) > 1


def test_a_group_never_seen_has_no_promise():
    safeguard = fitted("conformal", drawn(300, 0), by="site")
    unknown = Sample("one", {"image": Image(np.zeros((1, 2, 2)), np.eye(4))}, fields={"site": "C"})
    answer = safeguard(Prediction("one", drawn(2, 0).question, np.array([0.98, 0.01, 0.01]), sample=unknown))
    assert answer.parts["set_size"] == 3 and not answer.accepted
    known = replace(unknown, fields={"site": "A"})
    assert safeguard(Prediction("one", drawn(2, 0).question, np.array([0.98, 0.01, 0.01]), sample=known)).accepted


def test_too_few_of_a_class_and_an_unknown_field_are_told():
    few = drawn(60, 0)
    rare = replace(few, table=few.table[(few.table["truth"] != "c") | (np.arange(60) % 9 == 0)].reset_index(drop=True))
    with pytest.raises(Refusal, match="calibration patients of c") as caught:
        fitted("conformal", rare, by="class")
    assert caught.value.problem.code == "calibrate_too_few"
    with pytest.raises(Refusal) as caught:
        fitted("conformal", few, by="scanner")
    assert caught.value.problem.code == "field_unknown"
    assert not build("safeguards", {"conformal": {"by": "class"}}).suits(LESION)


def test_intervals_by_group():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1, 400) * np.where(np.arange(400) % 2, 10, 1)
    predictions = numbers(60 + noise, np.full(400, 60.0))
    predictions.table["field:site"] = np.where(np.arange(400) % 2, "B", "A")
    safeguard = fitted("conformal", predictions, by="site")
    assert safeguard.groups["B"] > 5 * safeguard.groups["A"]
    done = sets_of(safeguard, replace(predictions, table=predictions.table.assign(probability_age=60.0)))
    found = build("evaluators", {"conformal_coverage": {"resamples": 100}})(done, NOBODY)
    assert found.value == pytest.approx(0.9, abs=0.02)
    assert found.parts["width"].value == pytest.approx(sum(safeguard.groups.values()))


def test_coverage_needs_promises():
    with pytest.raises(CohortError) as caught:
        build("evaluators", "conformal_coverage")(binary([0, 1], [0.1, 0.9]), NOBODY)
    assert caught.value.problem.code == "conformal_missing"


# ---------------------------------------------------------------- what is missed


def test_controlled_risk_by_hand():
    """Nine cases: losses 0, 0.1 and 0.3 at three thresholds; (9 R + 1) / 10 is 0.1, 0.19 and 0.37."""
    losses = np.tile((0.0, 0.1, 0.3), (9, 1))
    thresholds = np.array((0.2, 0.5, 0.8))
    assert conformal.controlled_threshold(losses, thresholds, 0.37) == 0.8
    assert conformal.controlled_threshold(losses, thresholds, 0.36) == 0.5
    assert conformal.controlled_threshold(losses, thresholds, 0.1) == 0.2
    assert conformal.controlled_threshold(losses, thresholds, 0.09) is None
    one_patient = conformal.controlled_threshold(losses, thresholds, 0.37, np.zeros(9))
    assert one_patient is None, "nine images of one patient: (0 + 1) / 2 is more than was asked"
    with pytest.raises(ValueError, match="falls"):
        conformal.controlled_threshold(losses[:, ::-1], thresholds, 0.5)


def lesions(number: int, seed: int):
    """Voxels of the lesion (truth 1) have probabilities around a height that differs from case to case."""
    rng = np.random.default_rng(seed)
    keys = [f"{seed}-{at}" for at in range(number)]
    frames = []
    for key in keys:
        truth = (np.arange(200) < 60).astype(int)
        inside = np.clip(rng.normal(rng.uniform(0.3, 0.8), 0.15, 200), 0, 1)
        probability = np.where(truth == 1, inside, rng.beta(1, 12, 200))
        frames.append(pandas.DataFrame({"key": key, "truth": truth, "probability_background": 1 - probability,
                                        "probability_lesion": probability}))  # fmt: skip
    table = pandas.DataFrame({"key": keys, "cluster": keys})
    return Predictions(table, LESION, Path(), pandas.concat(frames, ignore_index=True))


def test_the_missed_share_is_kept_on_new_cases():
    safeguard = fitted("risk_control", lesions(100, 0), missed=0.1)
    missed, plain = [], []
    for _, voxels in lesions(300, 1).voxels.groupby("key"):
        probability = voxels["probability_lesion"].to_numpy()
        label = (probability > 0.5).astype(np.uint8)
        top = np.round(255 * np.maximum(probability, 1 - probability)).astype(np.uint8)
        answer = safeguard(Prediction("a", LESION, label=label, top_probability=top))
        inside = voxels["truth"].to_numpy() == 1
        missed.append((answer.label[inside] == 0).mean())
        plain.append((label[inside] == 0).mean())
        assert (answer.label >= label).all(), "it never shrinks"
        assert answer.top_probability[label == 1].tolist() == top[label == 1].tolist()
    assert np.mean(plain) > 0.3 and np.mean(missed) <= 0.12 and np.mean(missed) >= 0.05
    assert answer.parts["called_from"] == safeguard.level / 255


def test_a_new_voxels_probability_is_the_structures():
    safeguard = build("safeguards", "risk_control").with_state({"level": 100})
    given = Prediction(
        "a", LESION, label=np.array([0, 0, 1], np.uint8), top_probability=np.array([155, 156, 130], np.uint8)
    )
    answer = safeguard(given)
    assert answer.label.tolist() == [1, 0, 1] and answer.top_probability.tolist() == [100, 156, 130]


def test_too_few_lesions_are_told():
    with pytest.raises(Refusal, match="can't be promised from 5 calibration patients") as caught:
        fitted("risk_control", lesions(5, 0), missed=0.1)
    assert caught.value.problem.expected.startswith("9 or more")


def test_added_voxels_are_named_after_their_neighbours():
    structures = Question("segmentation", "l", ("b", "x", "y"), dense=True, values=(0, 1, 2))
    safeguard = build("safeguards", "risk_control").with_state({"level": 100})
    label = np.array([0, 1, 0, 0, 2, 0], np.uint8)
    top = np.array([250, 200, 130, 130, 200, 140], np.uint8)
    assert safeguard(Prediction("a", structures, label=label, top_probability=top)).label.tolist() == [0, 1, 1, 2, 2, 2]
    empty = safeguard(
        Prediction("a", structures, label=np.zeros(2, np.uint8), top_probability=np.array([130, 250], np.uint8))
    )
    assert empty.label.tolist() == [1, 0]


# ---------------------------------------------------------------- abstaining


def doubted(number: int, seed: int, images: int = 1) -> Predictions:
    """Wrong more often the more doubt there is."""
    rng = np.random.default_rng(seed)
    truth, doubt = rng.integers(0, 2, number), rng.random(number)
    wrong = rng.random(number) < 0.6 * doubt**2
    return binary(truth, np.where(truth ^ wrong, 0.8, 0.2), np.arange(number) // images, uncertainty=doubt)


def test_abstaining_keeps_the_error_and_answers_much():
    kept, answered = [], []
    for seed in range(20):
        safeguard = fitted("abstain", doubted(500, seed), error=0.1)
        new = doubted(4000, 100 + seed)
        accepted = new.table["uncertainty"].to_numpy() <= safeguard.limit
        wrong = (new.truth_index() != new.answer_index())[accepted].mean()
        kept.append(wrong <= 0.105)
        answered.append(accepted.mean())
    assert np.mean(kept) >= 0.95 and np.mean(answered) > 0.35


def test_abstaining_keeps_the_coverage():
    safeguard = fitted("abstain", doubted(499, 0), coverage=0.8)
    assert safeguard.limit == pytest.approx(0.8, abs=0.05)
    sure, torn = (Prediction("a", doubted(2, 0).question, np.array([0.9, 0.1]), uncertainty=u) for u in (0.5, 0.95))
    assert safeguard(sure).accepted and not safeguard(torn).accepted
    assert "80 % of cases are answered" in torn.reasons[0]


def test_abstaining_from_too_few_patients_is_told():
    with pytest.raises(Refusal) as caught:
        fitted("abstain", doubted(36, 0, images=2), coverage=0.95)
    assert caught.value.problem.code == "calibrate_too_few" and caught.value.problem.expected == "19 or more"
    assert fitted("abstain", doubted(38, 0, images=2), coverage=0.95).limit <= 1
    assert fitted("abstain", doubted(4, 0), coverage=1.0).limit > 1e9, "all are answered, as was asked"


def test_abstaining_by_what_the_model_does_not_know():
    predictions = doubted(99, 0)
    predictions.table["part:epistemic"] = predictions.table["uncertainty"] / 2
    safeguard = fitted("abstain", predictions, coverage=0.9, score="epistemic")
    known = Prediction("a", predictions.question, uncertainty=0.99)
    known.parts["epistemic"] = 0.1
    assert safeguard(known).accepted
    nothing = safeguard(Prediction("a", predictions.question, uncertainty=0.1))
    assert not nothing.accepted and "no epistemic" in nothing.reasons[0]


def test_abstaining_wants_one_level_and_says_what_it_can_not_keep():
    for settings in ({}, {"coverage": 0.9, "error": 0.1}):
        with pytest.raises(RecipeError) as caught:
            build("safeguards", {"abstain": settings})
        assert caught.value.problem.code == "abstain_level"
    with pytest.raises(Refusal) as caught:
        fitted("abstain", doubted(30, 0), error=0.01)
    assert caught.value.problem.code == "abstain_unreachable"
    assert not build("safeguards", {"abstain": {"error": 0.1}}).suits(numbers([1], [1]).question)
