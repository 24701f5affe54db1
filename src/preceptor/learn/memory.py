"""How much memory a training will need, said before it starts."""

from __future__ import annotations

import torch

from preceptor.core.plugins import Inputs

from .call import call


def estimate_memory(network: torch.nn.Module, inputs: Inputs, batch_size: int, width: int) -> str:
    """One sentence for the log, from one forward pass of one sample.

    Weights, gradients and two moments of the optimizer count once each; activations are what every leaf module
    answers, kept for backward. The true peak depends on the kernels: expect it within a factor of two.

    Args:
        network: On its device.
        inputs: What it is fed.
        batch_size: Samples in a batch.
        width: Channels of the answer.
    """
    activations = 0

    def note(module: torch.nn.Module, _: object, output: object) -> None:
        nonlocal activations
        if not list(module.children()) and isinstance(output, torch.Tensor):
            activations += output.numel() * output.element_size()

    device = next(network.parameters()).device
    images = {view: torch.zeros(1, inputs.channels, *inputs.patch, device=device) for view in inputs.views}
    present = {view: torch.ones(1, dtype=torch.bool, device=device) for view in inputs.views}
    handles = [module.register_forward_hook(note) for module in network.modules()]
    modes = {module: module.training for module in network.modules()}
    network.eval()  # one sample has no batch statistics, and none may be changed
    try:
        with torch.no_grad():
            call(network, images, present, {})
    finally:
        for handle in handles:
            handle.remove()
        for module, training in modes.items():
            module.training = training
    weights = sum(parameter.numel() for parameter in network.parameters())
    fixed, moving = weights * 4 * 4, activations * batch_size * 2
    return (
        f"{weights:,} weights; about {_size(fixed + moving)} for training "
        f"({_size(fixed)} weights, gradients and moments; {_size(moving)} activations of {batch_size} samples, "
        f"{width} output channels)"
    )


def _size(count: float) -> str:
    return f"{count / 2**30:.1f} GB" if count >= 2**30 else f"{count / 2**20:.0f} MB"
