"""Histogram equalisation: every grey value as often as every other."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import torch
from annotated_types import Gt

from preceptor.core.applied import Applied, Intensity
from preceptor.core.cohort import Sample
from preceptor.prepare.region import region


class Equalise:
    """Replaces each value by the share of voxels that are no brighter, read between the bins of a histogram.

    Monotone, so what was brighter stays no darker; distances between grey values mean nothing afterwards. A channel
    that is the same everywhere becomes 0.

    Args:
        bins: Of the histogram.
        over: Which voxels the histogram counts: ``all``, ``positive`` or the ``foreground`` above Otsu's threshold. All
            voxels are mapped by it.
        mask: Name of a mask whose voxels it counts instead; see `zscore`.

    Returns:
        From `draw`: an `Intensity` on ``(channel, *space)``, 0..1.

    Raises:
        PrepareError: The case has no such mask, or nothing is marked in it.

    Source: Gonzalez & Woods, Digital Image Processing, section 3.3.1, as scikit-image's `equalize_hist` computes it.

    Example:
        >>> Equalise().draw(None, Sample("a", {})).function(torch.tensor([[0.0, 0, 1, 2]])).tolist()
        [[0.5, 0.5, 0.625, 1.0]]
    """

    def __init__(
        self,
        bins: Annotated[int, Gt(1)] = 256,
        over: Literal["all", "positive", "foreground"] = "all",
        mask: str | None = None,
    ) -> None:
        self.bins = bins
        self.over = over
        self.mask = mask
        self.reads_pixels = mask is not None

    @classmethod
    def example(cls) -> Equalise:
        return cls()

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        counts = region(sample, self.over, self.mask, "equalise")

        def function(image: torch.Tensor) -> torch.Tensor:
            return torch.stack([self._equalised(channel, counts(channel)) for channel in image])

        return Intensity(function)

    def _equalised(self, channel: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
        from skimage.exposure import equalize_hist

        inside = channel[counted]
        if not inside.numel() or inside.min() == inside.max():
            return torch.zeros_like(channel)
        out = equalize_hist(channel.numpy(), nbins=self.bins, mask=counted.numpy())
        return torch.from_numpy(np.asarray(out, dtype=np.float32))
