"""A window of Hounsfield units, clipped and scaled to 0..1."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Gt

from preceptor.core.applied import Applied, Intensity
from preceptor.core.cohort import Sample


class Window:
    """Clips CT numbers to a window and scales it to 0..1: DICOM's LINEAR_EXACT, not its LINEAR.

    ``(value - (centre - width / 2)) / width``, cut off at 0 and 1. DICOM's LINEAR, made for screens, shifts by half a
    unit and divides by ``width - 1``.

    Padding (DICOM Pixel Padding Value, ``meta["padding_value"]``) is no tissue: it becomes 0. Put `window` before
    `resample`, which would blend padding with its neighbours.

    Args:
        centre_hu: Middle of the window.
        width_hu: Its width.

    Returns:
        From `draw`: an `Intensity` on ``(channel, *space)``, without units.

    Source: DICOM PS3.3 C.11.2.1.3.2, "LINEAR_EXACT".

    Example:
        >>> soft_tissue = Window(centre_hu=40, width_hu=400)
        >>> soft_tissue.draw(None, Sample("a", {})).function(torch.tensor([[-160.0, 40, 240, 3000]])).tolist()
        [[0.0, 0.5, 1.0, 1.0]]
    """

    reads_pixels = False

    def __init__(self, centre_hu: float, width_hu: Annotated[float, Gt(0)]) -> None:
        self.centre_hu = centre_hu
        self.width_hu = width_hu

    @classmethod
    def example(cls) -> Window:
        return cls(centre_hu=40.0, width_hu=400.0)

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        padding: set[Any] = {image.meta.get("padding_value") for image in sample.images.values()} - {None}

        def function(image: torch.Tensor) -> torch.Tensor:
            scaled = ((image - (self.centre_hu - self.width_hu / 2)) / self.width_hu).clamp_(0, 1)
            for value in padding:
                scaled[image == float(value)] = 0.0
            return scaled

        return Intensity(function)
