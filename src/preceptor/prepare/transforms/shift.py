"""Shift: move the image."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from preceptor.core.applied import Applied, Nothing, Spatial
from preceptor.core.cohort import Sample
from preceptor.maths.geometry import physical_map
from preceptor.prepare.per_axis import each_axis


class Shift:
    """Moves the image along each axis, in millimetres.

    In patches, what comes into view is the tissue beside the patch; beyond the image there is 0, and the truth is unlabelled.

    Args:
        shift_mm: Largest shift, of all axes or of each in the order of the array; drawn evenly from plus to minus.
        whole_voxels: Round to whole voxels: pixels are then copied, not interpolated.
        chance: How often it happens.

    Returns:
        From `draw`: a `Spatial`, or `Nothing`.

    Raises:
        PrepareError: There are not as many numbers as axes.

    Source: none needed.

    Example:
        >>> from preceptor.core.image import Image
        >>> image = Image(np.zeros((1, 8, 8)), np.eye(4))
        >>> applied = Shift([2.0, 0.0], whole_voxels=True).draw(np.random.default_rng(0), Sample("a", {"xray": image}))
        >>> applied.parameters
        {'shift_mm': [-1.0, 0.0]}
    """

    reads_pixels = False
    neutral = {"shift_mm": 0.0}

    def __init__(
        self,
        shift_mm: Annotated[float, Ge(0)] | list[Annotated[float, Ge(0)]] = 5.0,
        whole_voxels: bool = False,
        chance: Annotated[float, Ge(0), Le(1)] = 1.0,
    ) -> None:
        self.shift_mm = shift_mm
        self.whole_voxels = whole_voxels
        self.chance = chance

    @classmethod
    def example(cls) -> Shift:
        return cls()

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        if rng.random() >= self.chance:
            return Nothing()
        image = sample.reference
        spacing = np.asarray(image.spacing_mm)
        shift = rng.uniform(-1, 1, size=image.space_dims) * each_axis("shift.shift_mm", self.shift_mm, image.space_dims)
        if self.whole_voxels:
            shift = np.rint(shift / spacing) * spacing
        shift = shift + 0.0  # no minus zero
        matrix = physical_map(np.eye(image.space_dims), shift, spacing, image.shape)
        return Spatial(matrix, parameters={"shift_mm": shift.tolist()}, fill=0.0)
