"""Simard: the elastic distortion as it was published, a blurred random displacement of every pixel."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le

from preceptor.core.applied import Applied, Displacement, Nothing, Spatial
from preceptor.core.cohort import Sample
from preceptor.maths.folding import simard_displacement, unfolded


class Simard:
    """Displaces every pixel at random, blurs the displacements, and scales them. For planes of moderate size.

    ``elastic`` does the like with control points: far cheaper, in millimetres, and the choice for volumes.

    Distortions that fold the image (a Jacobian determinant of 0 or less) are drawn anew; after eight that fold, the last is
    halved until it does not. At the published setting one in fifty folds.

    Args:
        alpha: Scale of the displacements, in pixels; 34 as published, for digits of 28 x 28 pixels.
        sigma: Standard deviation of the Gaussian that blurs them, in pixels; 4 as published. In a plane the root mean square
            displacement along an axis is then ``alpha / (2 sqrt(3 pi) sigma)``.
        chance: How often it happens.

    Returns:
        From `draw`: a `Spatial` with a `Displacement` at every pixel, or `Nothing`.

    Source: Simard 2003, "Best practices for convolutional neural networks applied to visual document analysis", section 2.

    Example:
        >>> from preceptor.core.image import Image
        >>> image = Image(np.zeros((1, 28, 28)), np.eye(4))
        >>> Simard().draw(np.random.default_rng(0), Sample("a", {"digit": image})).displacement.control.shape
        (2, 28, 28)
    """

    reads_pixels = False
    neutral = {"alpha": 0.0}

    def __init__(
        self,
        alpha: Annotated[float, Ge(0)] = 34.0,
        sigma: Annotated[float, Gt(0)] = 4.0,
        chance: Annotated[float, Ge(0), Le(1)] = 1.0,
    ) -> None:
        self.alpha = alpha
        self.sigma = sigma
        self.chance = chance

    @classmethod
    def example(cls) -> Simard:
        return cls()

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        if rng.random() >= self.chance:
            return Nothing()
        shape = sample.reference.shape
        control = unfolded(lambda: simard_displacement(rng, shape, self.alpha, self.sigma).astype(np.float32), shape)
        return Spatial(np.eye(len(shape) + 1), displacement=Displacement(control), fill=0.0)
