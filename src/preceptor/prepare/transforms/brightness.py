"""Brightness: the whole image lighter or darker."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge, Le

from preceptor.core.applied import Applied, Intensity, Nothing
from preceptor.core.cohort import Sample


class Brightness:
    """Adds one number to the whole image.

    Args:
        shift: Largest number, in the units of the prepared image; drawn evenly from plus to minus.
        chance: How often it happens.

    Returns:
        From `draw`: an `Intensity` with its inverse, or `Nothing`.

    Source: none needed.

    Example:
        >>> applied = Brightness(shift=0.5).draw(np.random.default_rng(0), Sample("a", {}))
        >>> bool(torch.allclose(applied.inverse(applied.function(torch.ones(1, 4))), torch.ones(1, 4)))
        True
    """

    reads_pixels = False
    neutral = {"shift": 0.0}

    def __init__(self, shift: Annotated[float, Ge(0)] = 0.3, chance: Annotated[float, Ge(0), Le(1)] = 1.0) -> None:
        self.shift = shift
        self.chance = chance

    @classmethod
    def example(cls) -> Brightness:
        return cls()

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        chance, place = rng.random(2)
        if chance >= self.chance:
            return Nothing()
        shift = (2 * float(place) - 1) * self.shift

        def function(image: torch.Tensor) -> torch.Tensor:
            return image.add_(shift)

        def inverse(image: torch.Tensor) -> torch.Tensor:
            return image - shift

        return Intensity(function, any_device=True, parameters={"shift": shift}, inverse=inverse)
