"""Looking into a network without leaving a trace: modes, gradients and hooks are afterwards as they were."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from preceptor.core.batch import Batch
from preceptor.core.errors import RecipeError
from preceptor.maths.attribution import activation_map


@contextmanager
def undisturbed(network: nn.Module) -> Iterator[None]:
    """Evaluation mode with gradients on; afterwards every module is in the mode it was in.

    Evaluation mode is needed: with batch statistics one case's score would depend on its neighbours. Explainers take
    gradients by `torch.autograd.grad` with respect to what they look at, so no parameter's ``grad`` is touched.
    """
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def captured(network: nn.Module, layer: str) -> Iterator[list[Tensor]]:
    """Every output of a layer while the context is open, in the order of the calls, each part of the graph.

    The network goes on with a copy, so a later layer that works in place (a ReLU, say) cannot change what was seen.

    Args:
        network: The network.
        layer: Dotted name of one of its modules.

    Raises:
        RecipeError: There is no such module, or it does not answer with one tensor.
    """
    modules = dict(network.named_modules())
    if layer not in modules or not layer:
        near = difflib.get_close_matches(layer, modules, n=3, cutoff=0.4)
        raise RecipeError(
            f"the network has no layer '{layer}'",
            expected=f"one of {', '.join(near or list(modules)[1:9])} …",
            remedy="name a layer, or leave `layer` out where the network names its last features",
            code="layer_unknown",
        )
    seen: list[Tensor] = []

    def keep(module: nn.Module, inputs: Any, output: Any) -> Tensor:
        if not isinstance(output, Tensor):
            raise RecipeError(
                f"the layer '{layer}' answers with a {type(output).__name__}",
                expected="a layer that answers with one tensor (batch, channel, *space)",
                code="layer_output",
            )
        # A frozen network on images without gradient has no graph here: begin one.
        kept = output if output.requires_grad else output.detach().requires_grad_()
        seen.append(kept)
        return kept.clone()

    handle = modules[layer].register_forward_hook(keep)
    try:
        yield seen
    finally:
        handle.remove()


def class_activation_maps(
    model: Any,
    batch: Batch,
    target: Callable[[Mapping[str, Tensor]], Tensor],
    layer: str | Mapping[str, str] | None,
    weigh: Callable[[Tensor, Tensor], Tensor],
) -> dict[str, Tensor]:
    """Weighted activation maps of a layer, on each view's grid: see `layer_maps`.

    Args:
        model, batch, target, layer: As there.
        weigh: ``(activation, gradient) -> (batch, channel)``.
    """

    def draw(activation: Tensor, gradient: Tensor, shape: Sequence[int]) -> Tensor:
        return activation_map(activation, weigh(activation, gradient), shape)

    return layer_maps(model, batch, target, layer, draw)


def layer_maps(
    model: Any,
    batch: Batch,
    target: Callable[[Mapping[str, Tensor]], Tensor],
    layer: str | Mapping[str, str] | None,
    draw: Callable[[Tensor, Tensor, Sequence[int]], Tensor],
) -> dict[str, Tensor]:
    """A map of a layer for each view, on the view's grid.

    A layer that ran once stands for all views (they are fused by then); one that ran once per view, as in a shared
    encoder, stands for them in their order; a network may also name one layer per view.

    Args:
        model: As explainers get it.
        batch: What is explained.
        target: The score.
        layer: Name; None takes the network's own ``last_features``.
        draw: ``(activation, gradient, shape) -> (batch, *shape)``.

    Returns:
        ``{view: (batch, *space)}``, NaN where the view is missing.

    Raises:
        RecipeError: No layer is named, it is not there, or its outputs can't be matched to the views.
    """
    network = model.network
    layer = layer or getattr(network, "last_features", None)
    if not layer:
        raise RecipeError(
            f"{type(network).__name__} does not say which layer holds its last features",
            expected="a network with `last_features`, or the explainer's parameter `layer`",
            remedy="name a layer: {grad_cam: {layer: …}}",
            code="layer_unnamed",
        )
    names = dict(layer) if isinstance(layer, Mapping) else dict.fromkeys(batch.images, layer)
    with undisturbed(network):
        seen, outputs = _run(model, batch, sorted(set(names.values())))
        score = target(outputs).sum()
        kept = [tensor for tensors in seen.values() for tensor in tensors]
        taken = torch.autograd.grad(score, kept, allow_unused=True) if kept else ()
    gradients = {id(tensor): gradient for tensor, gradient in zip(kept, taken, strict=True)}
    maps = {}
    for view, image in batch.images.items():
        there, shape = batch.present[view], image.shape[2:]
        maps[view] = image.new_full((len(batch), *shape), float("nan"))
        if there.any():
            activation = _of_view(
                seen[names[view]], view, [each for each in names if names[each] == names[view]], batch
            )
            gradient = gradients[id(activation)]
            activation = activation.detach()
            gradient = torch.zeros_like(activation) if gradient is None else gradient
            found = draw(activation, gradient, shape)
            maps[view][there] = found if len(found) == int(there.sum()) else found[there]
    return maps


def _run(model: Any, batch: Batch, layers: Sequence[str]) -> tuple[dict[str, list[Tensor]], Mapping[str, Tensor]]:
    """One forward pass with every layer watched."""
    if not layers:
        return {}, model({view: image.detach().clone() for view, image in batch.images.items()})
    with captured(model.network, layers[0]) as first:
        rest, outputs = _run(model, batch, layers[1:])
    return {layers[0]: first} | rest, outputs


def _of_view(seen: Sequence[Tensor], view: str, views: Sequence[str], batch: Batch) -> Tensor:
    """The output of a watched layer that belongs to a view, of those that pass through this layer."""
    if len(seen) == 1:
        return seen[0]
    shown = [each for each in views if batch.present[each].any()]
    for order in (list(views), shown):
        if len(seen) == len(order):
            return seen[order.index(view)]
    raise RecipeError(
        f"the layer ran {len(seen)} times for {len(views)} views",
        expected="once for all views, or once for each",
        remedy="name another layer",
        code="layer_calls",
    )
