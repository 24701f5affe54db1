"""Ultrasound shadow: what lies behind bone, gas or a poor contact is dark."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import torch
from annotated_types import Ge, Gt, Le

from preceptor.core.applied import Applied, Intensity, Nothing
from preceptor.core.cohort import Sample
from preceptor.prepare.axes import chosen_axis


class UltrasoundShadow:
    """Darkens beams behind some depth: across, the shadow is a Gaussian; along the beam it sets in within two millimetres.

    Beams run straight down from a linear probe, or spread from a point above the image for a curved or a phased one: a
    shadow then widens with depth, as the beams do.

    Args:
        shadows: How many.
        width_mm: Largest standard deviation of a shadow across, at the probe, in millimetres (pixels in pictures that
            say nothing of millimetres); each draws its own from a fifth of it up.
        strength: Largest share of the signal that is lost; each draws its own from 0 to `strength`.
        apex_mm: How far above the image's first line beams meet, in the middle of the image; None where they run in
            parallel.
        axis: The axis of the array along which depth grows.
        probe: The end of that axis where the probe lies.
        zero: The value of the prepared image that stands for no echo; None for the patch's lowest.
        chance: How often it happens.

    Returns:
        From `draw`: an `Intensity`, or `Nothing`.

    Raises:
        PrepareError: The image has no such axis.

    Source: Smistad 2018, "Highlighting nerves and blood vessels for ultrasound-guided axillary nerve block procedures
        using neural networks", J Med Imaging 5:044004 (Gaussian shadows).

    Example:
        >>> from preceptor.core.image import Image
        >>> sample = Sample("a", {"liver": Image(np.zeros((1, 16, 16)), np.eye(4))})
        >>> sorted(UltrasoundShadow().draw(np.random.default_rng(0), sample).parameters)
        ['depth_mm', 'place_mm', 'strength', 'width_mm']
    """

    reads_pixels = False
    neutral = {"strength": 0.0}

    def __init__(
        self,
        shadows: Annotated[int, Ge(1)] = 1,
        width_mm: Annotated[float, Gt(0)] = 8.0,
        strength: Annotated[float, Ge(0), Le(1)] = 0.8,
        apex_mm: Annotated[float, Gt(0)] | None = None,
        axis: Literal["x", "y", "z"] = "y",
        probe: Literal["first", "last"] = "first",
        zero: float | None = None,
        chance: Annotated[float, Ge(0), Le(1)] = 1.0,
    ) -> None:
        self.shadows = shadows
        self.width_mm = width_mm
        self.strength = strength
        self.apex_mm = apex_mm
        self.axis = axis
        self.probe = probe
        self.zero = zero
        self.chance = chance

    @classmethod
    def example(cls) -> UltrasoundShadow:
        return cls()

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        if rng.random() >= self.chance:
            return Nothing()
        shape, spacing_mm = sample.reference.shape, sample.reference.spacing_mm
        axis = chosen_axis(self.axis, 0.0, sample, "ultrasound_shadow") + len(shape)
        drawn = rng.random((self.shadows, 3 + len(shape)))
        length_mm = [(size - 1) * each for size, each in zip(shape, spacing_mm, strict=True)]
        depths = drawn[:, 0] * length_mm[axis] / 2
        widths = (0.2 + 0.8 * drawn[:, 1]) * self.width_mm
        strengths = drawn[:, 2] * self.strength
        nearer = np.ones(self.shadows) if self.apex_mm is None else self.apex_mm / (self.apex_mm + depths)
        # From the middle of the image, followed along the beam up to the probe: where it sets in, it is in the image.
        places = (drawn[:, 3:] - 0.5) * length_mm * nearer[:, None]
        coordinates = []
        for number, (size, each) in enumerate(zip(shape, spacing_mm, strict=True)):
            line = torch.arange(size, dtype=torch.float32) * each - length_mm[number] / 2
            coordinates.append(line.view([size if other == number else 1 for other in range(len(shape))]))
        depth = coordinates[axis] * (1 if self.probe == "first" else -1) + length_mm[axis] / 2
        spread = 1.0 if self.apex_mm is None else self.apex_mm / (self.apex_mm + depth)

        def function(image: torch.Tensor) -> torch.Tensor:
            zero = float(image.min()) if self.zero is None else self.zero
            image.sub_(zero)
            for begin, width, strength, place in zip(depths, widths, strengths, places.tolist(), strict=True):
                away = sum(
                    (coordinates[other] * spread - place[other]) ** 2 for other in range(len(shape)) if other != axis
                )
                lost = torch.exp(away * (-0.5 / float(width) ** 2))
                behind = ((depth - float(begin)) / 2).clamp(0, 1)  # over two millimetres
                image.mul_((lost * behind).mul_(-float(strength)).add_(1))
            return image.add_(zero)

        parameters = {
            "depth_mm": depths.tolist(),
            "width_mm": widths.tolist(),
            "strength": strengths.tolist(),
            "place_mm": np.delete(places, axis, axis=1).tolist(),
        }
        return Intensity(function, parameters=parameters)
