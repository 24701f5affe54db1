"""Z-score: mean 0, standard deviation 1."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch

from preceptor.core.applied import Applied, Intensity
from preceptor.core.cohort import Sample
from preceptor.maths.intensity_scale import middle_and_spread, standardised
from preceptor.prepare.region import region


class Zscore:
    """Subtracts the mean and divides by the (population) standard deviation, of each image and channel by itself.

    For images whose units mean nothing, such as MRI. A channel that is the same everywhere becomes 0. Padding is part
    of ``all``: cut it off before, or take the statistics from the object alone.

    Args:
        over: Which voxels mean and deviation are taken from: ``all``; ``positive`` (greater than 0, where the
            background was set to 0); ``foreground`` (above Otsu's threshold). All voxels are then moved by them.
        mask: Name of a mask to take them from instead: one that an earlier step made, such as a brain mask. A bundle
            sees images alone, so a mask that only the cohort has, the truth above all, ends in a refusal there.
        by: ``mean`` and deviation; or what a few wild values do not move: median and interquartile range (``iqr``),
            median and 1.4826 times the median absolute deviation (``mad``).

    Returns:
        From `draw`: an `Intensity` on ``(channel, *space)``, without units.

    Raises:
        PrepareError: The case has no such mask, or nothing is marked in it.

    Source: Reinhold et al. 2019 (arXiv:1812.04652), section 2.2.1.

    Example:
        >>> z = Zscore().draw(None, Sample("a", {})).function(torch.tensor([[0.0, 10, 20, 30, 100]]))
        >>> [round(value, 3) for value in z[0].tolist()]
        [-0.903, -0.621, -0.339, -0.056, 1.919]
    """

    def __init__(
        self,
        over: Literal["all", "positive", "foreground"] = "all",
        mask: str | None = None,
        by: Literal["mean", "iqr", "mad"] = "mean",
    ) -> None:
        self.over = over
        self.mask = mask
        self.by = by
        self.reads_pixels = mask is not None

    @classmethod
    def example(cls) -> Zscore:
        return cls()

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        counts = region(sample, self.over, self.mask, "zscore")

        def function(image: torch.Tensor) -> torch.Tensor:
            return torch.stack([self._standardised(channel, channel[counts(channel)]) for channel in image])

        return Intensity(function)

    def _standardised(self, channel: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
        return standardised(channel, *middle_and_spread(counted, self.by))
