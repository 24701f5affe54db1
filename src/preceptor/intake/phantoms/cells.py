"""Cells of known number."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Gt, Le, Len
from scipy.ndimage import gaussian_filter

from preceptor.core.drawn import Drawn, Turn, centred
from preceptor.core.errors import RecipeError
from preceptor.maths.phantom_cells import cell_numbers, place_cells


class Cells:
    """Round cells under a fluorescence microscope, and how many there are.

    Spaced cells keep apart, so that counting connected components counts them; free ones lie anywhere and overlap, and a
    counter is tested on them. The label map gives every cell a number of its own.

    Args:
        size: Pixels along both axes.
        spacing_mm: Of a pixel; half a micrometre by default.
        number: Fewest and most cells; the number is drawn from these.
        radius: Of a cell, in pixels.
        placing: ``spaced`` or ``free``.
        noise: Standard deviation of the noise.

    Raises:
        RecipeError: So many spaced cells find no room.

    Source: own generator, after the synthetic cells of Lempitsky & Zisserman 2010, Learning to count objects in images.

    Example:
        >>> Cells(number=(7, 7)).draw(Turn(0, 0, 1)).labels
        {'count': 7}
    """

    def __init__(
        self,
        size: Annotated[list[Annotated[int, Ge(16), Le(4096)]], Len(2, 2)] = [256, 256],  # noqa: B006  read, never changed
        spacing_mm: Annotated[list[Annotated[float, Gt(0)]], Len(2, 2)] = [0.0005, 0.0005],  # noqa: B006
        number: tuple[Annotated[int, Ge(0)], Annotated[int, Ge(0)]] = (40, 100),
        radius: Annotated[float, Ge(1)] = 5.0,
        placing: Literal["spaced", "free"] = "spaced",
        noise: Annotated[float, Ge(0)] = 0.03,
    ) -> None:
        self.size, self.spacing_mm, self.number, self.radius = size, spacing_mm, number, radius
        self.placing, self.noise = placing, noise

    @classmethod
    def example(cls) -> Cells:
        return cls(size=[48, 40], number=(2, 5), radius=3.0)

    def draw(self, turn: Turn) -> Drawn:
        low, high = sorted(self.number)
        number = int(turn.rng("number").integers(low, high + 1))
        apart = 2 * self.radius + 3 if self.placing == "spaced" else 0.0
        try:
            centres = place_cells(turn.rng("places"), number, self.size, self.radius + 1, apart)
        except ValueError as error:
            raise RecipeError(
                str(error),
                expected="fewer cells, smaller ones, or a larger picture",
                remedy="`placing: free` lets them overlap",
                code="cells_without_room",
            ) from None
        truth = cell_numbers(centres, self.size, self.radius)
        bright = turn.rng("brightness").uniform(0.5, 0.85, number + 1)
        bright[0] = 0.06
        grey = gaussian_filter(bright[truth], 0.7) + turn.rng("grain").normal(0, self.noise, truth.shape)
        spacing_mm = tuple(self.spacing_mm)
        return Drawn(
            {"image": centred(np.clip(grey, 0, 1).astype(np.float32), spacing_mm)},
            {"cells": centred(truth, spacing_mm, is_label=True)},
            {"count": number},
        )
