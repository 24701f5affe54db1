"""Gradient reversal: features that do not tell where an image comes from."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Annotated, Any

import torch
from annotated_types import Ge, Gt
from torch import Tensor, nn
from torch.nn import functional

from preceptor.core.batch import Step
from preceptor.core.cohort import Cohort
from preceptor.core.errors import RecipeError
from preceptor.core.plugins import Inputs
from preceptor.learn.call import call
from preceptor.learn.groups import group_index, group_names
from preceptor.maths.adaptation import reversal_strength, reverse_gradient


class GradientReversal(nn.Module):
    """A head learns to tell the domains apart, and the features before it learn to make that impossible.

    Cases of the target domain take part with the role "adapt": their labels are hidden, their domain is known. Features
    ``(batch, channel, *space)`` are averaged over space. The reversal grows from 0 with the training's progress; the
    head itself is not reversed. A domain head that fails is no proof of features free of the domain: a fresh probe
    still reads it there (`preceptor.maths.adaptation.fresh_probe_accuracy`).

    Args:
        field: The column that names the domain (site, scanner …).
        layer: The module whose output is the features.
        weight: Of the domain loss.
        strength: Largest factor of the reversed gradient.
        hidden: Numbers in the domain head's hidden layer.
        inputs: What the network is fed.

    Returns:
        From `penalty`: the domain loss, a scalar: mean cross-entropy over the cases whose domain is known.

    Raises:
        RecipeError: The field has fewer than two values, or the network has no such layer.

    Source: Ganin 2016 (arXiv:1505.07818), eq. 13 to 15 and the schedule of section 5.2.2.

    Example:
        >>> GradientReversal(field="site").layer
        'pooled'
    """

    generator: torch.Generator | None = None

    def __init__(
        self,
        field: str,
        layer: str = "pooled",
        weight: Annotated[float, Ge(0)] = 1.0,
        strength: Annotated[float, Gt(0)] = 1.0,
        hidden: Annotated[int, Gt(0)] = 32,
        inputs: Inputs | None = None,
    ) -> None:
        super().__init__()
        self.field = field
        self.layer = layer
        self.weight = weight
        self.strength = strength
        self.hidden = hidden
        self.inputs = inputs
        self.domains: tuple[str, ...] = ()
        self.domain_head: nn.Module | None = None

    @classmethod
    def example(cls) -> GradientReversal:
        return cls(field="site")

    def setup(self, network: Any, cohort: Cohort) -> None:
        self.domains = group_names(cohort, self.field, "gradient_reversal")
        number = _features(network, self.layer, self.inputs)
        with torch.random.fork_rng(devices=[]):  # the draws of the network's own dropout stay as they are
            torch.manual_seed(0 if self.generator is None else self.generator.initial_seed())
            self.domain_head = nn.Sequential(
                nn.Linear(number, self.hidden), nn.ReLU(), nn.Linear(self.hidden, len(self.domains))
            )

    def penalty(self, step: Step) -> Tensor:
        domain = group_index(step.batch, self.field, self.domains)
        known = domain >= 0
        features = _pooled(step.activation(self.layer)).float()
        if not known.any():
            return features.new_zeros(())
        reverse = self.strength * reversal_strength(step.progress)
        logits = self.domain_head(reverse_gradient(features[known], reverse))  # type: ignore[misc]
        return self.weight * functional.cross_entropy(logits, domain[known])


def _pooled(features: Tensor) -> Tensor:
    return features.flatten(2).mean(-1) if features.ndim > 2 else features


def _features(network: nn.Module, layer: str, inputs: Inputs | None) -> int:
    """How many features the layer answers with, from one forward pass that leaves no trace."""
    modules = dict(network.named_modules())
    if layer not in modules:
        near = [name for name in modules if name and "." not in name]
        raise RecipeError(
            f"the network has no module '{layer}'",
            where="methods.gradient_reversal.layer",
            expected=f"one of {', '.join(near)}, or one inside of these",
            code="layer_unknown",
        )
    if inputs is None:
        raise RecipeError("gradient_reversal was made without `inputs`", code="method_inputs")
    device = next(network.parameters()).device
    images = {view: torch.zeros(1, inputs.channels, *inputs.patch, device=device) for view in inputs.views}
    present = {view: torch.ones(1, dtype=torch.bool, device=device) for view in inputs.views}
    fields = {name: torch.zeros(1, device=device) for name in inputs.fields}
    seen: list[Tensor] = []
    with _evaluating(network), torch.no_grad():
        handle = modules[layer].register_forward_hook(lambda module, given, output: seen.append(output))
        call(network, images, present, fields)
        handle.remove()
    return _pooled(seen[-1]).shape[1]


@contextmanager
def _evaluating(network: nn.Module):
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training
