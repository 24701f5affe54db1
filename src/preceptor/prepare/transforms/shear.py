"""Shear: lean the image to one side."""

from __future__ import annotations

from itertools import combinations
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le, Lt

from preceptor.core.applied import Applied, Nothing, Spatial
from preceptor.core.cohort import Sample
from preceptor.maths.geometry import physical_map


class Shear:
    """Leans the image about its middle, as a pile of cards leans, in millimetres.

    Each of two axes, or of every two of three, leans along the other by its own angle; which of them leans is drawn too. Volumes
    stay what they are (the determinant is 1), so it never mirrors.

    Args:
        degrees: Largest angle by which an axis leans; drawn evenly from plus to minus.
        chance: How often it happens.

    Returns:
        From `draw`: a `Spatial`, or `Nothing`.

    Source: none needed.

    Example:
        >>> from preceptor.core.image import Image
        >>> image = Image(np.zeros((1, 8, 8)), np.eye(4))
        >>> applied = Shear(20.0).draw(np.random.default_rng(0), Sample("a", {"xray": image}))
        >>> round(float(np.linalg.det(applied.matrix)), 6)
        1.0
    """

    reads_pixels = False
    neutral = {"degrees": 0.0}

    def __init__(
        self, degrees: Annotated[float, Ge(0), Lt(90)] = 5.0, chance: Annotated[float, Ge(0), Le(1)] = 1.0
    ) -> None:
        self.degrees = degrees
        self.chance = chance

    @classmethod
    def example(cls) -> Shear:
        return cls()

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        if rng.random() >= self.chance:
            return Nothing()
        image = sample.reference
        dims = image.space_dims
        order = rng.permutation(dims)
        pairs = list(combinations(range(dims), 2))
        degrees = rng.uniform(-1, 1, size=len(pairs)) * self.degrees
        linear = np.eye(dims)
        # Triangular in the drawn order of axes: angles both ways between two axes would change volumes, large ones mirror.
        for (first, second), angle in zip(pairs, degrees, strict=True):
            linear[order[first], order[second]] = -np.tan(np.deg2rad(angle))
        matrix = physical_map(linear, np.zeros(dims), image.spacing_mm, image.shape)
        names = [f"{'xyz'[order[first]]} along {'xyz'[order[second]]}" for first, second in pairs]
        return Spatial(matrix, parameters={"shear_degrees": dict(zip(names, degrees.tolist(), strict=True))}, fill=0.0)
