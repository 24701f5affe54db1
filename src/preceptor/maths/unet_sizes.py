"""Which sizes a U-Net takes: with unpadded convolutions, and with axes of unequal length."""

from __future__ import annotations

from collections.abc import Sequence


def valid_output_side(side: int, poolings: int, convolutions: int = 2) -> int | None:
    """Side of the answer of a U-Net whose 3-wide convolutions do not pad; None where the side does not fit.

    Args:
        side: Of the input, in pixels.
        poolings: How often the resolution is halved.
        convolutions: On each level, going down and going up.

    Source: Ronneberger 2015 (arXiv:1505.04597, fig. 1): 572 gives 388 with four poolings.
    """
    lost = 2 * convolutions
    for _ in range(poolings):
        side -= lost
        if side <= 0 or side % 2:
            return None
        side //= 2
    side -= lost
    for _ in range(poolings):
        side = 2 * side - lost
    return side if side > 0 else None


def valid_input_side(output: int, poolings: int, convolutions: int = 2) -> int:
    """The smallest input side whose answer is at least `output` pixels wide."""
    side = output
    while (valid_output_side(side, poolings, convolutions) or 0) < output:
        side += 1
    return side


def poolings_by_axis(patch: Sequence[int], poolings: int) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    """Strides and kernels that halve the long axes first, until no axis is more than twice as long as another.

    An axis of less than half the longest is thick slices: until the others have come down to it, it is neither pooled
    nor convolved across.

    Args:
        patch: Voxels along each axis.
        poolings: How often the resolution is halved.

    Returns:
        A stride for each pooling, and a kernel for each level (one more), both one number an axis. A stride of ones
        means that the patch is too small for another halving.

    Source: the rule of nnU-Net (Isensee 2021, doi 10.1038/s41592-020-01008-z), read off the patch's shape.
    """
    sides = list(patch)
    strides, kernels = [], []
    for _ in range(poolings + 1):
        is_short = [2 * side <= max(sides) for side in sides]
        kernels.append(tuple(1 if short else 3 for short in is_short))
        stride = tuple(2 if side >= 4 and not short else 1 for side, short in zip(sides, is_short, strict=True))
        strides.append(stride)
        sides = [-(-side // step) for side, step in zip(sides, stride, strict=True)]
    return strides[:-1], kernels
