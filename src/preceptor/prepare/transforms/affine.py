"""Affine: turn, scale and shift."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Le, Lt

from preceptor.core.applied import Applied, Nothing, Spatial
from preceptor.core.cohort import Sample
from preceptor.core.evidence import Question
from preceptor.maths.geometry import physical_map, rotation
from preceptor.prepare.sides import has_sides, refuse_turned_sides


class Affine:
    """Turns, scales and shifts the image about its middle in one draw, in millimetres: voxels need not be cubes.

    ``rotate``, ``scale``, ``shift`` and ``shear`` do one of these each, axis by axis where that is wanted; however many a
    recipe lists, they become one map and one interpolation.

    Args:
        degrees: Largest turn about each axis (in a plane: about its normal); drawn evenly from plus to minus.
        scale: Largest change of size, the same along all axes: a factor from ``1 - scale`` to ``1 + scale``, drawn so
            that doubling is as likely as halving.
        shift_mm: Largest shift along each axis; drawn evenly from plus to minus.
        chance: How often it happens.

    Returns:
        From `draw`: a `Spatial`, or `Nothing`. It never mirrors.

    Raises:
        PrepareError: Turns of a quarter or more meet a label or a structure that is a side; `rotate` can be asked for them.

    Source: none needed.

    Example:
        >>> from preceptor.core.image import Image
        >>> image = Image(np.zeros((1, 4, 4)), np.eye(4))
        >>> sorted(Affine(chance=1.0).draw(np.random.default_rng(0), Sample("a", {"xray": image})).parameters)
        ['degrees', 'scale', 'shift_mm']
    """

    reads_pixels = False
    neutral = {"degrees": 0.0, "scale": 0.0, "shift_mm": 0.0}

    def __init__(
        self,
        degrees: Annotated[float, Ge(0), Le(180)] = 10.0,
        scale: Annotated[float, Ge(0), Lt(1)] = 0.1,
        shift_mm: Annotated[float, Ge(0)] = 0.0,
        chance: Annotated[float, Ge(0), Le(1)] = 1.0,
    ) -> None:
        self.degrees = degrees
        self.scale = scale
        self.shift_mm = shift_mm
        self.chance = chance

    @classmethod
    def example(cls) -> Affine:
        return cls()

    def suits(self, question: Question) -> bool:
        """Whether the classes keep their meaning: no side in turns of a quarter or more."""
        return self.degrees < 90 or not has_sides(question)

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        if rng.random() >= self.chance:
            return Nothing()
        image = sample.reference
        dims = image.space_dims
        refuse_turned_sides(sample, [self.degrees] * (1 if dims == 2 else 3), "affine")
        drawn = rng.uniform(-1, 1, size=(1 if dims == 2 else 3) + 1 + dims)
        turns, size, shift = drawn[: -1 - dims], drawn[-1 - dims], drawn[-dims:] * self.shift_mm
        degrees = turns * self.degrees
        factor = (1 + self.scale) ** size if size > 0 else (1 - self.scale) ** -size
        # Seen from the output: what is to look larger is read from closer to the middle.
        linear = rotation(np.deg2rad(degrees)) / factor
        matrix = physical_map(linear, shift, image.spacing_mm, image.shape)
        parameters = {"degrees": degrees.tolist(), "scale": float(factor), "shift_mm": shift.tolist()}
        return Spatial(matrix, parameters=parameters, fill=0.0)
