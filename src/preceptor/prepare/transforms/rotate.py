"""Rotate: turn the image."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Le

from preceptor.core.applied import Applied, Nothing, Spatial
from preceptor.core.cohort import Sample
from preceptor.core.evidence import Question
from preceptor.maths.geometry import physical_map, rotation
from preceptor.prepare.per_axis import each_axis
from preceptor.prepare.sides import has_sides, refuse_turned_sides


class Rotate:
    """Turns the image about its middle, in millimetres: voxels need not be cubes.

    A turn is no mirror: a left lung stays a left lung. But from a quarter turn on, about any axis but left-right, what lay on the
    patient's left comes to lie on the right of the grid, and only the anatomy around still tells. Where a label or a structure
    is a side, such turns are refused unless `turned_sides` asks for them.

    Args:
        degrees: Largest turn about each axis, one for all or one for each of three, in the order of the array; in a plane about
            its normal. Drawn evenly from plus to minus.
        quarter_turns: Turn by 0, 90, 180 or -90 degrees alone, each as likely, within `degrees`. Pixels are then copied; in a
            plane whose two sides differ in number or spacing of voxels, only half turns are left.
        turned_sides: "refuse", or "keep" the names of structures that a large turn brings to the other side.
        chance: How often it happens.

    Returns:
        From `draw`: a `Spatial`, exact for quarter turns, or `Nothing`.

    Raises:
        PrepareError: There are not as many numbers as axes to turn about, or a large turn meets sides.

    Source: none needed.

    Example:
        >>> from preceptor.core.image import Image
        >>> image = Image(np.zeros((1, 8, 8)), np.eye(4))
        >>> turns = Rotate(180.0, quarter_turns=True)
        >>> turns.draw(np.random.default_rng(0), Sample("a", {"slide": image})).parameters
        {'degrees': [180.0]}
    """

    reads_pixels = False
    neutral = {"degrees": 0.0}

    def __init__(
        self,
        degrees: Annotated[float, Ge(0), Le(180)] | list[Annotated[float, Ge(0), Le(180)]] = 15.0,
        quarter_turns: bool = False,
        turned_sides: Literal["refuse", "keep"] = "refuse",
        chance: Annotated[float, Ge(0), Le(1)] = 1.0,
    ) -> None:
        self.degrees = degrees
        self.quarter_turns = quarter_turns
        self.turned_sides = turned_sides
        self.chance = chance

    @classmethod
    def example(cls) -> Rotate:
        return cls()

    def suits(self, question: Question) -> bool:
        """Whether the classes keep their meaning: no side in a large turn, unless it is asked for."""
        most = max(self.degrees) if isinstance(self.degrees, list) else self.degrees
        return self.turned_sides == "keep" or most < 90 or not has_sides(question)

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        image = sample.reference
        dims = image.space_dims
        most = each_axis("rotate.degrees", self.degrees, 1 if dims == 2 else 3)
        if self.turned_sides == "refuse":
            refuse_turned_sides(sample, most, "rotate")
        if rng.random() >= self.chance:
            return Nothing()
        degrees = self._quarters(rng, sample, most) if self.quarter_turns else rng.uniform(-1, 1, len(most)) * most
        if not degrees.any():
            return Nothing()
        matrix = physical_map(rotation(np.deg2rad(degrees)), np.zeros(dims), image.spacing_mm, image.shape)
        if self.quarter_turns:
            matrix = np.rint(matrix)  # cosines of quarter turns are 0 but for rounding
        return Spatial(matrix, parameters={"degrees": degrees.tolist()}, fill=0.0)

    def _quarters(self, rng: np.random.Generator, sample: Sample, most: np.ndarray) -> np.ndarray:
        """Whole quarter turns about each axis that leave the grid what it is."""
        image = sample.reference
        drawn = []
        for axis, limit in enumerate(most):
            a, b = ((axis + 1) % 3, (axis + 2) % 3) if len(most) == 3 else (0, 1)
            square = image.shape[a] == image.shape[b] and np.isclose(image.spacing_mm[a], image.spacing_mm[b], 1e-3)
            turns = [
                turn for turn in (0.0, 90.0, 180.0, -90.0) if abs(turn) <= limit and (square or turn in (0.0, 180.0))
            ]
            drawn.append(turns[int(rng.integers(len(turns)))])
        return np.array(drawn)
