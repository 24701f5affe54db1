"""What stain steps share: a stained picture as pixels with the colour last."""

from __future__ import annotations

import numpy as np

from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError
from preceptor.core.image import Image

#: Pixels that a stain is estimated from, at most: evenly spaced ones of a larger picture.
_MOST_PIXELS = 1_000_000


def colours(image: Image, step: str) -> np.ndarray:
    """``(x, y, 3)`` as float in 0..255.

    Raises:
        PrepareError: The picture is not in colour on a scale of 0 to 255.
    """
    if image.channels != 3 or image.space_dims != 2 or image.has_time:
        raise _not_stained(
            f"an image with {image.channels} channels and {image.space_dims} axes is no colour picture", step
        )
    array = np.moveaxis(np.asarray(image.array, dtype=np.float32), 0, -1)
    lowest, highest = float(array.min()), float(array.max())
    if lowest < 0 or highest > 255 or highest <= 1:
        raise _not_stained(f"the colours run from {lowest:.3g} to {highest:.3g}", step)
    return array


def _not_stained(what: str, step: str) -> PrepareError:
    return PrepareError(
        what,
        where=f"prepare.{step}",
        expected="red, green and blue in 0..255, as read",
        remedy=f"put {step} before steps that change the grey values, and use it for stained sections alone",
        code="not_stained",
    )


def some_pixels(picture: np.ndarray) -> np.ndarray:
    """``(pixel, 3)`` of a picture ``(x, y, 3)``: all, or every so-manieth along both axes."""
    stride = max(1, int(np.ceil((picture.shape[0] * picture.shape[1] / _MOST_PIXELS) ** 0.5)))
    return picture[::stride, ::stride].reshape(-1, 3)


def first_of(sample: Sample, step: str) -> np.ndarray:
    """The first view's colours."""
    return colours(next(iter(sample.images.values())), step)
