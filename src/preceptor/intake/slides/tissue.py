"""Where a section shows tissue, and where glass: of a picture, and of a whole slide at a coarse level."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

from preceptor.core.errors import PrepareError

from .slide import Slide

#: No tissue is brighter than this, or less coloured, whatever Otsu says (he always splits).
_BRIGHTEST_TISSUE, _PALEST_TISSUE = 0.9, 0.05
#: A block this dark and this colourless is the scanner's black border.
_BLACK, _COLOURLESS = 0.1, 0.1
#: Microns along each side of a block of a slide.
_BLOCK_UM = 8.0
#: Pixels along each side of the parts that a slide is read in.
_PART = 1024


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
    found, threshold = _split(*_measured(picture, block), by)
    whole = np.repeat(np.repeat(found, block, 0), block, 1)[: picture.shape[0], : picture.shape[1]]
    return Tissue(whole, threshold, float(found.mean()))


@dataclass(frozen=True)
class SlideTissue:
    """The tissue of a slide in blocks.

    Args:
        mask: ``(row, column)`` bool of blocks, the first at the slide's corner.
        block: Pixels of level 0 along the sides of a block, ``(rows, columns)``.
        threshold: Otsu's, of the grey value or saturation in 0..1.
    """

    mask: np.ndarray
    block: tuple[float, float]
    threshold: float

    @property
    def share(self) -> float:
        """Of the slide."""
        return float(self.mask.mean())

    @cached_property
    def _summed(self) -> np.ndarray:
        """Blocks of tissue above and left of each corner of a block."""
        return np.pad(self.mask.cumsum(0, dtype=np.int32).cumsum(1, dtype=np.int32), ((1, 0), (1, 0)))

    def share_of(self, corners: np.ndarray, size: tuple[float, float]) -> np.ndarray:
        """How much of each of many rectangles is tissue; what lies outside the slide is none.

        Args:
            corners: ``(rectangle, 2)`` rows and columns of level 0.
            size: ``(rows, columns)`` of level 0.

        Returns:
            ``(rectangle,)`` in 0..1.
        """
        low = np.asarray(corners, dtype=float) / self.block
        high = low + np.divide(size, self.block)
        area = self._at(high[:, 0], high[:, 1]) - self._at(low[:, 0], high[:, 1])
        area += self._at(low[:, 0], low[:, 1]) - self._at(high[:, 0], low[:, 1])
        return np.asarray(area / np.prod(high - low, axis=1))

    def _at(self, row: np.ndarray, column: np.ndarray) -> np.ndarray:
        """The sum up to a place inside a block: exact, for tissue is even within one."""
        table = self._summed
        row, column = np.clip(row, 0, table.shape[0] - 1), np.clip(column, 0, table.shape[1] - 1)
        top, left = np.floor(row).astype(int), np.floor(column).astype(int)
        below, right = np.minimum(top + 1, table.shape[0] - 1), np.minimum(left + 1, table.shape[1] - 1)
        down, along = row - top, column - left
        upper = table[top, left] * (1 - along) + table[top, right] * along
        lower = table[below, left] * (1 - along) + table[below, right] * along
        return np.asarray(upper * (1 - down) + lower * down)


def find_tissue(
    slide: Slide, by: Literal["grey", "saturation"] = "grey", block_um: float = _BLOCK_UM, least_share: float = 0.0
) -> SlideTissue:
    """Find the tissue of a slide, as `tissue` does of a picture, on the coarsest level that shows blocks of this size.

    The level is read part by part, so that memory does not grow with it: nine bytes a block are kept. A slide without
    coarser levels is read whole, which takes as long as it takes.

    Args:
        slide: With known microns per pixel.
        by: As in `tissue`.
        block_um: Microns along each side of a block.
        least_share: A slide with less tissue is refused.

    Raises:
        PrepareError: Its microns are not known, a part is damaged, or there is too little tissue.

    Source: Otsu 1979.
    """
    number = slide.level_for(block_um)
    level, microns = slide.levels[number], slide.microns_of(number)
    pixels = max(1, round(block_um / max(microns)))
    rows, columns = -(-level.rows // pixels), -(-level.columns // pixels)
    grey, saturation = np.empty((rows, columns), np.float32), np.empty((rows, columns), np.float32)
    border = np.empty((rows, columns), bool)
    per_part = max(1, _PART // pixels)
    finest = slide.levels[0]
    for top in range(0, rows, per_part):
        for left in range(0, columns, per_part):
            tall = min(per_part * pixels, level.rows - top * pixels)
            wide = min(per_part * pixels, level.columns - left * pixels)
            # Rounded up, so that the pixel of level 0 lies in the pixel that is meant, and not in the one before.
            corner = -(-top * pixels * finest.rows // level.rows), -(-left * pixels * finest.columns // level.columns)
            part = slide.read(corner, (tall, wide), number).astype(np.float32)
            where = slice(top, top + per_part), slice(left, left + per_part)
            grey[where], saturation[where], border[where] = _measured(part, pixels)
    found, threshold = _split(grey, saturation, border, by)
    made = SlideTissue(found, (pixels * finest.rows / level.rows, pixels * finest.columns / level.columns), threshold)
    if made.share < least_share or not found.any():
        raise PrepareError(
            f"{made.share:.2%} of the slide is tissue",
            where=slide.name,
            expected=f"{least_share:.2%} or more",
            remedy="look at the slide: it is blank, out of focus, or not in colour; exclude it",
            code="no_tissue",
        )
    return made


def _measured(picture: np.ndarray, block: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Grey value and saturation of each block, and whether it is the scanner's border."""
    from skimage.color import rgb2gray

    means = _block_means(picture / 255, block)
    # Channel by channel: numpy is ten times slower along an axis of three, and this is most of a slide's work.
    red, green, blue = np.moveaxis(means, -1, 0)
    high, low = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    spread, grey = high - low, rgb2gray(means)
    saturation = np.divide(spread, high, out=np.zeros_like(high), where=high > 0)
    return grey, saturation, (grey < _BLACK) & (spread < _COLOURLESS)


def _split(
    grey: np.ndarray, saturation: np.ndarray, border: np.ndarray, by: Literal["grey", "saturation"]
) -> tuple[np.ndarray, float]:
    """Which blocks are tissue, and the threshold."""
    from skimage.filters import threshold_otsu

    measured = grey if by == "grey" else saturation
    counted = measured[~border] if not border.all() else measured
    # skimage names the middle of the last bin that is below; what lies in that bin is below, too.
    threshold = float(threshold_otsu(counted) + np.ptp(counted) / 512) if np.ptp(counted) else float(counted.flat[0])
    found = measured <= threshold if by == "grey" else measured > threshold
    found &= ((grey < _BRIGHTEST_TISSUE) | (saturation > _PALEST_TISSUE)) & ~border
    return found, threshold


def _block_means(picture: np.ndarray, block: int) -> np.ndarray:
    """Means over blocks; those at the end are smaller where the side is no multiple."""
    if block == 1:
        return picture
    for axis in (0, 1):
        edges = np.arange(0, picture.shape[axis], block)
        sizes = np.diff(np.append(edges, picture.shape[axis])).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        picture = np.add.reduceat(picture, edges, axis=axis) / sizes
    return picture
