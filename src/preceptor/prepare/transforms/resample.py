"""Resample: another spacing, or another number of voxels."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt

from preceptor.core.applied import Applied, Nothing, Spatial
from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError, RecipeError
from preceptor.maths.geometry import spacing_map

_Spacing = Annotated[float, Gt(0)]
_Voxels = Annotated[int, Ge(1)]


class Resample:
    """Shows the image on a grid of another spacing: linear for images, nearest for labels.

    The outer corners of the first voxels coincide, so nothing shifts by half a voxel. Where the new voxels are larger,
    images are first smoothed (`antialias`), so that what is finer than the new grid fades instead of turning into
    false patterns.

    Args:
        spacing_mm: Distance between voxel centres along each axis, in the order the axes have by now, or one number
            for all.
        shape: Instead of a spacing, voxels along each axis: for pictures that say nothing of millimetres.
        keep_aspect: With `shape`: the same factor along every axis, so that the image fits in (follow with ``crop_pad``
            to fill up); otherwise each axis is stretched to its number.
        antialias: Smooth images before voxels are made larger.

    Returns:
        From `draw`: a `Spatial`, or `Nothing` where the grid is as asked.

    Raises:
        RecipeError: Neither or both of `spacing_mm` and `shape` are given.
        PrepareError: There are not as many numbers as axes, or a spacing is asked of a picture of unknown geometry.

    Source: smoothing by a Gaussian of ``sqrt(factor^2 - 1) / 2.3548`` voxels, Cardoso et al. 2015, "Scale factor point
    spread function matching: beyond aliasing in image resampling", MICCAI.

    Example:
        >>> from preceptor.core.image import Image
        >>> image = Image(np.zeros((1, 10, 10, 5)), np.diag([1.0, 1.0, 3.0, 1.0]))
        >>> Resample(spacing_mm=[1, 1, 1]).draw(None, Sample("a", {"t1": image})).shape
        (10, 10, 15)
    """

    reads_pixels = False

    def __init__(
        self,
        spacing_mm: list[_Spacing] | _Spacing | None = None,
        shape: list[_Voxels] | None = None,
        keep_aspect: bool = False,
        antialias: bool = True,
    ) -> None:
        if (spacing_mm is None) == (shape is None):
            raise RecipeError(
                "resample needs a spacing or a shape"
                if spacing_mm is None
                else "resample has both a spacing and a shape",
                where="prepare.resample",
                expected="spacing_mm: [1, 1, 1] or shape: [256, 256]",
                code="resample_target",
            )
        self.spacing_mm = spacing_mm
        self.shape = shape
        self.keep_aspect = keep_aspect
        self.antialias = antialias

    @classmethod
    def example(cls) -> Resample:
        return cls(spacing_mm=2.0)

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        image = sample.reference
        if self.shape is not None:
            self._as_many("shape", self.shape, image.space_dims)
            factors = [old / new for old, new in zip(image.shape, self.shape, strict=True)]
            factors = [max(factors)] * len(factors) if self.keep_aspect else factors
            spacing = [each * factor for each, factor in zip(image.spacing_mm, factors, strict=True)]
        elif not image.has_known_geometry:
            raise PrepareError(
                "the picture says nothing of millimetres, and a spacing is asked for",
                expected="an image whose file tells its spacing",
                remedy="resample to a shape instead: {resample: {shape: [256, 256]}}",
                code="spacing_unknown",
            )
        elif isinstance(self.spacing_mm, list):
            self._as_many("spacing_mm", self.spacing_mm, image.space_dims)
            spacing = self.spacing_mm
        else:
            spacing = [self.spacing_mm] * image.space_dims  # type: ignore[list-item]
        if np.allclose(spacing, image.spacing_mm, rtol=1e-4):
            return Nothing()
        matrix, shape = spacing_map(image.shape, image.spacing_mm, spacing)
        return Spatial(
            matrix, shape, antialias=self.antialias, parameters={"spacing_mm": [float(each) for each in spacing]}
        )

    def _as_many(self, name: str, given: list, dims: int) -> None:
        if len(given) != dims:
            raise PrepareError(
                f"resample.{name} has {len(given)} numbers, and the image {dims} axes",
                expected="one number for each axis",
                code="axes_mismatch",
            )
