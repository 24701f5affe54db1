"""Layers for two and three dimensions of space: what the network files are built from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from torch import Tensor, nn

Norm = Literal["instance", "batch", "group", "none"]


def convolution(space_dims: int) -> Any:
    """The class of convolutions of a space."""
    return {2: nn.Conv2d, 3: nn.Conv3d}[space_dims]


def transposed_convolution(space_dims: int) -> Any:
    """The class of transposed convolutions of a space."""
    return {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}[space_dims]


def max_pool(
    space_dims: int, kernel: int | Sequence[int], stride: int | Sequence[int], padding: int = 0, whole: bool = True
) -> nn.Module:
    """Maximum over windows; unless `whole`, a last window that is cut by the border counts too."""
    kind = {2: nn.MaxPool2d, 3: nn.MaxPool3d}[space_dims]
    return kind(_sides(kernel), _sides(stride), padding, ceil_mode=not whole)


def mean_pool(space_dims: int, kernel: int) -> nn.Module:
    """Mean over windows that do not overlap."""
    return {2: nn.AvgPool2d, 3: nn.AvgPool3d}[space_dims](kernel, kernel)


def global_mean_pool(space_dims: int) -> nn.Module:
    """Mean over all of space: ``(batch, channel, *space)`` to ``(batch, channel, 1 ...)``."""
    return {2: nn.AdaptiveAvgPool2d, 3: nn.AdaptiveAvgPool3d}[space_dims](1)


def channel_dropout(space_dims: int, rate: float) -> nn.Module:
    """Dropout of whole channels: neighbouring voxels know each other, so dropping single ones drops nothing."""
    return {2: nn.Dropout2d, 3: nn.Dropout3d}[space_dims](rate)


def normalisation(kind: Norm, channels: int, space_dims: int) -> nn.Module:
    """Normalisation with a scale and a shift per channel.

    "instance" is group normalisation with one channel a group: the same numbers as `nn.InstanceNorm` several times
    faster on a CPU. "group" has up to 8 groups. "batch" keeps running statistics. "none" passes through.
    """
    if kind == "none":
        return nn.Identity()
    if kind == "batch":
        return {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}[space_dims](channels)
    groups = channels if kind == "instance" else max(g for g in range(1, 9) if channels % g == 0)
    return nn.GroupNorm(groups, channels)


def folded(image: Tensor, side: int) -> Tensor:
    """Blocks of voxels as channels: ``(batch, channel, *space)`` to ``(batch, channel * side ** dims, *space / side)``.

    Source: Shi 2016 (arXiv:1609.05158), section 2.2, the other way round.
    """
    dims = image.dim() - 2
    split = [part for size in image.shape[2:] for part in (size // side, side)]
    blocks = image.reshape(*image.shape[:2], *split)
    order = (0, 1, *range(3, 2 + 2 * dims, 2), *range(2, 2 + 2 * dims, 2))
    return blocks.permute(order).flatten(1, 1 + dims)


def unfolded(image: Tensor, side: int) -> Tensor:
    """Channels as blocks of voxels: undoes `folded`."""
    dims = image.dim() - 2
    blocks = image.reshape(image.shape[0], image.shape[1] // side**dims, *[side] * dims, *image.shape[2:])
    order = [axis for pair in zip(range(2 + dims, 2 + 2 * dims), range(2, 2 + dims), strict=True) for axis in pair]
    return blocks.permute(0, 1, *order).reshape(*blocks.shape[:2], *(side * size for size in image.shape[2:]))


def _sides(value: int | Sequence[int]) -> int | tuple[int, ...]:
    return value if isinstance(value, int) else tuple(value)
