"""What explainers share: gradients of a score by the images, and scores of images that are partly covered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from preceptor.core.batch import Batch

Target = Callable[[Mapping[str, Tensor]], Tensor]
Fill = Literal["mean", "minimum", "zero"]


def gradients(model: Any, images: Mapping[str, Tensor], target: Target, mode: Any = None) -> dict[str, Tensor]:
    """The derivative of each case's score by its pixels.

    Args:
        model: As explainers get it.
        images: ``{view: (batch, channel, *space)}``.
        target: The score.
        mode: A `TorchFunctionMode` that the network runs in; the score is taken outside it.

    Returns:
        As `images`; 0 where the score does not depend on a view.
    """
    leaves = {view: image.detach().clone().requires_grad_() for view, image in images.items()}
    if mode is None:
        outputs = model(leaves)
    else:
        with mode:
            outputs = model(leaves)
    score = target(outputs).sum()
    if not score.requires_grad:
        return {view: torch.zeros_like(image) for view, image in images.items()}
    taken = torch.autograd.grad(score, list(leaves.values()), allow_unused=True)
    pairs = zip(leaves.items(), taken, strict=True)
    return {view: torch.zeros_like(image) if each is None else each.detach() for (view, image), each in pairs}


def only_present(maps: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
    """Maps with NaN where a case lacks the view: what was not there explains nothing."""
    masked = {}
    for view, each in maps.items():
        there = batch.present[view].view(-1, *[1] * (each.ndim - 1))
        masked[view] = each.detach().masked_fill(~there, float("nan"))
    return masked


def absent(image: Tensor, fill: Fill) -> Tensor:
    """An image of the same shape that stands for "nothing to see".

    No value means that everywhere: after a z-score zero is the mean, in CT zero Hounsfield units is water.

    Args:
        image: ``(batch, channel, *space)``.
        fill: The mean or the minimum of each image and channel, or zero.
    """
    flat = image.detach().flatten(2)
    value = {"mean": flat.mean(2), "minimum": flat.amin(2), "zero": torch.zeros_like(flat[:, :, 0])}[fill]
    return value.view(*value.shape, *[1] * (image.ndim - 2)).expand_as(image).clone()


def repeated(images: Mapping[str, Tensor], times: int) -> dict[str, Tensor]:
    """The batch several times over, one after the other, as a bound network expects it."""
    return {view: each.repeat(times, *[1] * (each.ndim - 1)) for view, each in images.items()}


def covered_scores(
    model: Any,
    images: Mapping[str, Tensor],
    view: str,
    cover: Tensor,
    shown: Iterable[Tensor],
    target: Target,
    batch_size: int,
) -> Tensor:
    """The score of one view partly covered, for many covers; the other views stay.

    Args:
        model: As explainers get it.
        images: ``{view: (batch, channel, *space)}``.
        view: The one to cover.
        cover: What covers it, of the image's shape.
        shown: Covers, each ``(*space,)`` in 0..1: how much of every pixel is still seen.
        target: The score.
        batch_size: Images per forward pass.

    Returns:
        ``(cover, batch)``.
    """
    count = len(cover)
    scores, waiting = [], list(shown)
    at_once = max(1, batch_size // count)
    with torch.no_grad():
        for first in range(0, len(waiting), at_once):
            group = torch.stack(waiting[first : first + at_once]).to(cover)
            tiled = repeated(images, len(group))
            seen = group.repeat_interleave(count, 0)[:, None]
            tiled[view] = seen * tiled[view] + (1 - seen) * cover.repeat(len(group), *[1] * (cover.ndim - 1))
            scores.append(target(model(tiled)).detach().view(len(group), count))
    return torch.cat(scores)


def references(model: Any, images: Mapping[str, Tensor], number: int) -> list[dict[str, Tensor]]:
    """Images to compare with: other cases where the model was given some, else four ways of seeing nothing.

    Args:
        model: As explainers get it; ``model.background`` may hold ``{view: (case, channel, *space)}``.
        images: ``{view: (batch, channel, *space)}``.
        number: At most so many.

    Returns:
        One ``{view: (batch, channel, *space)}`` a reference.
    """
    background: Mapping[str, Tensor] = getattr(model, "background", None) or {}
    if background and all(background[view].shape[1:] == image.shape[1:] for view, image in images.items()):
        cases = min(number, *(len(each) for each in background.values()))
        return [
            {view: background[view][index].to(image).expand_as(image).clone() for view, image in images.items()}
            for index in range(cases)
        ]
    kinds: Sequence[Fill] = ("mean", "zero", "minimum")
    made = [{view: absent(image, fill) for view, image in images.items()} for fill in kinds]
    made.insert(1, {view: _blurred(image) for view, image in images.items()})
    return made[:number]


def _blurred(image: Tensor) -> Tensor:
    """The image seen through frosted glass: means over windows of a quarter of its sides."""
    dims = image.ndim - 2
    pool = {1: torch.nn.functional.avg_pool1d, 2: torch.nn.functional.avg_pool2d, 3: torch.nn.functional.avg_pool3d}
    sides = [max(1, size // 4) // 2 * 2 + 1 for size in image.shape[2:]]
    return pool[dims](image.detach(), sides, stride=1, padding=[side // 2 for side in sides], count_include_pad=False)
