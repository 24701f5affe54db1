"""Range: the lowest and the highest value set the scale."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch

from preceptor.core.applied import Applied, Intensity
from preceptor.core.cohort import Sample
from preceptor.core.errors import RecipeError
from preceptor.maths.intensity_scale import between
from preceptor.prepare.region import region


class Range:
    """Scales each image and channel linearly onto a given range, by its own extremes.

    One wild voxel sets the scale of all others: `percentile` is steadier. A channel that is the same everywhere becomes
    `low`.

    Args:
        low: What the darkest value becomes.
        high: What the brightest value becomes.
        start: ``minimum`` of the image becomes `low`; or ``zero`` does, so that the image is divided by its maximum.
        over: Which voxels the extremes are taken from: ``all``, ``positive`` or the ``foreground`` above Otsu's
            threshold. Values beyond them are not cut off.
        mask: Name of a mask to take them from instead; see `zscore`.

    Returns:
        From `draw`: an `Intensity` on ``(channel, *space)``, without units.

    Raises:
        RecipeError: `low` is not below `high`.
        PrepareError: The case has no such mask, or nothing is marked in it.

    Source: Simple arithmetic; no paper needed.

    Example:
        >>> Range().draw(None, Sample("a", {})).function(torch.tensor([[50.0, 125, 200]])).tolist()
        [[0.0, 0.5, 1.0]]
        >>> Range(start="zero").draw(None, Sample("a", {})).function(torch.tensor([[0.0, 50, 200]])).tolist()
        [[0.0, 0.25, 1.0]]
    """

    def __init__(
        self,
        low: float = 0.0,
        high: float = 1.0,
        start: Literal["minimum", "zero"] = "minimum",
        over: Literal["all", "positive", "foreground"] = "all",
        mask: str | None = None,
    ) -> None:
        if low >= high:
            raise RecipeError(
                f"range goes from {low:g} to {high:g}", where="range", expected="low below high", code="range_order"
            )
        self.low = low
        self.high = high
        self.start = start
        self.over = over
        self.mask = mask
        self.reads_pixels = mask is not None

    @classmethod
    def example(cls) -> Range:
        return cls()

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        counts = region(sample, self.over, self.mask, "range")

        def function(image: torch.Tensor) -> torch.Tensor:
            return torch.stack([self._scaled(channel, channel[counts(channel)]) for channel in image])

        return Intensity(function)

    def _scaled(self, channel: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
        if not counted.numel():
            return torch.full_like(channel, self.low)
        lowest = 0.0 if self.start == "zero" else float(counted.min())
        return between(channel, lowest, float(counted.max())).mul_(self.high - self.low).add_(self.low)
