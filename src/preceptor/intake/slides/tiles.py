"""A slide in tiles of one physical size: planned from its tissue, read one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from preceptor.core.errors import PrepareError, RecipeError

from .slide import Slide
from .tissue import SlideTissue, find_tissue

#: Most pixels along a side of a tile, as it is given to a network.
_MOST_SIDE = 8192
#: A side that is within this share of what is asked is not resampled.
_SAME = 0.005


@dataclass(frozen=True)
class Tiling:
    """How slides are cut.

    Args:
        tile_um: Microns along each side of a tile.
        microns_per_pixel: Of the tiles' pixels, whatever the slide's are.
        overlap: Share of a tile's side that it shares with the next, 0 up to less than 1.
        least_tissue: Share of a tile that is tissue, at least.

    Raises:
        RecipeError: The numbers make no tiles.
    """

    tile_um: float = 256.0
    microns_per_pixel: float = 0.5
    overlap: float = 0.0
    least_tissue: float = 0.5

    def __post_init__(self) -> None:
        sane = self.tile_um > 0 and self.microns_per_pixel > 0 and 0 <= self.overlap < 1 and 0 <= self.least_tissue <= 1
        if not sane or not 1 <= self.pixels <= _MOST_SIDE or self.overlap > 0.95:
            raise RecipeError(
                f"tiles of {self.tile_um:g} um in pixels of {self.microns_per_pixel:g} um, overlap {self.overlap:g}, "
                f"tissue {self.least_tissue:g} or more, can't be cut",
                expected=f"1 to {_MOST_SIDE} pixels a side, an overlap of 0 to 0.95, a share of tissue of 0 to 1",
                code="tiling",
            )

    @property
    def pixels(self) -> int:
        """Along each side of a tile."""
        return round(self.tile_um / self.microns_per_pixel)


@dataclass(frozen=True)
class Tile:
    """One tile.

    Args:
        corner: ``(row, column)`` of level 0.
        tissue: Share of it that is tissue.
        pixels: ``(side, side, 3)`` uint8.
    """

    corner: tuple[int, int]
    tissue: float
    pixels: np.ndarray


@dataclass(frozen=True)
class Plan:
    """Which tiles of a slide are read.

    Args:
        tiling: How it is cut.
        corners: ``(tile, 2)`` int rows and columns of level 0, row by row.
        tissue: ``(tile,)`` share of each that is tissue.
        size: ``(rows, columns)`` of level 0 that a tile covers, fractions of pixels included.
        cells: How many tiles the whole slide would have.
    """

    tiling: Tiling
    corners: np.ndarray
    tissue: np.ndarray
    size: tuple[float, float]
    cells: int

    def __len__(self) -> int:
        return len(self.corners)


def plan_tiles(slide: Slide, tiling: Tiling, found: SlideTissue | None = None) -> Plan:
    """The tiles of a slide that hold enough tissue.

    They begin at the slide's corner; the last of a row or column may reach past its end, where it is white.

    Args:
        slide: With known microns per pixel.
        tiling: How it is cut.
        found: Its tissue where it is known already.

    Raises:
        PrepareError: The microns are not known, or there is no tissue.
    """
    found = find_tissue(slide) if found is None else found
    size = tile_extent(slide, tiling)
    firsts = [_firsts(length, side, tiling.overlap) for length, side in zip(slide.size, size, strict=True)]
    corners, shares = [np.empty((0, 2), int)], [np.empty(0)]
    for row in firsts[0]:
        line = np.stack([np.full(len(firsts[1]), row), firsts[1]], axis=1)
        share = found.share_of(line, size)
        kept = share >= max(tiling.least_tissue, 1e-9)
        corners.append(line[kept])
        shares.append(share[kept])
    return Plan(tiling, np.concatenate(corners), np.concatenate(shares), size, len(firsts[0]) * len(firsts[1]))


def tile_extent(slide: Slide, tiling: Tiling) -> tuple[float, float]:
    """``(rows, columns)`` of level 0 that a tile covers."""
    row, column = slide.microns_per_pixel
    return tiling.tile_um / row, tiling.tile_um / column


def _firsts(length: int, side: float, overlap: float) -> np.ndarray:
    """Where tiles begin along an axis, until one reaches its end."""
    step = side * (1 - overlap)
    number = 1 + max(0, int(np.ceil((length - side) / step - 1e-6)))
    return np.rint(np.arange(number) * step).astype(int)


def stream_tiles(slide: Slide, plan: Plan) -> Iterator[Tile]:
    """The tiles of a plan, one after another: no more than one is in memory.

    Raises:
        PrepareError: A part of the slide is damaged.
    """
    for corner, share in zip(plan.corners, plan.tissue, strict=True):
        place = int(corner[0]), int(corner[1])
        yield Tile(place, float(share), read_tile(slide, place, plan.tiling))


def read_tile(slide: Slide, corner: tuple[int, int], tiling: Tiling) -> np.ndarray:
    """One tile in pixels of the size that is asked.

    It is read from the coarsest level that is fine enough and averaged down to its pixels; where the slide itself is coarser
    than asked, it is refused, for no detail can be made up.

    Args:
        slide: With known microns per pixel.
        corner: ``(row, column)`` of level 0; it may lie outside, where all is white.
        tiling: How slides are cut.

    Returns:
        ``(side, side, 3)`` uint8.

    Raises:
        PrepareError: ``slide_too_coarse``, or the part is damaged.
    """
    number = slide.level_for(tiling.microns_per_pixel)
    microns = slide.microns_of(number)
    if max(microns) > tiling.microns_per_pixel * 1.1:
        raise PrepareError(
            f"the slide's finest pixels are of {max(microns):.3g} um, and {tiling.microns_per_pixel:g} um are asked for",
            where=slide.name,
            expected="pixels as fine as those asked for",
            remedy="ask for coarser pixels, or leave the slide out",
            code="slide_too_coarse",
        )
    side = tiling.pixels
    exact = [tiling.tile_um / each for each in microns]
    if all(abs(each - side) <= _SAME * side for each in exact):
        return slide.read(corner, (side, side), number)
    from PIL import Image as Pillow

    pixels = slide.read(corner, (int(np.ceil(exact[0])), int(np.ceil(exact[1]))), number)
    # Pillow's bilinear filter widens with the factor, so it averages where it shrinks; the box may end inside a pixel.
    small = Pillow.fromarray(pixels).resize((side, side), Pillow.Resampling.BILINEAR, box=(0, 0, exact[1], exact[0]))
    return np.asarray(small)
