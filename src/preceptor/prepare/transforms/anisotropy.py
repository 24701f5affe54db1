"""Anisotropy: as if the image had been acquired in thick slices."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import torch
from annotated_types import Ge, Gt, Le

from preceptor.core.applied import Applied, Intensity, Nothing
from preceptor.core.cohort import Sample
from preceptor.maths.axis_operators import along, slab_matrix
from preceptor.prepare.axes import Axis, chosen_axis


class Anisotropy:
    """Averages along one axis over slabs, as a thick slice does, and brings the slabs back to the image's own voxels.

    Unlike leaving slices out, averaging shows structures thinner than a slab at less contrast, as partial volume does.
    Where the first slab begins is drawn too.

    Args:
        thickness_mm: Largest thickness of a slab in millimetres; each case draws its own between the voxels' size and
            this. No more than the voxels' size leaves the image as it is.
        axis: The axis of the array that slices are stacked along; ``any`` draws one.
        interpolation: How slabs come back to voxels: ``linear`` between their middles, as a resampled scan has it, or
            ``nearest``, which keeps each slab's mean.
        chance: How often it happens.

    Returns:
        From `draw`: an `Intensity` that keeps a constant as it is, or `Nothing`.

    Raises:
        PrepareError: The image has no such axis.

    Source: Billot 2023, "SynthSeg", Medical Image Analysis 86:102789, section 3.2 (slice thickness and spacing); a box
        for the slab's profile in place of a Gaussian.

    Example:
        >>> from preceptor.core.image import Image
        >>> sample = Sample("a", {"t1": Image(np.zeros((1, 8, 8, 8)), np.eye(4))})
        >>> Anisotropy(axis="z").draw(np.random.default_rng(0), sample).parameters["axis"]
        2
    """

    reads_pixels = False
    neutral = {"thickness_mm": 1e-6}

    def __init__(
        self,
        thickness_mm: Annotated[float, Gt(0)] = 5.0,
        axis: Axis = "any",
        interpolation: Literal["linear", "nearest"] = "linear",
        chance: Annotated[float, Ge(0), Le(1)] = 1.0,
    ) -> None:
        self.thickness_mm = thickness_mm
        self.axis = axis
        self.interpolation = interpolation
        self.chance = chance

    @classmethod
    def example(cls) -> Anisotropy:
        return cls()

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        chance, share, thickness, place = rng.random(4)
        if chance >= self.chance:
            return Nothing()
        axis = chosen_axis(self.axis, float(share), sample, "anisotropy")
        spacing, size = sample.reference.spacing_mm[axis], sample.reference.shape[axis]
        thickness_mm = spacing + float(thickness) * max(self.thickness_mm - spacing, 0.0)
        voxels = thickness_mm / spacing
        first = -float(place) * voxels

        def function(image: torch.Tensor) -> torch.Tensor:
            if voxels <= 1:
                return image
            return along(image, slab_matrix(size, voxels, first, straight=self.interpolation == "linear"), axis)

        parameters = {
            "axis": axis + sample.reference.space_dims,
            "thickness_mm": thickness_mm,
            "first_mm": first * spacing,
        }
        return Intensity(function, any_device=True, parameters=parameters)
