"""What an answer rests on: weighted activation maps, and drops of the score under an occluding window."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional

_RESIZING = {1: "linear", 2: "bilinear", 3: "trilinear"}


def mean_gradient_weights(activation: Tensor, gradient: Tensor) -> Tensor:
    """Grad-CAM's weight of each channel: the mean gradient over its positions.

    Args:
        activation: ``(batch, channel, *space)``; not used, so that every weighing has one signature.
        gradient: Of the score by the activation, the same shape.

    Returns:
        ``(batch, channel)``.

    Source: Selvaraju et al. 2017, arXiv:1610.02391, equation 1.
    """
    return gradient.flatten(2).mean(2)


def pixel_weighted_gradients(activation: Tensor, gradient: Tensor) -> Tensor:
    """Grad-CAM++'s weight of each channel: positive gradients, each weighed by its own share of the channel.

    With the score passed through an exponential, the second and third derivatives are powers of the gradient g, and
    the share of a position is ``g^2 / (2 g^2 + sum(A) g^3)``; 0 where g is 0.

    Args:
        activation: ``(batch, channel, *space)``.
        gradient: Of the score by the activation, the same shape.

    Returns:
        ``(batch, channel)``.

    Source: Chattopadhay et al. 2018, arXiv:1710.11063, equation 19.
    """
    activation, gradient = activation.flatten(2), gradient.flatten(2)
    square = gradient**2
    below = 2 * square + activation.sum(2, keepdim=True) * gradient**3
    share = torch.where(below != 0, square / torch.where(below != 0, below, 1), 0)
    return (share * gradient.relu()).sum(2)


def activation_map(activation: Tensor, weights: Tensor, shape: Sequence[int]) -> Tensor:
    """Weighted sum of the channels, its negative part cut, then brought to the input's grid.

    The order matters: resizing before the cut would let positive evidence bleed away into negative neighbours.

    Args:
        activation: ``(batch, channel, *space)``.
        weights: ``(batch, channel)``.
        shape: Of the input's grid.

    Returns:
        ``(batch, *shape)``, at least 0.

    Source: Selvaraju et al. 2017, arXiv:1610.02391, equation 2.
    """
    return on_grid(torch.einsum("bc,bc...->b...", weights, activation).relu(), shape)


def on_grid(coarse: Tensor, shape: Sequence[int]) -> Tensor:
    """A map of a layer brought to the input's grid, linearly between its positions.

    Args:
        coarse: ``(batch, *space)``.
        shape: Of the input's grid.

    Returns:
        ``(batch, *shape)``.
    """
    if tuple(coarse.shape[1:]) == tuple(shape):
        return coarse
    mode = _RESIZING[coarse.ndim - 1]
    return functional.interpolate(coarse[:, None], size=tuple(shape), mode=mode, align_corners=False)[:, 0]


def window_corners(shape: Sequence[int], window: Sequence[int], stride: Sequence[int]) -> list[tuple[int, ...]]:
    """First voxel of every window; the last along each axis lies flush with the border, so every voxel is covered.

    Args:
        shape: Of the grid.
        window: Voxels along each axis, at most the grid's.
        stride: Voxels from one window to the next.
    """
    axes = []
    for size, width, step in zip(shape, window, stride, strict=True):
        starts = list(range(0, size - width + 1, step))
        if starts[-1] != size - width:
            starts.append(size - width)
        axes.append(starts)
    return list(product(*axes))


def mean_over_windows(
    drops: Tensor, corners: Sequence[Sequence[int]], window: Sequence[int], shape: Sequence[int]
) -> Tensor:
    """A map from the drops of windows: each voxel gets the mean drop of the windows that cover it.

    Args:
        drops: ``(window, batch)``: score of the image minus score of the image without that window.
        corners: As `window_corners` gives them, covering every voxel.
        window: Voxels along each axis.
        shape: Of the grid.

    Returns:
        ``(batch, *shape)``.
    """
    total = drops.new_zeros(drops.shape[1], *shape)
    covered = drops.new_zeros(*shape)
    for drop, corner in zip(drops, corners, strict=True):
        place = tuple(slice(start, start + width) for start, width in zip(corner, window, strict=True))
        total[(slice(None), *place)] += drop.view(-1, *[1] * len(shape))
        covered[place] += 1
    return total / covered
