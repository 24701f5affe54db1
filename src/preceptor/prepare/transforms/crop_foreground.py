"""Crop to the foreground: a box around what is there."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge

from preceptor.core.applied import Applied, Nothing, Spatial
from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError
from preceptor.maths.geometry import box_of, grown, window_map
from preceptor.prepare.named_masks import marked


class CropForeground:
    """Cuts away what lies outside a box around the foreground, or around a named mask. Pixels are copied.

    A prediction comes back onto the original grid, 0 where the box did not reach: what was cut away counts as no
    structure.

    Args:
        mask: Name of a mask that an earlier step made (``body``, ``brain``, ``lung``, ``sector``, ``tissue``); None
            for what is brighter than `above`. A truth drawn by hand won't do: the model must predict without it.
        above: The foreground's values are greater; None for the first view's lowest value.
        margin_mm: Room around the box on every side, as far as the image reaches. In pixels for a picture that says
            nothing of millimetres.
        multiple_of: The box is enlarged on both sides until each side is a multiple of this many voxels; beyond the
            image it is filled.
        fill: What an image holds there; None for its lowest value. Label maps get 0.

    Returns:
        From `draw`: a `Spatial` that is exact, or `Nothing` where all is foreground.

    Raises:
        PrepareError: There is no such mask, or no foreground.

    Source: none needed.

    Example:
        >>> from preceptor.core.image import Image
        >>> array = np.zeros((1, 10, 10))
        >>> array[0, 3:6, 4:9] = 7
        >>> CropForeground(margin_mm=1).draw(None, Sample("a", {"t1": Image(array, np.eye(4))})).shape
        (5, 7)
    """

    def __init__(
        self,
        mask: str | None = None,
        above: float | None = None,
        margin_mm: Annotated[float, Ge(0)] = 0.0,
        multiple_of: Annotated[int, Ge(1)] = 1,
        fill: float | None = None,
    ) -> None:
        self.mask = mask
        self.above = above
        self.margin_mm = margin_mm
        self.multiple_of = multiple_of
        self.fill = fill

    @classmethod
    def example(cls) -> CropForeground:
        return cls(margin_mm=2.0)

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        reference = sample.reference
        inside = self._foreground(sample) if self.mask is None else marked(sample, self.mask, "crop_foreground")
        first, shape = box_of(inside)
        room = [int(np.ceil(self.margin_mm / each - 1e-6)) for each in reference.spacing_mm]
        low = [max(a - more, 0) for a, more in zip(first, room, strict=True)]
        high = [min(a + n + more, size) for a, n, more, size in zip(first, shape, room, reference.shape, strict=True)]
        first, shape = grown(low, [b - a for a, b in zip(low, high, strict=True)], self.multiple_of)
        if tuple(shape) == reference.shape and not any(first):
            return Nothing()
        return Spatial(window_map(first), tuple(shape), fill=self.fill, parameters={"first": list(first)})

    def _foreground(self, sample: Sample) -> np.ndarray:
        image = next(iter(sample.images.values()))
        array = image.array.reshape(-1, *image.shape)
        inside: np.ndarray = np.any(array > (array.min() if self.above is None else self.above), axis=0)
        if not inside.any():
            raise PrepareError(
                "nothing in the image is foreground",
                where="prepare.crop_foreground",
                expected="voxels above " + ("the image's lowest value" if self.above is None else f"{self.above:g}"),
                remedy="look at the image: it is blank, or `above` is in another unit",
                code="no_foreground",
            )
        return inside
