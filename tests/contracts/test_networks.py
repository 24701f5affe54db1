"""What holds for every network: the width that was asked, any size it promises, one case not leaning on another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch

from preceptor.core.slots import build, parameters
from preceptor.learn.call import call
from preceptor.recipe.values import plain

from .plugins import each, example


def batch(inputs, count: int = 3, patch=None, seed: int = 0, absent=()):
    generator = torch.Generator().manual_seed(seed)
    shape = patch or inputs.patch
    images = {view: torch.randn(count, inputs.channels, *shape, generator=generator) for view in inputs.views}
    present = {view: torch.tensor([(row, view) not in absent for row in range(count)]) for view in inputs.views}
    fields = {name: torch.randn(count, generator=generator) for name in inputs.fields}
    return images, present, fields


def made(name: str):
    torch.manual_seed(0)
    network = example("networks", name).eval()
    return network, network.inputs, network.width


def tensors(outputs) -> dict[str, torch.Tensor]:
    return {name: each for name, each in outputs.items() if isinstance(each, torch.Tensor)}


@each("networks")
def test_keeps_what_it_was_made_for(slot, name):
    network, inputs, width = made(name)
    assert inputs.views and width >= 1


@each("networks")
def test_answers_in_the_width_that_was_asked(slot, name):
    network, inputs, width = made(name)
    answer = call(network, *batch(inputs))["answer"]
    assert answer.shape[:2] == (3, width) and torch.isfinite(answer).all()
    assert answer.shape[2:] in ((), inputs.patch), "one answer a case, or one a voxel"
    again = build(
        slot,
        {name: {key: plain(getattr(network, key)) for key in parameters(type(network))}},
        inputs=replace(inputs),
        width=width + 3,
    )
    assert call(again.eval(), *batch(inputs))["answer"].shape[1] == width + 3


@each("networks")
def test_a_state_dict_goes_round(slot, name):
    network, inputs, _ = made(name)
    torch.manual_seed(99)
    other = example(slot, name).eval()
    given = batch(inputs)
    assert not torch.equal(call(network, *given)["answer"], call(other, *given)["answer"])
    other.load_state_dict(network.state_dict())
    for one, two in zip(tensors(call(network, *given)).values(), tensors(call(other, *given)).values(), strict=True):
        assert torch.equal(one, two)


@each("networks")
def test_takes_any_size_it_promises(slot, name):
    network, inputs, width = made(name)
    step = getattr(network, "divisor", 1)
    steps = (step,) * inputs.space_dims if isinstance(step, int) else tuple(step)
    larger = tuple(side + by for side, by in zip(inputs.patch, steps, strict=True))
    longer = (inputs.patch[0] + 2 * steps[0], *inputs.patch[1:])
    for patch in (larger, longer):
        answer = call(network, *batch(inputs, patch=patch))["answer"]
        assert answer.shape[:2] == (3, width)
        assert answer.shape[2:] in ((), patch)


@each("networks")
def test_a_case_does_not_lean_on_its_neighbours(slot, name):
    network, inputs, _ = made(name)
    images, present, fields = batch(inputs)
    whole = call(network, images, present, fields)["answer"]
    first = tuple({key: value[:1] for key, value in part.items()} for part in (images, present, fields))
    torch.testing.assert_close(call(network, *first)["answer"], whole[:1], rtol=1e-4, atol=1e-5)


@each("networks")
def test_a_missing_view_says_nothing_whatever_its_pixels(slot, name):
    network, inputs, _ = made(name)
    if len(inputs.views) < 2:
        pytest.skip("one view")
    for view in inputs.views:
        absent = {(1, view)}
        images, present, fields = batch(inputs, absent=absent)
        before = call(network, images, present, fields)["answer"]
        images = {key: image.clone() for key, image in images.items()}
        images[view][1] = 1e3
        torch.testing.assert_close(call(network, images, present, fields)["answer"], before)
        full = call(network, *batch(inputs))["answer"]
        assert not torch.allclose(full[1], before[1]), "a view that is there is looked at"
        torch.testing.assert_close(full[0], before[0], rtol=1e-4, atol=1e-5)


@each("networks")
def test_every_parameter_that_learns_can_learn(slot, name):
    torch.manual_seed(0)
    network = example(slot, name).train()
    outputs = tensors(call(network, *batch(network.inputs, count=4)))
    sum((each**2).mean() for each in outputs.values()).backward()
    idle = [key for key, value in network.named_parameters() if value.requires_grad and value.grad is None]
    assert not idle, f"no gradient reaches {', '.join(idle[:5])}"


@each("networks")
def test_its_last_features_are_there(slot, name):
    network, _, _ = made(name)
    named = getattr(network, "last_features", None)
    if not named:
        pytest.skip("it names none")
    modules = dict(network.named_modules())
    for layer in named.values() if isinstance(named, Mapping) else [named]:
        assert layer in modules
