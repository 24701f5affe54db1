"""Gamma: brighter or darker middle tones."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge, Gt, Le

from preceptor.core.applied import Applied, Intensity, Nothing
from preceptor.core.cohort import Sample


class Gamma:
    """Raises the values, scaled to 0..1 between the image's own lowest and highest, to a power, and scales them back.

    Args:
        lowest, highest: Of the power. Its logarithm is drawn evenly between theirs, so that brightening by some amount is
            as likely as darkening by the same.
        chance: How often it happens.

    Returns:
        From `draw`: an `Intensity` that keeps the lowest and highest value, or `Nothing`.

    Source: Isensee 2021, "nnU-Net", supplementary note 2, gamma augmentation.

    Example:
        >>> applied = Gamma(lowest=2.0, highest=2.0).draw(np.random.default_rng(0), Sample("a", {}))
        >>> applied.function(torch.tensor([[0.0, 5.0, 10.0]])).tolist()
        [[0.0, 2.5, 10.0]]
    """

    reads_pixels = False
    neutral = {"lowest": 1.0, "highest": 1.0}

    def __init__(
        self,
        lowest: Annotated[float, Gt(0)] = 0.7,
        highest: Annotated[float, Gt(0)] = 1.5,
        chance: Annotated[float, Ge(0), Le(1)] = 1.0,
    ) -> None:
        self.lowest = lowest
        self.highest = highest
        self.chance = chance

    @classmethod
    def example(cls) -> Gamma:
        return cls()

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        chance, place = rng.random(2)
        if chance >= self.chance:
            return Nothing()
        bottom, top = math.log(self.lowest), math.log(self.highest)
        power = math.exp(bottom + float(place) * (top - bottom))

        def function(image: torch.Tensor) -> torch.Tensor:
            low, high = (float(each) for each in image.aminmax())
            if high <= low:
                return image
            # ((x - low) / range) ** power * range + low, with one factor for both of the range's.
            image.sub_(low).pow_(power)
            return torch.add(torch.tensor(low), image, alpha=(high - low) ** (1 - power), out=image)

        return Intensity(function, any_device=True, parameters={"gamma": power})
