"""A first convolution for another number of channels that gives the same answer on grey images."""

from __future__ import annotations

from torch import Tensor


def for_channels(weight: Tensor, channels: int) -> Tensor:
    """Kernels for `channels` input channels from kernels for another number.

    To one channel the kernels are summed, from one they are shared out: a grey image that stands in every channel gives
    the very answer it gave. (Their mean would shrink it by the number of channels.)

    Args:
        weight: ``(out, in, *kernel)``.
        channels: Wanted.

    Raises:
        ValueError: Neither number is one.
    """
    given = weight.shape[1]
    if channels == given:
        return weight
    if channels == 1:
        return weight.sum(1, keepdim=True)
    if given == 1:
        return weight.expand(-1, channels, *weight.shape[2:]).contiguous() / channels
    raise ValueError(f"{given} channels can't be made {channels} without changing the answer")
