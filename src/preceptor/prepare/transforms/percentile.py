"""Percentile: the darkest and the brightest few per cent set the scale."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import torch
from annotated_types import Ge, Le

from preceptor.core.applied import Applied, Intensity
from preceptor.core.cohort import Sample
from preceptor.core.errors import RecipeError
from preceptor.maths.intensity_scale import between, percentiles
from preceptor.prepare.region import region


class Percentile:
    """Scales each image and channel so that one percentile becomes 0 and another 1, and cuts off beyond.

    A few very bright voxels (vessels, metal, a burned-in letter) do not set the scale, as they would with `range`.
    Percentiles are linear between neighbouring values. A channel that is the same everywhere becomes 0.

    Args:
        lower: Percentile that becomes 0.
        upper: Percentile that becomes 1.
        clip: Cut off below 0 and above 1.
        over: Which voxels the percentiles are taken from: ``all``, ``positive`` or the ``foreground`` above Otsu's
            threshold.
        mask: Name of a mask to take them from instead; see `zscore`.

    Returns:
        From `draw`: an `Intensity` on ``(channel, *space)``, without units.

    Raises:
        RecipeError: `lower` is not below `upper`.
        PrepareError: The case has no such mask, or nothing is marked in it.

    Source: Isensee 2021, Nature Methods 18, supplementary note 2 (clipping at percentiles).

    Example:
        >>> scaled = Percentile(0, 50).draw(None, Sample("a", {})).function(torch.tensor([[0.0, 1, 2, 3, 400]]))
        >>> scaled.tolist()
        [[0.0, 0.5, 1.0, 1.0, 1.0]]
    """

    def __init__(
        self,
        lower: Annotated[float, Ge(0), Le(100)] = 1.0,
        upper: Annotated[float, Ge(0), Le(100)] = 99.0,
        clip: bool = True,
        over: Literal["all", "positive", "foreground"] = "all",
        mask: str | None = None,
    ) -> None:
        if lower >= upper:
            raise RecipeError(
                f"percentile goes from {lower:g} to {upper:g}",
                where="percentile",
                expected="lower below upper",
                code="percentiles_order",
            )
        self.lower = lower
        self.upper = upper
        self.clip = clip
        self.over = over
        self.mask = mask
        self.reads_pixels = mask is not None

    @classmethod
    def example(cls) -> Percentile:
        return cls()

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        counts = region(sample, self.over, self.mask, "percentile")

        def function(image: torch.Tensor) -> torch.Tensor:
            return torch.stack([self._scaled(channel, channel[counts(channel)]) for channel in image])

        return Intensity(function)

    def _scaled(self, channel: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
        if not counted.numel():
            return torch.zeros_like(channel)
        low, high = percentiles(counted, (self.lower, self.upper))
        return between(channel, float(low), float(high), clip=self.clip)
