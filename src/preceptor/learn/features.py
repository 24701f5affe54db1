"""What a network saw in a case: its last features, pooled over space, and what it answered before that was read."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError, RecipeError
from preceptor.core.plugins import Inputs
from preceptor.maths.resampling import cut

from .call import call
from .model import Model
from .window import Window

_Shape = tuple[int, ...]


@dataclass(frozen=True)
class Observed:
    """What one case left in every member's network.

    Args:
        features: ``(member, width)`` float32.
        outputs: ``(member, channel)`` float32: the answer before it is read as probabilities; None where there is one
            per voxel.
    """

    features: np.ndarray
    outputs: np.ndarray | None = None


def features_of(model: Model, sample: Sample) -> np.ndarray:
    """The pooled activations of the modules that a network names in ``last_features``; see `observe`.

    Args:
        model: Its members have one architecture.
        sample: On the prepared grid.

    Returns:
        ``(member, width)`` float32.
    """
    return observe(model, sample).features


def observe(model: Model, sample: Sample) -> Observed:
    """Look into the networks while they answer a prepared case: one plain forward pass each, without gradient.

    An activation ``(1, channel, *space)`` is averaged over space. A network that names one module for each view has
    their features laid side by side in the order of the views, and so has one whose module runs once for each view.
    The place of a view that is missing holds zeros, a vector that no image gives: whoever compares features of cases
    with different views compares that too.

    A dense question is looked at window by window as in prediction, with windows side by side (they overlap only where
    the scan's side is no multiple of the window's), and the features are the mean over the windows. Others see the
    whole image.

    Args:
        model: Networks in evaluation mode; their parameters and modes are left as they are.
        sample: On the prepared grid.

    Raises:
        RecipeError: A network does not say where its last features are, or names what it does not have.
        PrepareError: The sample has none of the views.
    """
    there = [view for view in model.inputs.views if view in sample.images]
    if not there:
        raise PrepareError(
            "the case has none of the views that the networks look at",
            where=sample.key,
            expected=f"at least one of {', '.join(model.inputs.views)}",
            code="no_view",
        )
    seen = [_observe(network, model, sample, there) for network in model.networks]
    features = np.stack([each for each, _ in seen])
    return Observed(features, None if model.question.dense else np.stack([each for _, each in seen]))


def _observe(network: nn.Module, model: Model, sample: Sample, there: list[str]) -> tuple[np.ndarray, np.ndarray]:
    names = _layers(network, model.inputs)
    absent = len(there) < len(model.inputs.views)
    sums: np.ndarray | None = None
    answer, number = np.empty(0), 0
    for patch in _patches(model, sample, there):
        shape = next(iter(patch.values())).shape[1:]
        calls, output = _forward(network, names, model, patch, sample, shape)
        if absent:
            calls = _filled(calls, _blank(network, names, model, sample, shape), names, model.inputs.views, there)
        pooled = np.concatenate([each for name in _unique(names) for each in calls[name]])
        sums = pooled if sums is None else sums + pooled
        answer, number = output, number + 1
    assert sums is not None  # a scan has one window at least
    return (sums / number).astype(np.float32), answer


def _patches(model: Model, sample: Sample, there: list[str]) -> Iterator[dict[str, np.ndarray]]:
    arrays = {view: sample.images[view].array for view in there}
    if not model.question.dense:
        yield arrays
        return
    window = Window(model.window.patch, overlap=0.0)
    for corner in itertools.product(*window.starts(sample.reference.shape)):
        yield {view: cut(array, corner, window.patch) for view, array in arrays.items()}


def _forward(
    network: nn.Module,
    names: Mapping[str, str],
    model: Model,
    arrays: Mapping[str, np.ndarray],
    sample: Sample,
    shape: _Shape,
) -> tuple[dict[str, list[np.ndarray]], np.ndarray]:
    """What each watched module gave at each of its calls, ``(channel,)``, and the mean answer ``(channel,)``."""
    device, inputs = model.device, model.inputs
    images, present = {}, {}
    for view in inputs.views:
        present[view] = torch.full((1,), view in arrays, device=device)
        if view in arrays:
            images[view] = torch.from_numpy(np.array(arrays[view], np.float32))[None].to(device)
        else:  # pixels of a view that is not there mean nothing; networks read `present`
            images[view] = torch.zeros(1, inputs.channels, *shape, device=device)
    fields = {name: torch.full((1,), _number(sample.fields.get(name)), device=device) for name in inputs.fields}
    modules = dict(network.named_modules())
    calls: dict[str, list[np.ndarray]] = {name: [] for name in _unique(names)}

    def keep(name: str) -> Any:
        return lambda module, given, output: calls[name].append(_pooled(output))

    bf16 = model.precision == "bf16"
    with ExitStack() as stack, torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        for name in calls:
            stack.callback(modules[name].register_forward_hook(keep(name)).remove)
        answer = call(network, images, present, fields)["answer"]
    return calls, _pooled(answer)


def _blank(
    network: nn.Module, names: Mapping[str, str], model: Model, sample: Sample, shape: _Shape
) -> dict[str, list[np.ndarray]]:
    """The calls for a case that has every view: how wide each is, and how many there are."""
    zeros = np.zeros((model.inputs.channels, *shape), np.float32)
    return _forward(network, names, model, dict.fromkeys(model.inputs.views, zeros), sample, shape)[0]


def _filled(
    calls: Mapping[str, list[np.ndarray]],
    whole: Mapping[str, list[np.ndarray]],
    names: Mapping[str, str],
    views: tuple[str, ...],
    there: list[str],
) -> dict[str, list[np.ndarray]]:
    """The calls with zeros in the places of views that are missing."""
    filled = {}
    for name, full in whole.items():
        served = [view for view in views if names[view] == name]
        if len(full) == 1 and len(served) > 1:  # the views are one by then: nothing has a place of its own
            filled[name] = calls[name]
            continue
        given = iter(calls[name])
        if len(calls[name]) == len(full):  # it ran for missing views too
            filled[name] = [
                each if view in there else np.zeros_like(each) for view, each in zip(served, given, strict=False)
            ]
        else:
            filled[name] = [
                next(given) if view in there else np.zeros_like(each) for view, each in zip(served, full, strict=False)
            ]
    return filled


def _layers(network: nn.Module, inputs: Inputs) -> dict[str, str]:
    """``{view: name of its module}``."""
    layer = getattr(network, "last_features", None)
    names = dict(layer) if isinstance(layer, Mapping) else dict.fromkeys(inputs.views, layer or "")
    missing = {name for name in names.values() if name not in dict(network.named_modules())} | {""} & {*names.values()}
    if missing or set(names) != set(inputs.views):
        raise RecipeError(
            f"{type(network).__name__} does not say which module holds its last features",
            where="network",
            expected="a network with `last_features`: the name of a module, or {view: name} for every view",
            remedy="give the network that attribute, or leave out what reads features",
            code="features_unnamed",
        )
    return names


def _pooled(output: Any) -> np.ndarray:
    if not isinstance(output, Tensor):
        raise RecipeError(
            f"a watched module answers with a {type(output).__name__}",
            where="network",
            expected="`last_features` naming a module that answers with one tensor (batch, channel, *space)",
            code="layer_output",
        )
    pooled = output[0].float()
    return (pooled.flatten(1).mean(1) if pooled.ndim > 1 else pooled).cpu().numpy()


def _unique(names: Mapping[str, str]) -> list[str]:
    return list(dict.fromkeys(names.values()))


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
