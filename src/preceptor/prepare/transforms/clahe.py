"""CLAHE: local contrast, within limits."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from annotated_types import Gt, Le

from preceptor.core.applied import Applied, Intensity
from preceptor.core.cohort import Sample
from preceptor.maths.intensity_scale import between


class Clahe:
    """Contrast-limited adaptive histogram equalisation: the contrast of each neighbourhood is stretched.

    Each channel (and frame) is scaled from its own lowest and highest value and comes out in 0..1. It is not monotone
    over the image: the same value becomes brighter here and darker there. So never use it before anything is measured
    in grey values. A channel that is the same everywhere becomes 0.

    Args:
        tile: Side of the neighbourhood as a share of the image's side.
        limit: Largest share of a neighbourhood's voxels that one bin may keep; the rest is spread over all bins.
        bins: Of each histogram.

    Returns:
        From `draw`: an `Intensity` on ``(channel, *space)``, 0..1.

    Source: Zuiderveld 1994, Graphics Gems IV, VIII.5, as scikit-image's `equalize_adapthist` computes it.

    Example:
        >>> Clahe().draw(None, Sample("a", {})).function(torch.full((1, 16, 16), 0.5)).max().item()
        0.0
    """

    reads_pixels = False

    def __init__(
        self,
        tile: Annotated[float, Gt(0), Le(1)] = 0.125,
        limit: Annotated[float, Gt(0), Le(1)] = 0.01,
        bins: Annotated[int, Gt(1)] = 256,
    ) -> None:
        self.tile = tile
        self.limit = limit
        self.bins = bins

    @classmethod
    def example(cls) -> Clahe:
        return cls()

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        has_time = any(image.has_time for image in sample.images.values())

        def function(image: torch.Tensor) -> torch.Tensor:
            pictures = image.flatten(0, 1) if has_time else image
            return torch.stack([self._equalised(each) for each in pictures]).reshape(image.shape)

        return Intensity(function)

    def _equalised(self, picture: torch.Tensor) -> torch.Tensor:
        from skimage.exposure import equalize_adapthist

        lowest, highest = float(picture.min()), float(picture.max())
        if lowest == highest:  # the library makes 1 of any constant image
            return torch.zeros_like(picture)
        share = between(picture, lowest, highest).numpy()
        tile = [max(round(size * self.tile), 1) for size in picture.shape]
        out = equalize_adapthist(share, kernel_size=tile, clip_limit=self.limit, nbins=self.bins)
        return torch.from_numpy(np.asarray(out, dtype=np.float32))
