"""Blur: a softer image, in millimetres."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge, Le

from preceptor.core.applied import Applied, Intensity, Nothing
from preceptor.core.cohort import Sample
from preceptor.maths.axis_operators import blur


class Blur:
    """Smooths with a Gaussian that is as wide along every axis, whatever the voxels' shape.

    Args:
        sigma_mm: Largest standard deviation in millimetres (pixels in pictures that say nothing of millimetres); each
            case draws its own from 0 to `sigma_mm`. The full width at half maximum is 2.355 times that.
        chance: How often it happens.

    Returns:
        From `draw`: an `Intensity` that keeps a constant as it is, or `Nothing`.

    Source: none needed. The image is mirrored at its edges.

    Example:
        >>> from preceptor.core.image import Image
        >>> image = Image(np.zeros((1, 4, 4)), np.eye(4))
        >>> Blur(sigma_mm=1.5).draw(np.random.default_rng(0), Sample("a", {"t1": image})).parameters.keys()
        dict_keys(['sigma_mm'])
    """

    reads_pixels = False
    neutral = {"sigma_mm": 0.0}

    def __init__(self, sigma_mm: Annotated[float, Ge(0)] = 1.0, chance: Annotated[float, Ge(0), Le(1)] = 1.0) -> None:
        self.sigma_mm = sigma_mm
        self.chance = chance

    @classmethod
    def example(cls) -> Blur:
        return cls()

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        chance, share = rng.random(2)
        if chance >= self.chance:
            return Nothing()
        sigma_mm = float(share) * self.sigma_mm
        sigmas = [sigma_mm / each for each in sample.reference.spacing_mm]

        def function(image: torch.Tensor) -> torch.Tensor:
            return blur(image, sigmas)

        return Intensity(function, any_device=True, parameters={"sigma_mm": sigma_mm})
