"""What stain steps share: a stained picture as pixels with the colour last, and the tissue in it."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError
from preceptor.core.image import Image

#: Pixels that a stain is estimated from, at most: evenly spaced ones of a larger picture.
_MOST_PIXELS = 1_000_000
#: No tissue is brighter than this, or less coloured, whatever Otsu says (he always splits).
_BRIGHTEST_TISSUE, _PALEST_TISSUE = 0.9, 0.05
#: A block this dark and this colourless is the scanner's black border.
_BLACK, _COLOURLESS = 0.1, 0.1


class Tissue(NamedTuple):
    """Where the tissue is.

    Args:
        mask: ``(x, y)`` bool.
        threshold: Otsu's, of the grey value or saturation in 0..1.
        share: Of the picture.
    """

    mask: np.ndarray
    threshold: float
    share: float


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


def tissue(picture: np.ndarray, by: Literal["grey", "saturation"] = "grey", block: int = 1) -> Tissue:
    """Split tissue from glass by Otsu's threshold on means over blocks.

    The share found depends on the blocks' size (0.28 of one slide in single pixels of 0.5 um, 0.36 in blocks of 32):
    keep it fixed over a cohort, near 8 um.

    Args:
        picture: ``(x, y, 3)`` in 0..255.
        by: ``grey`` counts what is darker as tissue, ``saturation`` what is more coloured.
        block: Pixels along each side of a block.

    Source: Otsu 1979.
    """
    from skimage.color import rgb2gray, rgb2hsv
    from skimage.filters import threshold_otsu

    means = _block_means(picture / 255, block)
    grey, saturation = rgb2gray(means), rgb2hsv(means)[..., 1]
    measured = grey if by == "grey" else saturation
    border = (grey < _BLACK) & (np.ptp(means, axis=-1) < _COLOURLESS)
    counted = measured[~border] if not border.all() else measured
    # skimage names the middle of the last bin that is below; what lies in that bin is below, too.
    threshold = float(threshold_otsu(counted) + np.ptp(counted) / 512) if np.ptp(counted) else float(counted.flat[0])
    found = measured <= threshold if by == "grey" else measured > threshold
    found &= ((grey < _BRIGHTEST_TISSUE) | (saturation > _PALEST_TISSUE)) & ~border
    whole = np.repeat(np.repeat(found, block, 0), block, 1)[: picture.shape[0], : picture.shape[1]]
    return Tissue(whole, threshold, float(found.mean()))


def _block_means(picture: np.ndarray, block: int) -> np.ndarray:
    """Means over blocks; those at the end are smaller where the side is no multiple."""
    if block == 1:
        return picture
    for axis in (0, 1):
        edges = np.arange(0, picture.shape[axis], block)
        sizes = np.diff(np.append(edges, picture.shape[axis])).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        picture = np.add.reduceat(picture, edges, axis=axis) / sizes
    return picture
