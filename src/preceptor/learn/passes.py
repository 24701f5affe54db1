"""What a further forward pass does to the images, and how its answer is brought back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from preceptor.core.plugins import Pass


def vary(image: Tensor, each: Pass, seed: Sequence[int]) -> Tensor:
    """An image as a pass shows it: another gamma, noise, moved, mirrored.

    Args:
        image: ``(batch, channel, *space)``; left as it is.
        each: The pass.
        seed: Of the noise: the same numbers give the same noise.
    """
    if each.gamma != 1:
        axes = list(range(1, image.ndim))
        low = image.amin(axes, keepdim=True)
        span = (image.amax(axes, keepdim=True) - low).clamp_min(torch.finfo(image.dtype).tiny)
        image = ((image - low) / span) ** each.gamma * span + low
    if each.noise:
        generator = torch.Generator().manual_seed(int(np.random.SeedSequence(list(seed)).generate_state(1)[0]))
        spread = image.flatten(1).std(1).view(-1, *[1] * (image.ndim - 1))
        image = image + each.noise * spread * torch.randn(image.shape, generator=generator).to(image.device)
    image = _moved(image, each.shift)
    axes = [axis + 2 for axis in each.flip]
    return image.flip(axes) if axes else image


def bring_back(answer: Tensor, each: Pass) -> Tensor:
    """A dense answer ``(batch, channel, *space)`` as if the image had not been mirrored and moved; any other as it is.

    What was moved out of the image is answered by its border.
    """
    axes = [axis + 2 for axis in each.flip]
    if answer.ndim < 3:
        return answer
    if axes and answer.ndim > max(axes):
        answer = answer.flip(axes)
    return _moved(answer, tuple(-by for by in each.shift))


def _moved(image: Tensor, shift: Sequence[int]) -> Tensor:
    """Moved by whole voxels along the axes of space; the border is repeated."""
    for axis, by in zip(range(2, image.ndim), shift, strict=False):
        if by:
            place = torch.arange(image.shape[axis], device=image.device) - by
            image = image.index_select(axis, place.clamp(0, image.shape[axis] - 1))
    return image
