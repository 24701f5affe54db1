"""What networks saw: pooled features at the right place, for every kind of network, without touching anything."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError, RecipeError
from preceptor.core.evidence import Question
from preceptor.core.image import Image
from preceptor.core.plugins import Decoded, Inputs
from preceptor.core.slots import build
from preceptor.learn.features import features_of, observe
from preceptor.learn.model import Model
from preceptor.learn.window import Window

KIND = Question("classification", "kind", ("a", "b", "c"))
MAP = Question("segmentation", "label", ("background", "organ"), dense=True, values=(0, 1))
VIEWS = ("frontal", "lateral")


def model_of(spec, views=("image",), question=KIND, shape=(28, 28), members=1, overlap=0.5) -> Model:
    inputs = Inputs(tuple(views), 1, len(shape), shape)
    torch.manual_seed(0)
    made = [build("networks", spec, inputs=inputs, width=len(question.classes)).eval() for _ in range(members)]
    return Model(made, inputs, question, lambda output: Decoded(output.softmax(1)), Window(shape, overlap))


def sample_of(views=("image",), shape=(28, 28), seed=0) -> Sample:
    rng = np.random.default_rng(seed)
    images = {view: Image(rng.normal(size=(1, *shape)).astype(np.float32), np.eye(4)) for view in views}
    return Sample("case", images)


def test_features_are_the_mean_over_space_and_outputs_are_raw():
    model, sample = model_of({"cnn": {"channels": [4, 8]}}), sample_of()
    network = model.networks[0]
    with torch.no_grad():
        map_ = network.features(torch.from_numpy(sample.images["image"].array)[None])
        answer = network.answer(map_.mean((2, 3)))
    seen = observe(model, sample)
    np.testing.assert_allclose(seen.features, map_.mean((2, 3)).numpy(), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(seen.outputs, answer.numpy(), rtol=1e-5, atol=1e-6)
    assert seen.features.dtype == np.float32 and seen.features.shape == (1, 8)


def test_every_member_has_a_row_and_nothing_is_left_behind():
    model, sample = model_of({"cnn": {"channels": [4, 8]}}, members=3), sample_of()
    before = copy.deepcopy([network.state_dict() for network in model.networks])
    features = features_of(model, sample)
    assert features.shape == (3, 8) and not np.allclose(features[0], features[1])
    for network, state in zip(model.networks, before, strict=True):
        assert not network.training and not network.features._forward_hooks
        assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
        assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize("network", ["dual_net", "hemis"])
@pytest.mark.parametrize("shared", [False, True])
def test_views_lie_side_by_side_and_a_missing_one_is_zeros(network, shared):
    spec = {network: {"encoder": {"cnn": {"channels": [4, 8]}}, "features": 6, "shared": shared}}
    model = model_of(spec, VIEWS)
    both = sample_of(VIEWS)
    whole = features_of(model, both)
    assert whole.shape == (1, 16) and whole[:, :8].any() and whole[:, 8:].any()
    for view, kept, lost in (("frontal", slice(0, 8), slice(8, 16)), ("lateral", slice(8, 16), slice(0, 8))):
        one = features_of(model, Sample("case", {view: both.images[view]}))
        np.testing.assert_allclose(one[:, kept], whole[:, kept], rtol=1e-5, atol=1e-7)
        assert one.shape == whole.shape and not one[:, lost].any()


def test_dense_features_are_the_mean_over_windows_side_by_side():
    model = model_of({"unet": {"channels": [4, 8]}}, question=MAP, shape=(8, 8))
    sample = sample_of(shape=(16, 8))
    halves = [
        Sample("half", {"image": Image(sample.images["image"].array[:, start : start + 8], np.eye(4))})
        for start in (0, 8)
    ]
    seen = observe(model, sample)
    assert seen.outputs is None
    np.testing.assert_allclose(
        seen.features, np.mean([features_of(model, half) for half in halves], 0), rtol=1e-5, atol=1e-7
    )


def test_a_network_without_last_features_is_told_so():
    model = model_of("cnn")
    model.networks[0].last_features = "nowhere"
    with pytest.raises(RecipeError) as caught:
        features_of(model, sample_of())
    assert caught.value.problem.code == "features_unnamed"
    with pytest.raises(PrepareError, match="none of the views"):
        features_of(model_of("cnn"), sample_of(("other",)))
