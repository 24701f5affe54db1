"""Rician noise: what noise in an MR scanner's two receiver channels leaves in the magnitude."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge, Le

from preceptor.core.applied import Applied, Intensity, Nothing
from preceptor.core.cohort import Sample
from preceptor.maths.noise import normal


class RicianNoise:
    """Adds Gaussian noise to the real and the imaginary part of an MR signal and takes the magnitude.

    Where there is no signal the result is not zero on average but ``sigma * sqrt(pi / 2)``: the grey veil of an MR
    background. Where the signal is strong it is as good as Gaussian.

    Args:
        sigma: Largest standard deviation of either part, in the units of the prepared image; each case draws its own
            from 0 to `sigma`.
        zero: The value of the prepared image that stands for no signal; None for the patch's lowest.
        chance: How often it happens.

    Returns:
        From `draw`: an `Intensity`, or `Nothing`.

    Source: Gudbjartsson & Patz 1995, "The Rician distribution of noisy MRI data", Magn Reson Med 34:910, equation 1.

    Example:
        >>> applied = RicianNoise(sigma=0.1, zero=0.0).draw(np.random.default_rng(0), Sample("a", {}))
        >>> bool(applied.function(torch.zeros(1, 8, 8)).min() > 0)
        True
    """

    reads_pixels = False
    neutral = {"sigma": 0.0}

    def __init__(
        self,
        sigma: Annotated[float, Ge(0)] = 0.1,
        zero: float | None = None,
        chance: Annotated[float, Ge(0), Le(1)] = 1.0,
    ) -> None:
        self.sigma = sigma
        self.zero = zero
        self.chance = chance

    @classmethod
    def example(cls) -> RicianNoise:
        return cls()

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        chance, share = rng.random(2)
        if chance >= self.chance:
            return Nothing()
        sigma = float(share) * self.sigma
        generator = torch.Generator().manual_seed(int(rng.integers(2**63)))

        def function(image: torch.Tensor) -> torch.Tensor:
            zero = float(image.min()) if self.zero is None else self.zero
            image.sub_(zero).add_(normal(image, generator), alpha=sigma)
            return image.hypot_(normal(image, generator).mul_(sigma)).add_(zero)

        return Intensity(function, any_device=True, parameters={"sigma": sigma})
