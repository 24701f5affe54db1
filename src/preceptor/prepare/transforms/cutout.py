"""Cutout: a box of the image is hidden."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Ge, Le

from preceptor.core.applied import Applied, Intensity, Nothing
from preceptor.core.cohort import Sample


class Cutout:
    """Fills boxes with one value, so that the answer must not hang on any one place.

    Every box lies wholly inside the image; several may overlap. Masks stay: what is hidden is still asked for, and the
    surroundings must tell. For a classification a box can hide the very finding that the label says is there.

    Args:
        size_mm: Length of a box along every axis in millimetres (pixels in pictures that say nothing of millimetres),
            rounded to voxels; no longer than the image.
        boxes: How many.
        value: What a box is filled with, in the units of the prepared image: 0 is the mean after `zscore`.
        chance: How often it happens.

    Returns:
        From `draw`: an `Intensity`, the same boxes in every view and channel; or `Nothing`.

    Source: DeVries & Taylor 2017 (arXiv:1708.04552), section 3.

    Example:
        >>> from preceptor.core.image import Image
        >>> sample = Sample("a", {"t1": Image(np.ones((1, 8, 8)), np.eye(4))})
        >>> applied = Cutout(size_mm=3, boxes=1).draw(np.random.default_rng(0), sample)
        >>> int((applied.function(torch.ones(1, 8, 8)) == 0).sum())
        9
    """

    reads_pixels = False
    neutral = {"size_mm": 0.0}

    def __init__(
        self,
        size_mm: Annotated[float, Ge(0)] = 10.0,
        boxes: Annotated[int, Ge(1)] = 1,
        value: float = 0.0,
        chance: Annotated[float, Ge(0), Le(1)] = 1.0,
    ) -> None:
        self.size_mm = size_mm
        self.boxes = boxes
        self.value = value
        self.chance = chance

    @classmethod
    def example(cls) -> Cutout:
        return cls(size_mm=3.0)

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        if rng.random() >= self.chance:
            return Nothing()
        shape = np.array(sample.reference.shape)
        size = np.minimum(np.round(self.size_mm / np.array(sample.reference.spacing_mm)).astype(int), shape)
        first = np.floor(rng.random((self.boxes, len(shape))) * (shape - size + 1)).astype(int)
        inside = [[slice(a, a + n) for a, n in zip(each, size.tolist(), strict=True)] for each in first.tolist()]
        boxes: list[tuple[Any, ...]] = [(Ellipsis, *each) for each in inside]

        def function(image: torch.Tensor) -> torch.Tensor:
            for box in boxes:
                image[box] = self.value
            return image

        return Intensity(function, any_device=True, parameters={"first": first.tolist(), "voxels": size.tolist()})
