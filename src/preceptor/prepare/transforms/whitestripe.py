"""WhiteStripe: normal-appearing white matter sets the scale."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import torch
from annotated_types import Gt, Lt

from preceptor.core.applied import Applied, Intensity
from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError
from preceptor.maths.intensity_scale import middle_and_spread, standardised
from preceptor.maths.white_stripe import histogram_peak, stripe
from preceptor.prepare.region import region


class Whitestripe:
    """Subtracts the mean of white matter and divides by its (population) standard deviation.

    White matter is found as a peak of the histogram; the stripe are the voxels whose rank lies within `width` of that
    peak's. For brain MRI without the skull: 0 is then white matter in every image, so a lesion that shrinks or grows
    does not move the scale, as it does with `zscore`. A bent scale between scanners stays bent.

    Args:
        peak: ``last`` of the histogram (T1-weighted), or ``largest`` (T2, FLAIR, proton density).
        width: Of the stripe on each side of the peak, as a share of the voxels.
        over: Which voxels the histogram counts: ``all``, ``positive`` (the skull and what surrounds it set to 0) or the
            ``foreground`` above Otsu's threshold.
        mask: Name of a mask whose voxels it counts instead, such as a brain mask that an earlier step made.
        view: The one view that the step is for; None for all. Contrasts with different peaks take a step each.

    Returns:
        From `draw`: an `Intensity` on ``(channel, *space)``, in deviations of white matter.

    Raises:
        PrepareError: The histogram has no peak, or the stripe a single value; the case has no such mask.

    Source: Shinohara 2014, NeuroImage: Clinical 6.

    Example:
        >>> Whitestripe(peak="largest", view="flair").width
        0.05
    """

    def __init__(
        self,
        peak: Literal["last", "largest"] = "last",
        width: Annotated[float, Gt(0), Lt(0.5)] = 0.05,
        over: Literal["all", "positive", "foreground"] = "positive",
        mask: str | None = None,
        view: str | None = None,
    ) -> None:
        self.peak = peak
        self.width = width
        self.over = over
        self.mask = mask
        self.view = view
        self.reads_pixels = mask is not None

    @classmethod
    def example(cls) -> Whitestripe:
        return cls()

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        counts = region(sample, self.over, self.mask, "whitestripe")

        def function(image: torch.Tensor) -> torch.Tensor:
            return torch.stack([self._standardised(channel, channel[counts(channel)]) for channel in image])

        return Intensity(function, None if self.view is None else (self.view,))

    def _standardised(self, channel: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
        values = counted.numpy()
        mode = histogram_peak(values, self.peak) if len(values) else float("nan")
        white = stripe(values, mode, self.width) if np.isfinite(mode) else np.empty(0)
        mean, deviation = middle_and_spread(torch.from_numpy(white))
        if not deviation > 1e-6 * abs(mean):
            raise PrepareError(
                "there is no white matter to be found in the histogram: its peak is a single grey value",
                where="prepare.whitestripe",
                expected="a brain image without the skull, with more grey values than a few",
                remedy="use zscore, or name a brain mask",
                code="stripe_flat",
            )
        return standardised(channel, mean, deviation)
