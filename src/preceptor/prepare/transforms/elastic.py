"""Elastic: a smooth random deformation that never folds."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le

from preceptor.core.applied import Applied, Displacement, Nothing, Spatial
from preceptor.core.cohort import Sample
from preceptor.maths.folding import unfolded


class Elastic:
    """Moves control points at random and lets the tissue between them follow smoothly.

    Displacements that would fold the image (a Jacobian determinant of 0 or less) are drawn anew; after eight that
    fold, the last is halved until it does not.

    Args:
        spacing_mm: Distance between control points. There is one at every corner, so it is rounded to fit.
        sigma_mm: Standard deviation of the control points' displacement along each axis.
        chance: How often it happens.

    Returns:
        From `draw`: a `Spatial` with a `Displacement`, or `Nothing`.

    Source: Simard 2003, "Best practices for convolutional neural networks applied to visual document analysis",
        section 2,
    with a displacement drawn at control points and a spline between them in place of a blurred displacement of every
    pixel.

    Example:
        >>> from preceptor.core.image import Image
        >>> image = Image(np.zeros((1, 32, 40, 32)), np.eye(4))
        >>> applied = Elastic(spacing_mm=16, sigma_mm=2).draw(np.random.default_rng(0), Sample("a", {"t1": image}))
        >>> applied.displacement.control.shape
        (3, 3, 3, 3)
    """

    reads_pixels = False
    neutral = {"sigma_mm": 0.0}

    def __init__(
        self,
        spacing_mm: Annotated[float, Gt(0)] = 16.0,
        sigma_mm: Annotated[float, Ge(0)] = 2.0,
        chance: Annotated[float, Ge(0), Le(1)] = 1.0,
    ) -> None:
        self.spacing_mm = spacing_mm
        self.sigma_mm = sigma_mm
        self.chance = chance

    @classmethod
    def example(cls) -> Elastic:
        return cls()

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        if rng.random() >= self.chance:
            return Nothing()
        image = sample.reference
        spacing = image.spacing_mm
        points = [
            max(2, round((size - 1) * each / self.spacing_mm) + 1)
            for size, each in zip(image.shape, spacing, strict=True)
        ]
        sigma = np.array([self.sigma_mm / each for each in spacing], dtype=np.float32)
        sigma = sigma.reshape(-1, *[1] * len(points))
        size = (len(points), *points)
        control = unfolded(lambda: rng.standard_normal(size, dtype=np.float32) * sigma, image.shape)
        largest = float((np.abs(control) * np.reshape(spacing, (-1, *[1] * len(points)))).max())
        parameters = {"control_points": points, "largest_shift_mm": largest}
        return Spatial(np.eye(len(points) + 1), displacement=Displacement(control), parameters=parameters, fill=0.0)
