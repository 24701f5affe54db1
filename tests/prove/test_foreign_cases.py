"""Safeguards against foreign images: in a run's own machinery, and on features made by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from preceptor.core.cohort import Case, Cohort, Sample
from preceptor.core.errors import Refusal
from preceptor.core.evidence import Predictions
from preceptor.core.image import Image
from preceptor.core.plugins import Prediction
from preceptor.core.slots import build
from preceptor.core.state import put_together, take_apart
from preceptor.prove.answering import Answering, fit_safeguards
from tests.learn.test_features import KIND, model_of
from tests.prove.answered import classes

FEATURES = ("mahalanobis", "nearest_neighbours")


def predictions(features, outputs=None) -> Predictions:
    count = len(features)
    return replace(classes(np.arange(count) % 3, np.full((count, 3), 1 / 3)), features=features, outputs=outputs)


def features_of(number, seed, members=1, shift=0.0):
    """Three classes on three axes of a space of eight."""
    rng = np.random.default_rng(seed)
    centres = 6 * np.eye(8)[np.arange(number) % 3]
    return (centres + shift + rng.normal(0, 1, (number, 8)))[:, None].repeat(members, 1).astype(np.float32)


def nobody(role="train"):
    return iter(())


def fitted(name, members=1, **settings):
    safeguard = build("safeguards", {name: settings})
    learnt = predictions(features_of(300, 0, members))
    held_out = predictions(features_of(199, 1, members))
    tensors: dict = {}
    state = safeguard.fit(held_out, nobody, lambda role: learnt)
    return safeguard.with_state(put_together(take_apart(state, tensors), tensors))


def asked(safeguard, features) -> list[Prediction]:
    return [safeguard(Prediction("a", KIND, np.full(3, 1 / 3), features=each)) for each in features]


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("members", [1, 2])
def test_the_share_asked_for_is_refused_and_foreign_features_are(name, members):
    safeguard = fitted(name, members, refused_share=0.1)
    own = asked(safeguard, features_of(1000, 2, members))
    assert 0.05 <= np.mean([not each.accepted for each in own]) <= 0.16
    rng = np.random.default_rng(3)
    far = asked(safeguard, -6 * rng.random((50, 1, 8)).repeat(members, 1))
    assert not any(each.accepted for each in far)
    assert all(each.parts[name] > 1 and each.reasons for each in far)


def test_the_limit_is_that_of_held_out_cases_not_of_the_training_cases():
    """Few cases and many features: training cases look near, since the distribution was made of them."""
    rng = np.random.default_rng(0)
    learnt = predictions(rng.normal(size=(60, 1, 40)).astype(np.float32))
    held_out = predictions(rng.normal(size=(99, 1, 40)).astype(np.float32))
    safeguard = build("safeguards", "mahalanobis")
    good = safeguard.with_state(safeguard.fit(held_out, nobody, lambda role: learnt))
    naive = safeguard.with_state(safeguard.fit(learnt, nobody, lambda role: learnt))
    new = rng.normal(size=(400, 1, 40)).astype(np.float32)
    refused = {key: np.mean([not each.accepted for each in asked(one, new)]) for key, one in
               (("good", good), ("naive", naive))}  # fmt: skip
    assert refused["good"] <= 0.1 < refused["naive"]


def test_each_class_has_its_own_place():
    """Between the classes there is nobody, though it is the middle of all."""
    safeguard = fitted("mahalanobis")
    middle = 2 * (np.eye(8)[:3].sum(0))[None].astype(np.float32)
    (between,) = asked(safeguard, middle[None])
    assert not between.accepted
    learnt = predictions(features_of(300, 0))
    learnt.table["truth"] = None
    one = build("safeguards", "mahalanobis")
    one = one.with_state(one.fit(predictions(features_of(199, 1)), nobody, lambda role: learnt))
    assert asked(one, middle[None])[0].accepted, "without classes there is one place for all"


def test_energy_refuses_what_is_faint():
    safeguard = build("safeguards", {"energy": {"refused_share": 0.1}})
    rng = np.random.default_rng(0)

    def outputs(number, strength):
        return strength * np.eye(3)[rng.integers(0, 3, number)][:, None] + rng.normal(0, 0.5, (number, 1, 3))

    state = safeguard.fit(predictions(np.zeros((999, 1, 1)), outputs(999, 8.0)), nobody, None)
    ready = safeguard.with_state(state)

    def refused(strength):
        made = [Prediction("a", KIND, outputs=each) for each in outputs(500, strength)]
        return np.mean([not ready(each).accepted for each in made])

    assert 0.05 <= refused(8.0) <= 0.16 and refused(2.0) == 1.0 and refused(14.0) == 0.0
    with pytest.raises(Refusal) as caught:
        safeguard.fit(predictions(np.zeros((3, 1, 1))), nobody, None)
    assert caught.value.problem.code == "outputs_missing"


@pytest.mark.parametrize("name", FEATURES)
def test_without_features_nothing_is_promised(name):
    with pytest.raises(Refusal) as caught:
        build("safeguards", name).fit(classes([0, 1], np.eye(2)), nobody, lambda role: None)
    assert caught.value.problem.code == "features_missing"
    before = Prediction("a", KIND, np.full(3, 1 / 3))
    assert fitted(name)(before).accepted, "where no case was looked into there is nothing to judge"


def test_few_training_cases_have_few_neighbours():
    safeguard = build("safeguards", {"nearest_neighbours": {"neighbours": 10, "kept": 25}})
    held_out, learnt = predictions(features_of(40, 1)), predictions(features_of(300, 0))
    state = safeguard.fit(held_out, nobody, lambda role: learnt)
    assert state["known"].shape == (25, 1, 8) and state["neighbours"] == 2


class _Store:
    """Prepared cases in memory."""

    def __init__(self, samples):
        self._samples = {sample.key: sample for sample in samples}

    def sample(self, key):
        return self._samples[key]


def test_a_run_hands_features_to_those_who_ask_and_to_nobody_else():
    model = model_of({"cnn": {"channels": [4, 8]}}, shape=(16, 16), members=2)
    rng = np.random.default_rng(0)
    images = {f"case-{i}": rng.normal(size=(1, 16, 16)).astype(np.float32) for i in range(60)}
    samples = [Sample(key, {"image": Image(each, np.eye(4))}, labels={"kind": "abc"[at % 3]})
               for at, (key, each) in enumerate(images.items())]  # fmt: skip
    cases = tuple(
        Case(each.key, {"image": "i"}, labels=each.labels, role=("train", "calibrate")[at % 2])
        for at, each in enumerate(samples)
    )
    task = build("tasks", {"classification": {"classes": ["a", "b", "c"], "label": "kind"}})
    given = [build("safeguards", name) for name in ("temperature", "mahalanobis", "energy")]
    answering = fit_safeguards(
        replace(model, question=task.question), given, Cohort(cases, Path()), _Store(samples), task, 0, lambda _: None
    )
    foreign = Sample("far", {"image": Image(50 + 40 * rng.normal(size=(1, 16, 16)).astype(np.float32), np.eye(4))})
    prediction = answering(foreign)
    assert not prediction.accepted and prediction.parts["mahalanobis"] > 1
    assert prediction.features.shape == (2, 8) and prediction.outputs.shape == (2, 3)
    assert {"aleatoric", "epistemic"} <= set(prediction.parts), "two members: what they share, and where they differ"
    assert prediction.data_uncertainty == prediction.parts["aleatoric"]
    plain = Answering(model, answering.safeguards[:1], answering.states[:1])(foreign)
    assert plain.features is None and plain.accepted
