"""Spike: one wrong point of k-space, seen as stripes over the whole image."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge, Le

from preceptor.core.applied import Applied, Intensity, Nothing
from preceptor.core.cohort import Sample


class Spike:
    """Adds a plane wave: what one spark in the scanner room, read as one point of k-space, makes of an MR image.

    The point may lie anywhere in k-space but in its middle. The image being real, its mirror image gets the same.

    Args:
        strength: Largest amplitude of the wave, as a share of the range between the patch's lowest and highest value;
            each case draws its own from 0 to `strength`.
        chance: How often it happens.

    Returns:
        From `draw`: an `Intensity`, the same wave in every channel; or `Nothing`.

    Source: Zhuo & Gullapalli 2006, "MR artifacts, safety, and quality control", RadioGraphics 26:275 (spike noise).

    Example:
        >>> from preceptor.core.image import Image
        >>> sample = Sample("a", {"t1": Image(np.zeros((1, 8, 8)), np.eye(4))})
        >>> sorted(Spike().draw(np.random.default_rng(0), sample).parameters)
        ['phase', 'strength', 'waves']
    """

    reads_pixels = False
    neutral = {"strength": 0.0}

    def __init__(self, strength: Annotated[float, Ge(0)] = 0.15, chance: Annotated[float, Ge(0), Le(1)] = 1.0) -> None:
        self.strength = strength
        self.chance = chance

    @classmethod
    def example(cls) -> Spike:
        return cls()

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        chance, share, phase = rng.random(3)
        if chance >= self.chance:
            return Nothing()
        shape = sample.reference.shape
        place = 1 + int(rng.integers(max(int(np.prod(shape)) - 1, 1)))  # 0 is the middle
        waves = [int(each) for each in np.unravel_index(place % int(np.prod(shape)), shape)]
        strength, phase = float(share) * self.strength, 2 * np.pi * float(phase)
        angle = torch.tensor(phase, dtype=torch.float32)
        for size, count in zip(shape, waves, strict=True):
            # Turns that are whole change nothing: taken off before they cost digits.
            turn = torch.from_numpy((np.arange(size) * count % size * (2 * np.pi / size)).astype(np.float32))
            angle = angle[..., None] + turn

        def function(image: torch.Tensor) -> torch.Tensor:
            low, high = (float(each) for each in image.aminmax())
            return image.add_(angle.to(image.device).cos(), alpha=strength * (high - low))

        return Intensity(function, any_device=True, parameters={"waves": waves, "phase": phase, "strength": strength})
