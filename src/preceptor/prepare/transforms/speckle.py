"""Speckle: noise in proportion to the signal, as coherent waves leave it."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge, Le

from preceptor.core.applied import Applied, Intensity, Nothing
from preceptor.core.cohort import Sample
from preceptor.maths.noise import normal


class Speckle:
    """Multiplies every pixel's signal by ``1 + sigma z``, with z drawn from a standard normal for each pixel.

    The noise's variance is the square of the signal times ``sigma²``. That is the model of ultrasound, optical
    coherence tomography and radar before they are compressed. Images compressed by a logarithm (what an ultrasound
    machine shows) hold speckle as noise that is added: use `noise`.

    Args:
        sigma: Largest standard deviation in proportion to the signal; each case draws its own from 0 to `sigma`.
        zero: The value of the prepared image that stands for no signal; None for the patch's lowest.
        chance: How often it happens.

    Returns:
        From `draw`: an `Intensity`, or `Nothing`.

    Source: Lee 1981, "Speckle analysis and smoothing of synthetic aperture radar images", CGIP 17:24; for ultrasound
        Wagner 1983, "Statistics of speckle in ultrasound B-scans", IEEE Trans Sonics Ultrason 30:156.

    Example:
        >>> applied = Speckle(sigma=0.2, zero=0.0).draw(np.random.default_rng(0), Sample("a", {}))
        >>> applied.function(torch.zeros(1, 4, 4)).abs().max().item()
        0.0
    """

    reads_pixels = False
    neutral = {"sigma": 0.0}

    def __init__(
        self,
        sigma: Annotated[float, Ge(0)] = 0.15,
        zero: float | None = None,
        chance: Annotated[float, Ge(0), Le(1)] = 1.0,
    ) -> None:
        self.sigma = sigma
        self.zero = zero
        self.chance = chance

    @classmethod
    def example(cls) -> Speckle:
        return cls()

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        chance, share = rng.random(2)
        if chance >= self.chance:
            return Nothing()
        sigma = float(share) * self.sigma
        generator = torch.Generator().manual_seed(int(rng.integers(2**63)))

        def function(image: torch.Tensor) -> torch.Tensor:
            zero = float(image.min()) if self.zero is None else self.zero
            factor = normal(image, generator).mul_(sigma)
            signal = image.sub_(zero)
            return signal.addcmul_(signal, factor).add_(zero)

        return Intensity(function, any_device=True, parameters={"sigma": sigma})
