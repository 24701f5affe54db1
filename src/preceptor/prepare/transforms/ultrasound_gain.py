"""Ultrasound gain: the sliders for each depth set otherwise."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import torch
from annotated_types import Ge, Gt, Le

from preceptor.core.applied import Applied, Intensity, Nothing
from preceptor.core.cohort import Sample
from preceptor.maths.warps import spread
from preceptor.prepare.axes import chosen_axis

#: What lies further from black than one part in so many of the range gets all of the gain.
_FULL = 20


class UltrasoundGain:
    """Moves the sliders of the depth gain (time gain compensation) up and down.

    What an ultrasound machine shows is compressed by a logarithm: its range of grey values is its dynamic range in
    decibels. So a gain is added, and values that leave the range are cut off. Between sliders it is a smooth curve. What is
    within a twentieth of the range from black gets less of it, and black none: there is no echo outside the sector.

    Args:
        gain_db: Largest gain at a slider in decibels; drawn evenly from plus to minus for each.
        sliders: How many, spread over the depth of the patch.
        dynamic_range_db: Decibels between the patch's lowest and highest value.
        axis: The axis of the array along which depth grows.
        chance: How often it happens.

    Returns:
        From `draw`: an `Intensity`, the same gain for every view and channel; or `Nothing`.

    Raises:
        PrepareError: The image has no such axis.

    Source: Szabo 2014, "Diagnostic Ultrasound Imaging: Inside Out", 2nd edition (time gain control and
        logarithmic compression).

    Example:
        >>> from preceptor.core.image import Image
        >>> sample = Sample("a", {"liver": Image(np.zeros((1, 16, 16)), np.eye(4))})
        >>> len(UltrasoundGain(sliders=6).draw(np.random.default_rng(0), sample).parameters["gain_db"])
        6
    """

    reads_pixels = False
    neutral = {"gain_db": 0.0}

    def __init__(
        self,
        gain_db: Annotated[float, Ge(0)] = 6.0,
        sliders: Annotated[int, Ge(2)] = 8,
        dynamic_range_db: Annotated[float, Gt(0)] = 60.0,
        axis: Literal["x", "y", "z"] = "y",
        chance: Annotated[float, Ge(0), Le(1)] = 1.0,
    ) -> None:
        self.gain_db = gain_db
        self.sliders = sliders
        self.dynamic_range_db = dynamic_range_db
        self.axis = axis
        self.chance = chance

    @classmethod
    def example(cls) -> UltrasoundGain:
        return cls()

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        if rng.random() >= self.chance:
            return Nothing()
        axis = chosen_axis(self.axis, 0.0, sample, "ultrasound_gain")
        gains_db = rng.uniform(-1, 1, self.sliders).astype(np.float32) * np.float32(self.gain_db)
        size = sample.reference.shape[axis]
        curve = torch.from_numpy(spread(gains_db[None], (size,))[0] / np.float32(self.dynamic_range_db))
        curve = curve.view(size, *[1] * (-axis - 1))

        def function(image: torch.Tensor) -> torch.Tensor:
            low, high = (float(each) for each in image.aminmax())
            if high <= low:
                return image
            echo = (image - low).mul_(_FULL / (high - low)).clamp_(max=1)
            return image.addcmul_(echo, curve.to(image.device), value=high - low).clamp_(low, high)

        return Intensity(function, any_device=True, parameters={"gain_db": gains_db.tolist()})
