"""Crop or pad to a number of voxels about the middle."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge

from preceptor.core.applied import Applied, Nothing, Spatial
from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError
from preceptor.maths.geometry import centred_window_map


class CropPad:
    """Cuts away or adds voxels at both ends of each axis until there are as many as asked. Pixels are copied.

    Args:
        shape: Voxels along each axis.
        fill: What the added voxels of an image hold; None for its lowest value (air). Label maps get 0.

    Returns:
        From `draw`: a `Spatial` that is exact, or `Nothing` where the shape is as asked.

    Raises:
        PrepareError: There are not as many numbers as axes.

    Source: none needed.

    Example:
        >>> from preceptor.core.image import Image
        >>> image = Image(np.zeros((1, 10, 10, 5)), np.eye(4))
        >>> CropPad(shape=[8, 8, 8]).draw(None, Sample("a", {"t1": image})).matrix[:, -1].tolist()
        [1.0, 1.0, -2.0, 1.0]
    """

    reads_pixels = False

    def __init__(self, shape: list[Annotated[int, Ge(1)]], fill: float | None = None) -> None:
        self.shape = shape
        self.fill = fill

    @classmethod
    def example(cls) -> CropPad:
        return cls(shape=[8, 8, 8])

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        image = sample.reference
        if len(self.shape) != image.space_dims:
            raise PrepareError(
                f"crop_pad.shape has {len(self.shape)} numbers, and the image {image.space_dims} axes",
                expected="one number for each axis",
                code="axes_mismatch",
            )
        if tuple(self.shape) == image.shape:
            return Nothing()
        return Spatial(centred_window_map(image.shape, self.shape), tuple(self.shape), fill=self.fill)
