"""Noise: Gaussian, on every pixel."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge, Le

from preceptor.core.applied import Applied, Intensity, Nothing
from preceptor.core.cohort import Sample
from preceptor.maths.noise import normal


class Noise:
    """Adds Gaussian noise, drawn for every pixel by itself.

    Args:
        sigma: Largest standard deviation, in the units of the prepared image; each case draws its own from 0 to
            `sigma`.
        chance: How often it happens.

    Returns:
        From `draw`: an `Intensity`, or `Nothing`.

    Source: none needed.

    Example:
        >>> Noise(sigma=0.1).draw(np.random.default_rng(0), Sample("a", {})).parameters.keys()
        dict_keys(['sigma'])
    """

    reads_pixels = False
    neutral = {"sigma": 0.0}

    def __init__(self, sigma: Annotated[float, Ge(0)] = 0.1, chance: Annotated[float, Ge(0), Le(1)] = 1.0) -> None:
        self.sigma = sigma
        self.chance = chance

    @classmethod
    def example(cls) -> Noise:
        return cls()

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        chance, share = rng.random(2)
        if chance >= self.chance:
            return Nothing()
        sigma = float(share) * self.sigma
        # One generator for all views, so that each gets noise of its own.
        generator = torch.Generator().manual_seed(int(rng.integers(2**63)))

        def function(image: torch.Tensor) -> torch.Tensor:
            return image.add_(normal(image, generator), alpha=sigma)

        return Intensity(function, any_device=True, parameters={"sigma": sigma})
