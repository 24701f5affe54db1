"""Bias field: a receiver coil that hears one side better than the other."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge, Gt, Le

from preceptor.core.applied import Applied, Intensity, Nothing
from preceptor.core.cohort import Sample
from preceptor.maths.one_thread import one_thread
from preceptor.maths.warps import spread


class BiasField:
    """Multiplies the signal by a smooth field, as an MR coil does.

    The field's logarithm is drawn at control points, with a cubic spline between them. Their mean is taken off, so that
    the image as a whole becomes neither brighter nor darker.

    Args:
        sigma: Standard deviation of the field's logarithm at the control points, before the mean is taken off: 0.2
            makes factors of 0.8 to 1.2 usual.
        spacing_mm: Distance between control points in millimetres (pixels in pictures that say nothing of millimetres).
            There is one at every corner of the patch, so it is rounded to fit.
        zero: The value of the prepared image that stands for no signal; None for the patch's lowest.
        chance: How often it happens.

    Returns:
        From `draw`: an `Intensity`, the same field for every view and channel; or `Nothing`.

    Source: Sled 1998, "A nonparametric method for automatic correction of intensity nonuniformity in MRI data", IEEE TMI
        17:87, equation 1 (the model); a spline through control points as in Tustison 2010, "N4ITK".

    Example:
        >>> from preceptor.core.image import Image
        >>> sample = Sample("a", {"t1": Image(np.zeros((1, 32, 40, 32)), np.eye(4))})
        >>> BiasField(spacing_mm=20).draw(np.random.default_rng(0), sample).parameters
        {'control_points': [3, 3, 3]}
    """

    reads_pixels = False
    neutral = {"sigma": 0.0}

    def __init__(
        self,
        sigma: Annotated[float, Ge(0)] = 0.2,
        spacing_mm: Annotated[float, Gt(0)] = 60.0,
        zero: float | None = None,
        chance: Annotated[float, Ge(0), Le(1)] = 1.0,
    ) -> None:
        self.sigma = sigma
        self.spacing_mm = spacing_mm
        self.zero = zero
        self.chance = chance

    @classmethod
    def example(cls) -> BiasField:
        return cls()

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        if rng.random() >= self.chance:
            return Nothing()
        shape = sample.reference.shape
        points = [
            max(2, round((size - 1) * each / self.spacing_mm) + 1)
            for size, each in zip(shape, sample.reference.spacing_mm, strict=True)
        ]
        control = rng.standard_normal((1, *points), dtype=np.float32) * np.float32(self.sigma)
        control -= control.mean()

        def function(image: torch.Tensor) -> torch.Tensor:
            zero = float(image.min()) if self.zero is None else self.zero
            with one_thread():
                field = spread(torch.from_numpy(control).to(image.device), shape)[0].exp_()
            return image.sub_(zero).mul_(field).add_(zero)

        return Intensity(function, any_device=True, parameters={"control_points": points})
