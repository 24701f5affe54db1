"""What holds for every safeguard: probabilities stay probabilities, refusals have reasons, what is fitted is sealed."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from preceptor.core.evidence import Question
from preceptor.core.plugins import Pass, Prediction
from preceptor.core.state import put_together, take_apart

from .material import QUESTIONS, sample, samples
from .measured import MEASURED, predictions
from .plugins import each, example

SURVIVAL = Question("survival", "death", ("death",), exclusive=False, unit="months", times=(6.0, 12.0, 24.0))


def suiting(name: str):
    """The questions it is made for; all, where it does not say."""
    safeguard = example("safeguards", name)
    says = getattr(safeguard, "suits", lambda question: True)
    return [question for question in (*QUESTIONS.values(), SURVIVAL) if says(question)]


def ready(name: str, question, folder):
    """The example, fitted where it can be."""
    safeguard = example("safeguards", name)
    if not hasattr(safeguard, "fit"):
        return safeguard
    return safeguard.with_state(fitted(safeguard, question, folder))


def fitted(safeguard, question, folder):
    """The state; what reads features is handed the plain answers to any role too."""
    given = predictions(MEASURED["time"] if question == SURVIVAL else question, folder)
    if given.features is None:
        rng = np.random.default_rng(7)
        given = replace(given, features=rng.normal(0, 1, (len(given), 1, 4)).astype(np.float32))
    if getattr(safeguard, "reads_labels", False):
        answered = [each for each in samples() if "label" in each.masks]
        table = given.table.head(1).loc[[given.table.index[0]] * len(answered)]
        table = table.assign(key=[each.key for each in answered]).reset_index(drop=True)
        labels = tuple(each.masks["label"].array[0].astype(np.uint8) for each in answered)
        given = replace(given, table=table, features=None, labels=labels)
    further = [lambda role: given] if getattr(safeguard, "reads_features", False) else []
    return safeguard.fit(given, lambda role="train": samples(), *further)


def answer(question, seed: int = 0) -> Prediction:
    rng = np.random.default_rng(seed)
    given = sample(seed=seed)
    if question.dense:
        shape = given.reference.shape
        label = given.masks["label"].array[0].copy()
        label[0, 0, 0] = 1  # a crumb
        return Prediction(
            given.key,
            question,
            label=label,
            top_probability=rng.integers(120, 256, shape).astype(np.uint8),
            doubt=rng.integers(0, 120, shape).astype(np.uint8),
            affine_mm=given.reference.affine_mm,
            uncertainty=0.1,
            sample=given,
            features=rng.normal(0, 1, (1, 4)).astype(np.float32),
        )
    count = len(question.classes)
    scores = rng.normal(0, 1, (3, count))
    if question.is_regression:
        passes = 60 + scores
    elif question.exclusive:
        passes = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    else:
        passes = 1 / (1 + np.exp(-scores))
    made = Prediction(given.key, question, passes.mean(0), uncertainty=0.1, sample=given, passes=passes)
    made.features = rng.normal(0, 1, (1, 4)).astype(np.float32)
    made.outputs = rng.normal(0, 1, (1, count)).astype(np.float32)
    return made


@each("safeguards")
def test_suits_a_question(slot, name):
    assert suiting(name)


@each("safeguards")
def test_gives_a_whole_prediction_back(slot, name, tmp_path):
    for question in suiting(name):
        before = answer(question)
        after = ready(name, question, tmp_path)(copy.deepcopy(before))
        assert isinstance(after, Prediction) and after.key == before.key and after.question == question
        assert after.accepted or after.reasons, "a refusal says why"
        if question.dense:
            assert after.label.shape == before.label.shape and after.label.max() < len(question.classes)
        else:
            assert after.probability.shape == before.probability.shape and np.isfinite(after.probability).all()
            if not question.is_regression:
                assert ((after.probability >= 0) & (after.probability <= 1)).all()
                assert not question.exclusive or abs(after.probability.sum() - 1) < 1e-6
        assert np.isnan(after.uncertainty) or 0 <= after.uncertainty <= 1
        assert all(isinstance(value, float) for value in after.parts.values())


@each("safeguards")
def test_does_the_same_twice(slot, name, tmp_path):
    for question in suiting(name):
        safeguard = ready(name, question, tmp_path)
        first, second = (safeguard(answer(question)) for _ in range(2))
        assert first.accepted == second.accepted and first.reasons == second.reasons
        np.testing.assert_array_equal(first.probability, second.probability)
        np.testing.assert_array_equal(first.label, second.label)


@each("safeguards")
def test_asks_for_passes_that_differ(slot, name):
    safeguard = example(slot, name)
    passes = safeguard.passes() if hasattr(safeguard, "passes") else []
    assert all(isinstance(each, Pass) for each in passes) and len(set(passes)) == len(passes)


@each("safeguards")
def test_recalibration_keeps_probabilities(slot, name, tmp_path):
    for question in suiting(name):
        safeguard = ready(name, question, tmp_path)
        if not hasattr(safeguard, "recalibrate") or question.is_regression:
            continue
        raw = torch.randn(2, len(question.classes), 3, 4, generator=torch.Generator().manual_seed(0))
        given = raw.softmax(1) if question.exclusive else raw.sigmoid()
        found = safeguard.recalibrate(given.clone())
        assert found.shape == given.shape and ((found >= 0) & (found <= 1)).all()
        if question.exclusive:
            torch.testing.assert_close(found.sum(1), torch.ones(2, 3, 4))
        if question.exclusive and getattr(safeguard, "keeps_answer", True):
            assert torch.equal(found.argmax(1), given.argmax(1)), "pointwise recalibration keeps the answer"
        # Pointwise: a voxel's neighbours play no part.
        torch.testing.assert_close(safeguard.recalibrate(given[:, :, :1, :1].clone()), found[:, :, :1, :1])


@each("safeguards")
def test_what_is_fitted_can_be_sealed(slot, name, tmp_path):
    if not hasattr(example(slot, name), "fit"):
        pytest.skip("nothing is fitted")
    for question in suiting(name):
        safeguard = example(slot, name)
        state = fitted(safeguard, question, tmp_path)
        tensors: dict = {}
        sealed = put_together(take_apart(state, tensors), tensors)
        one, two = safeguard.with_state(state), safeguard.with_state(sealed)
        assert one is not safeguard and type(one) is type(safeguard)
        first, second = one(answer(question)), two(answer(question))
        assert (first.accepted, first.reasons) == (second.accepted, second.reasons)
        np.testing.assert_array_equal(first.probability, second.probability)
        assert getattr(safeguard, "fit_role", "calibrate") in ("train", "tune", "calibrate", "adapt")
