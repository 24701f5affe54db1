"""Sharpen: edges made stronger than they are."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge, Gt, Le

from preceptor.core.applied import Applied, Intensity, Nothing
from preceptor.core.cohort import Sample
from preceptor.maths.axis_operators import blur


class Sharpen:
    """Adds what a blur takes away, as the unsharp mask of a workstation or of a sharp reconstruction kernel does.

    Args:
        amount: Largest share of the difference that is added; each case draws its own from 0 to `amount`.
        sigma_mm: Standard deviation of the blur in millimetres (pixels in pictures that say nothing of millimetres).
        chance: How often it happens.

    Returns:
        From `draw`: an `Intensity` that keeps a constant as it is, or `Nothing`. Values may overshoot at edges.

    Source: Gonzalez & Woods 2008, "Digital Image Processing", section 3.6.3, unsharp masking.

    Example:
        >>> from preceptor.core.image import Image
        >>> image = Image(np.zeros((1, 4, 4)), np.eye(4))
        >>> Sharpen(amount=2.0).draw(np.random.default_rng(0), Sample("a", {"t1": image})).parameters.keys()
        dict_keys(['amount'])
    """

    reads_pixels = False
    neutral = {"amount": 0.0}

    def __init__(
        self,
        amount: Annotated[float, Ge(0)] = 1.0,
        sigma_mm: Annotated[float, Gt(0)] = 1.0,
        chance: Annotated[float, Ge(0), Le(1)] = 1.0,
    ) -> None:
        self.amount = amount
        self.sigma_mm = sigma_mm
        self.chance = chance

    @classmethod
    def example(cls) -> Sharpen:
        return cls()

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        chance, share = rng.random(2)
        if chance >= self.chance:
            return Nothing()
        amount = float(share) * self.amount
        sigmas = [self.sigma_mm / each for each in sample.reference.spacing_mm]

        def function(image: torch.Tensor) -> torch.Tensor:
            return torch.lerp(blur(image, sigmas), image, 1 + amount)

        return Intensity(function, any_device=True, parameters={"amount": amount})
