"""Poisson noise: of counting photons or decays, few at a time."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge, Gt, Le

from preceptor.core.applied import Applied, Intensity, Nothing
from preceptor.core.cohort import Sample

#: Where the brightest voxel holds fewer counts than this, each count is drawn; it takes ten times as long.
_FEW = 30.0


class PoissonNoise:
    """Draws every pixel as a count whose mean, and so whose variance, is the signal.

    The signal above `zero`, in counts, is the mean of a Poisson distribution; what is drawn is brought back to the
    units of the image. With one count a unit the variance equals the mean.

    Where the brightest voxel of the patch holds 30 counts or more, the distribution is replaced by a normal deviate z
    with its first three moments, ``mean + sqrt(mean) z + (z² - 1) / 6`` (Cornish and Fisher's expansion), cut off at
    0: the mean is right to 0.1 counts, the variance to 0.1 counts, and it is several times faster.

    Args:
        lowest, highest: Counts for each unit of the prepared image, fewer being noisier; drawn so that halving is as
            likely as doubling.
        zero: The value of the prepared image that stands for no count; None for the patch's lowest.
        chance: How often it happens.

    Returns:
        From `draw`: an `Intensity`, or `Nothing`.

    Source: Barrett & Swindell 1981, "Radiological Imaging" (counting statistics); Cornish & Fisher 1938,
        "Moments and cumulants in the specification of distributions", for many counts.

    Example:
        >>> applied = PoissonNoise(lowest=1, highest=1, zero=0.0).draw(np.random.default_rng(0), Sample("a", {}))
        >>> torch.equal((counts := applied.function(torch.full((1, 4, 4), 3.0))), counts.round())
        True
    """

    reads_pixels = False

    def __init__(
        self,
        lowest: Annotated[float, Gt(0)] = 50.0,
        highest: Annotated[float, Gt(0)] = 1000.0,
        zero: float | None = None,
        chance: Annotated[float, Ge(0), Le(1)] = 1.0,
    ) -> None:
        self.lowest = lowest
        self.highest = highest
        self.zero = zero
        self.chance = chance

    @classmethod
    def example(cls) -> PoissonNoise:
        return cls()

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        chance, place = rng.random(2)
        if chance >= self.chance:
            return Nothing()
        counts = math.exp(math.log(self.lowest) + float(place) * math.log(self.highest / self.lowest))
        generator = torch.Generator().manual_seed(int(rng.integers(2**63)))

        def function(image: torch.Tensor) -> torch.Tensor:
            low, high = (float(each) for each in image.aminmax())
            zero = low if self.zero is None else self.zero
            image.sub_(zero).mul_(counts).clamp_(min=0)
            if (high - zero) * counts < _FEW:
                image = torch.poisson(image, generator=generator)
            else:
                normal = torch.empty_like(image).normal_(generator=generator)
                root = image.sqrt()
                # mean + z (sqrt(mean) + z / 6) - 1/6, and nothing where no count is expected
                image.addcmul_(normal, root.add_(normal, alpha=1 / 6)).sub_(1 / 6).clamp_(min=0)
            return image.mul_(1 / counts).add_(zero)

        return Intensity(function, parameters={"counts_per_unit": counts})
