"""Perspective: a picture seen from a slant."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Le, Lt

from preceptor.core.applied import Applied, Displacement, Nothing, Spatial
from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError
from preceptor.maths.warps import control_points

#: Control points along each axis: between them a spline follows the projection to a fiftieth of a pixel in a thousand.
_POINTS = 17


class Perspective:
    """Shows a picture as a camera sees it that is not held straight before it: each corner moves by itself.

    For pictures (photographs of skin, of screens, of films on a light box), not for volumes. It is laid down as a displacement,
    so that it composes with what else moves the picture and is interpolated once.

    Args:
        distortion: Largest way of a corner along each axis, as a share of half the side; drawn evenly, inwards and outwards.
        chance: How often it happens.

    Returns:
        From `draw`: a `Spatial` with a `Displacement`, or `Nothing`.

    Raises:
        PrepareError: The image is a volume.

    Source: Hartley & Zisserman 2004, "Multiple view geometry", algorithm 4.1 with four corners.

    Example:
        >>> from preceptor.core.image import Image
        >>> image = Image(np.zeros((1, 64, 64)), np.eye(4))
        >>> applied = Perspective(0.2).draw(np.random.default_rng(0), Sample("a", {"photograph": image}))
        >>> applied.displacement.control.shape
        (2, 17, 17)
    """

    reads_pixels = False
    neutral = {"distortion": 0.0}

    def __init__(
        self, distortion: Annotated[float, Ge(0), Lt(0.5)] = 0.1, chance: Annotated[float, Ge(0), Le(1)] = 1.0
    ) -> None:
        self.distortion = distortion
        self.chance = chance

    @classmethod
    def example(cls) -> Perspective:
        return cls()

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        if rng.random() >= self.chance:
            return Nothing()
        shape = sample.reference.shape
        if len(shape) != 2:
            raise PrepareError(
                "a volume has no perspective",
                where=f"case {sample.key}, augment.perspective",
                expected="pictures of two axes",
                remedy="take elastic or b_spline for volumes",
                code="perspective_axes",
            )
        sides = np.array(shape, dtype=float) - 1
        corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]) * sides
        moves = rng.uniform(-1, 1, size=(4, 2)) * self.distortion * sides / 2
        projection = _projection(corners, corners + moves)
        points = (_POINTS, _POINTS)
        places = control_points(points, shape)
        seen = np.tensordot(projection, np.concatenate([places, np.ones((1, *points))]), 1)
        control = (seen[:2] / seen[2] - places).astype(np.float32)
        drawn = {"corner_shift_pixels": moves.round(3).tolist()}
        return Spatial(np.eye(3), displacement=Displacement(control), parameters=drawn, fill=0.0)


def _projection(places: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """The 3x3 projection that takes four places of the output to the places in the input that they show."""
    rows = []
    for (x, y), (u, v) in zip(places, seen, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    return np.append(np.linalg.solve(np.array(rows), seen.reshape(-1)), 1.0).reshape(3, 3)
