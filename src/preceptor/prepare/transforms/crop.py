"""Crop: show a random part of the image on the whole grid."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from annotated_types import Gt, Le

from preceptor.core.applied import Applied, Nothing, Spatial
from preceptor.core.cohort import Sample


class Crop:
    """Cuts a random window out of the image and enlarges it to the image's own size, so that a batch still fits together.

    What is shown grows with it. A window that keeps its size is a patch: ``train.patch`` cuts one, at a random place. To cut
    away the borders in preparation there is ``crop_pad``.

    Args:
        smallest: Least share of an axis's length that is kept; the share is drawn evenly from it to 1.
        proportions: "keep" draws one share for all axes, "change" one for each: what is shown is then stretched.
        chance: How often it happens.

    Returns:
        From `draw`: a `Spatial`, or `Nothing`. What was drawn is the share that is kept and the window's first voxel.

    Source: Szegedy 2014 (arXiv:1409.4842), section 6, with a share of each length in place of one of the area.

    Example:
        >>> from preceptor.core.image import Image
        >>> image = Image(np.zeros((1, 16, 16)), np.eye(4))
        >>> applied = Crop(smallest=0.5).draw(np.random.default_rng(0), Sample("a", {"xray": image}))
        >>> [round(share, 3) for share in applied.parameters["kept"]]
        [0.635, 0.635]
    """

    reads_pixels = False
    neutral = {"smallest": 1.0}

    def __init__(
        self,
        smallest: Annotated[float, Gt(0), Le(1)] = 0.8,
        proportions: Literal["keep", "change"] = "keep",
        chance: Annotated[float, Gt(0), Le(1)] = 1.0,
    ) -> None:
        self.smallest = smallest
        self.proportions = proportions
        self.chance = chance

    @classmethod
    def example(cls) -> Crop:
        return cls()

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        if rng.random() >= self.chance:
            return Nothing()
        shape = np.asarray(sample.reference.shape, dtype=float)
        drawn = rng.uniform(self.smallest, 1, size=1 if self.proportions == "keep" else len(shape))
        kept = drawn * np.ones(len(shape))
        # Of the window's outer edge, in voxels: a voxel's own edge lies half a voxel before its centre.
        first = rng.random(len(shape)) * (1 - kept) * shape
        matrix = np.diag([*kept, 1.0])
        matrix[:-1, -1] = first + (kept - 1) / 2
        return Spatial(matrix, parameters={"kept": kept.tolist(), "first_voxel": first.tolist()}, fill=0.0)
