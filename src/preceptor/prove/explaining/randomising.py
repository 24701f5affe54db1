"""Networks with some of their layers made anew: what a map must not survive."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from preceptor.core.batch import Batch


def layers_from_the_top(model: Any, batch: Batch) -> list[list[str]]:
    """A network's layers in the order in which they answer, the last one first.

    A layer is a module with weights of two or more axes, with whatever follows it and has parameters too (a
    normalisation). The order is that of one forward pass: in a network with skip connections it is not the order in
    which modules are written down.

    Args:
        model: As explainers get it.
        batch: One to pass.

    Returns:
        Names of each layer's modules.
    """
    called: list[str] = []
    handles = []

    def note(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if name not in called:
                called.append(name)

        return hook

    for name, module in model.network.named_modules():
        if any(True for _ in module.parameters(recurse=False)):
            handles.append(module.register_forward_hook(note(name)))
    try:
        with torch.no_grad():
            model(batch.images)
    finally:
        for handle in handles:
            handle.remove()
    modules = dict(model.network.named_modules())
    layers: list[list[str]] = []
    for name in called:
        heavy = any(parameter.ndim > 1 for parameter in modules[name].parameters(recurse=False))
        if heavy or not layers:
            layers.append([])
        layers[-1].append(name)
    return layers[::-1]


def randomised(network: nn.Module, layers: Sequence[Sequence[str]], seed: int) -> nn.Module:
    """A copy of the network with these layers as they were before any training, in evaluation mode.

    Args:
        network: Left as it is.
        layers: Names of modules, layer by layer.
        seed: Of the draws.
    """
    made = copy.deepcopy(network).eval()
    modules = dict(made.named_modules())
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for name in (each for layer in layers for each in layer):
            module: Any = modules[name]
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
                continue
            for parameter in module.parameters(recurse=False):
                spread = float(parameter.std()) if parameter.numel() > 1 else 0.02
                parameter.copy_(torch.randn(parameter.shape).to(parameter) * (spread or 0.02))
    return made
