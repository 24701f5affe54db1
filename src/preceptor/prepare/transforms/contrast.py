"""Contrast: values drawn together or apart about their mean."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge, Gt, Le

from preceptor.core.applied import Applied, Intensity, Nothing
from preceptor.core.cohort import Sample


class Contrast:
    """Multiplies each value's distance from the patch's mean, and cuts it off at the patch's own lowest and highest.

    Args:
        lowest, highest: Of the factor; drawn so that halving is as likely as doubling.
        chance: How often it happens.

    Returns:
        From `draw`: an `Intensity` that leaves the range no wider than it was, or `Nothing`.

    Source: Isensee 2021, "nnU-Net", contrast augmentation.

    Example:
        >>> applied = Contrast(lowest=0.5, highest=0.5).draw(np.random.default_rng(0), Sample("a", {}))
        >>> applied.function(torch.tensor([[0.0, 2.0, 4.0]])).tolist()
        [[1.0, 2.0, 3.0]]
    """

    reads_pixels = False
    neutral = {"lowest": 1.0, "highest": 1.0}

    def __init__(
        self,
        lowest: Annotated[float, Gt(0)] = 0.75,
        highest: Annotated[float, Gt(0)] = 1.25,
        chance: Annotated[float, Ge(0), Le(1)] = 1.0,
    ) -> None:
        self.lowest = lowest
        self.highest = highest
        self.chance = chance

    @classmethod
    def example(cls) -> Contrast:
        return cls()

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        chance, place = rng.random(2)
        if chance >= self.chance:
            return Nothing()
        bottom, top = math.log(self.lowest), math.log(self.highest)
        factor = math.exp(bottom + float(place) * (top - bottom))

        def function(image: torch.Tensor) -> torch.Tensor:
            low, high = (float(each) for each in image.aminmax())
            # In double precision, so that the order in which threads add does not show.
            mean = float(image.mean(dtype=torch.float64))
            return image.mul_(factor).add_(mean * (1 - factor)).clamp_(low, high)

        return Intensity(function, any_device=True, parameters={"factor": factor})
