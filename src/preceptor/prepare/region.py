"""Which voxels count: the region that an intensity step takes its statistics from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError
from preceptor.maths.similarity import foreground

from .compose import on_one_grid, resample_like
from .named_masks import NOT_IN_PREDICTION

#: ``all`` voxels; ``positive`` ones, where the background was set to 0; the ``foreground`` above Otsu's threshold.
Over = Literal["all", "positive", "foreground"]


def region(sample: Sample, over: Over, mask: str | None, step: str) -> Callable[[Tensor], Tensor]:
    """A function that says which voxels of a channel count.

    Args:
        sample: The case as the step sees it. With a mask, its pixels are read.
        over: See `Over`.
        mask: Name of a mask of the case, in place of `over`: the voxels above 0 on the image's own grid.
        step: Name of the step that asks, for messages.

    Returns:
        ``channel ([time,] *space) -> bool`` of the same shape.

    Raises:
        PrepareError: The case has no such mask, or nothing is marked in it.
    """
    if mask is None:
        return _RULES[over]
    inside = torch.from_numpy(_inside(sample, mask, step))
    return lambda channel: inside.expand(channel.shape)


def _inside(sample: Sample, name: str, step: str) -> np.ndarray:
    """``(*space)`` bool on the grid of the sample's images."""
    mask = sample.masks.get(name)
    if mask is None:
        raise PrepareError(
            f"the case has no mask '{name}' on this view's grid, and {step} looks inside it alone",
            where=f"prepare.{step}.mask",
            expected=f"one of {', '.join(sample.masks)}" if sample.masks else "a mask that an earlier step makes",
            remedy=f"{NOT_IN_PREDICTION}; or let {step} choose by `over`",
            code="region_absent",
        )
    array, reference = mask.array[:1], sample.reference
    if not on_one_grid(mask, reference):
        array = resample_like(array, mask.affine_mm, reference, nearest=True)
    inside = array[0] > 0
    if not inside.any():
        raise PrepareError(
            f"the mask '{name}' marks nothing, and {step} looks inside it alone",
            where=f"prepare.{step}.mask",
            expected="a voxel or more above 0",
            remedy="look at the case's image and mask; exclude it, or mend the mask",
            code="region_empty",
        )
    return inside


_RULES: dict[str, Callable[[Tensor], Tensor]] = {
    "all": lambda channel: torch.ones(channel.shape, dtype=torch.bool),
    "positive": lambda channel: channel > 0,
    "foreground": lambda channel: torch.from_numpy(foreground(channel.numpy())),
}
