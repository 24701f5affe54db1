"""Ghosting: faint copies of the body along the phase-encoding axis."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge, Le

from preceptor.core.applied import Applied, Intensity, Nothing
from preceptor.core.cohort import Sample
from preceptor.maths.axis_operators import along, line_filter
from preceptor.prepare.axes import Axis, chosen_axis


class Ghosting:
    """Makes every k-th line of k-space stronger, as breathing or a pulse that keeps time with the scanner does.

    That adds copies of the image, shifted by multiples of ``size / k`` voxels and each ``strength / k`` as bright; the
    image itself keeps its strength. What is seen is the magnitude.

    A patch is treated as if it were all that was scanned: copies wrap round at its edges. Train on whole images where
    they must lie where a scanner puts them.

    Args:
        lowest, highest: Of k, the number of lines after which it happens again; 2 is the half-field ghost of
            echo-planar imaging.
        strength: Largest share that is added to those lines; each case draws its own from 0 to `strength`.
        axis: The phase-encoding axis of the array; ``any`` draws one.
        zero: The value of the prepared image that stands for no signal; None for the patch's lowest.
        chance: How often it happens.

    Returns:
        From `draw`: an `Intensity`, or `Nothing`.

    Raises:
        PrepareError: The image has no such axis.

    Source: Axel 1986, "Respiratory effects in two-dimensional Fourier transform MR imaging", Radiology 160:795; the
        shift by ``size / k`` is the Fourier transform of a comb.

    Example:
        >>> from preceptor.core.image import Image
        >>> sample = Sample("a", {"t1": Image(np.zeros((1, 8, 8, 8)), np.eye(4))})
        >>> sorted(Ghosting().draw(np.random.default_rng(0), sample).parameters)
        ['axis', 'every', 'first', 'strength']
    """

    reads_pixels = False
    neutral = {"strength": 0.0}

    def __init__(
        self,
        lowest: Annotated[int, Ge(2)] = 2,
        highest: Annotated[int, Ge(2)] = 6,
        strength: Annotated[float, Ge(0)] = 0.5,
        axis: Axis = "any",
        zero: float | None = None,
        chance: Annotated[float, Ge(0), Le(1)] = 1.0,
    ) -> None:
        self.lowest = lowest
        self.highest = highest
        self.strength = strength
        self.axis = axis
        self.zero = zero
        self.chance = chance

    @classmethod
    def example(cls) -> Ghosting:
        return cls()

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        chance, share, number, place, strength = rng.random(5)
        if chance >= self.chance:
            return Nothing()
        axis = chosen_axis(self.axis, float(share), sample, "ghosting")
        size = sample.reference.shape[axis]
        every = self.lowest + int(number * (self.highest - self.lowest + 1))
        first = int(place * every)
        strength = float(strength) * self.strength
        gains = np.zeros(size)
        gains[first::every] = strength
        gains -= strength / every  # what the copies get is no more of the image itself

        def function(image: torch.Tensor) -> torch.Tensor:
            zero = float(image.min()) if self.zero is None else self.zero
            still = image.sub_(zero)
            real, imaginary = (along(still, operator, axis) for operator in line_filter(gains))
            return real.add_(still).hypot_(imaginary).add_(zero)

        parameters = {"axis": axis + sample.reference.space_dims, "every": every, "first": first, "strength": strength}
        return Intensity(function, any_device=True, parameters=parameters)
