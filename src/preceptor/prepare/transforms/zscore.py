"""Z-score: mean 0, standard deviation 1."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch

from preceptor.core.applied import Applied, Intensity
from preceptor.core.cohort import Sample


class Zscore:
    """Subtracts the mean and divides by the (population) standard deviation, of each image and channel by itself.

    For images whose units mean nothing, such as MRI. A channel that is the same everywhere becomes 0.

    Args:
        over: Which voxels mean and deviation are taken from: ``all``, or ``positive`` (greater than 0, where the
            background was set to 0). All voxels are then moved by them.

    Returns:
        From `draw`: an `Intensity` on ``(channel, *space)``, without units.

    Source: Reinhold et al. 2019 (arXiv:1812.04652), section 2.2.1.

    Example:
        >>> z = Zscore().draw(None, Sample("a", {})).function(torch.tensor([[0.0, 10, 20, 30, 100]]))
        >>> [round(value, 3) for value in z[0].tolist()]
        [-0.903, -0.621, -0.339, -0.056, 1.919]
    """

    reads_pixels = False

    def __init__(self, over: Literal["all", "positive"] = "all") -> None:
        self.over = over

    @classmethod
    def example(cls) -> Zscore:
        return cls()

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        return Intensity(self._standardise)

    def _standardise(self, image: torch.Tensor) -> torch.Tensor:
        out = torch.empty_like(image)
        for channel, into in zip(image, out, strict=True):
            counted = channel[channel > 0] if self.over == "positive" else channel
            mean, deviation = _moments(counted)
            torch.sub(channel, mean, out=into)
            # What differs only by rounding of its own values is the same everywhere.
            if deviation > 1e-6 * max(abs(mean), 1e-30):
                into.div_(deviation)
            else:
                into.zero_()
        return out


def _moments(values: torch.Tensor) -> tuple[float, float]:
    """Mean and population standard deviation, added up in double precision; 0 and 0 of nothing."""
    if not values.numel():
        return 0.0, 0.0
    mean = float(values.sum(dtype=torch.float64)) / values.numel()
    variance = float((values - mean).square_().sum(dtype=torch.float64)) / values.numel()
    return mean, variance**0.5
