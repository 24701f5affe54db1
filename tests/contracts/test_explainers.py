"""What holds for every explainer, on the networks of the house: maps on the input's grid, and nothing left behind."""

from __future__ import annotations

import copy

import pytest
import torch

from preceptor.core.batch import Batch
from preceptor.core.slots import names
from preceptor.prove.explaining.explain import BoundNetwork

from .plugins import each, example
from .test_networks import batch as inputs_batch


@each("explainers")
@pytest.mark.parametrize("network_name", names("networks"))
def test_explains_every_network(slot, name, network_name):
    torch.manual_seed(0)
    network = example("networks", network_name).train()
    if name.startswith("grad_cam") and not getattr(network, "last_features", None):
        pytest.skip("the network names no last features")
    images, present, fields = inputs_batch(network.inputs, count=2)
    batch = Batch(images, present, {}, torch.arange(2), ["a", "b"], fields)
    before = copy.deepcopy(network.state_dict())
    maps = example(slot, name)(BoundNetwork(network, batch), batch, lambda out: out["answer"].flatten(2 - 1).mean(1))
    assert set(maps) == set(images)
    for view, found in maps.items():
        assert found.shape == (2, *images[view].shape[2:]) and torch.isfinite(found).all()
        assert not found.requires_grad
    assert all(module.training and not module._forward_hooks for module in network.modules())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
