"""What holds for every method: hooks that exist, state that is sealed, a network it only borrows."""

from __future__ import annotations

import inspect

import torch
from torch import nn

from preceptor.core.plugins import HOOKS
from preceptor.core.slots import names
from preceptor.core.state import put_together, take_apart

from .plugins import each, example

#: Arguments of each hook after the method itself.
ARGUMENTS = {
    "setup": 2,
    "sampler": 1,
    "on_batch": 1,
    "weight": 1,
    "penalty": 1,
    "after_step": 1,
    "after_epoch": 1,
    "weights": 1,
    "members_of": 1,
}


@each("methods")
def test_its_hooks_take_what_the_loop_gives(slot, name):
    method = example(slot, name)
    assert set(ARGUMENTS) == set(HOOKS)
    for hook in HOOKS:
        # A parameter may be called like a hook (`weight`): only what can be called is one.
        if callable(getattr(type(method), hook, None)):
            assert len(inspect.signature(getattr(method, hook)).parameters) == ARGUMENTS[hook], hook


@each("methods")
def test_its_order_names_other_methods(slot, name):
    method = example(slot, name)
    for other in (*getattr(method, "before", ()), *getattr(method, "after", ())):
        assert other in names("methods") and other != name


@each("methods")
def test_its_state_is_tensors_and_json_and_goes_round(slot, name):
    method = example(slot, name)
    tensors: dict[str, torch.Tensor] = {}
    taken = take_apart(method.state_dict(), tensors)
    other = example(slot, name)
    other.load_state_dict(put_together(taken, tensors))
    for one, two in zip(method.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(one, two) if isinstance(one, torch.Tensor) else one == two


@each("methods")
def test_the_network_is_no_part_of_it(slot, name):
    method = example(slot, name)
    network = nn.Sequential(nn.Linear(2, 2))
    assert not [key for key, _ in method.named_parameters() if key.startswith("network")]
    before = len(list(method.parameters()))
    object.__setattr__(method, "network", network)
    assert len(list(method.parameters())) == before
