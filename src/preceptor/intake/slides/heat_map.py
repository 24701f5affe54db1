"""Tiles back to a map: their values laid over the slide, overlaps weighted, and written in the slide's geometry."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from preceptor.core.files import write_aside

from .slide import Slide
from .tiles import Tiling, tile_extent

#: Pixels of the map along each side of a tile.
_CELLS = 4
#: Side of the tiles that the map itself is stored in.
_STORED_TILE = 256


class HeatMap:
    """Values of tiles, gathered over a slide.

    A tile speaks for its middle more than for its edges: where tiles overlap, each weighs as much as a tent over it is high.
    Where none lies, or none had an answer, the map is NaN.

    Args:
        slide: Its size and microns per pixel.
        tiling: How it was cut.

    Attributes:
        cell: Pixels of level 0 along the sides of a pixel of the map, ``(rows, columns)``.
    """

    def __init__(self, slide: Slide, tiling: Tiling) -> None:
        self._tile = tile_extent(slide, tiling)
        self.cell = self._tile[0] / _CELLS, self._tile[1] / _CELLS
        self.microns_per_pixel = tiling.tile_um / _CELLS
        rows, columns = (int(np.ceil(s / c - 1e-6)) for s, c in zip(slide.size, self.cell, strict=True))
        self._sum, self._weight = np.zeros((rows, columns), np.float32), np.zeros((rows, columns), np.float32)

    def add(self, corner: tuple[int, int], value: float) -> None:
        """Lay a tile's value over the slide.

        Args:
            corner: ``(row, column)`` of level 0.
            value: NaN leaves the map as it is.
        """
        if not np.isfinite(value):
            return
        axes = [self._reach(axis, corner[axis]) for axis in (0, 1)]
        where = axes[0][0], axes[1][0]
        weight = np.outer(axes[0][1], axes[1][1])
        self._sum[where] += weight * value
        self._weight[where] += weight

    def _reach(self, axis: int, begin: int) -> tuple[slice, np.ndarray]:
        """The pixels of the map whose middles lie in a tile, and how high the tent is over each."""
        cell, tile = self.cell[axis], self._tile[axis]
        # Corners are whole pixels and cells are not: a hair's breadth decides nothing.
        first = max(0, int(np.ceil((begin - 0.5 * (1 + 1e-9)) / cell - 0.5)))
        last = min(self._sum.shape[axis], int(np.ceil((begin + tile - 0.5) / cell - 0.5)))
        place = ((np.arange(first, last) + 0.5) * cell - begin) / tile
        return slice(first, last), np.clip(1 - np.abs(2 * place - 1), 1e-3, 1)

    def values(self) -> np.ndarray:
        """``(row, column)`` float32, NaN where no tile spoke."""
        found = np.full(self._sum.shape, np.nan, np.float32)
        np.divide(self._sum, self._weight, out=found, where=self._weight > 0)
        return found


def write_heat_map(path: Path, values: np.ndarray, microns_per_pixel: float, about: dict) -> Path:
    """Write a map as a pyramid in TIFF: float32 in tiles, NaN where no tile spoke, with its resolution.

    Its upper left corner is the slide's, so that a viewer which knows both resolutions lays one over the other.

    Args:
        path: ``….tif``.
        values: ``(row, column)``.
        microns_per_pixel: Of the map.
        about: What the values are, as JSON; it becomes the description of the first page.

    Source: TIFF 6.0, resolution in pixels a centimetre; reduced pages as `NewSubfileType` 1.
    """
    import tifffile

    levels = [np.asarray(values, np.float32)]
    while max(levels[-1].shape) > _STORED_TILE:
        levels.append(_halved(levels[-1]))
    with write_aside(Path(path)) as aside, tifffile.TiffWriter(aside) as file:
        for number, level in enumerate(levels):
            per_cm = 1e4 / microns_per_pixel / 2**number
            file.write(
                level,
                tile=(_STORED_TILE, _STORED_TILE),
                photometric="minisblack",
                compression="zlib",
                subfiletype=1 if number else 0,
                resolution=(per_cm, per_cm),
                resolutionunit="CENTIMETER",
                description=None if number else json.dumps(about),
                metadata=None,
            )
    return Path(path)


def _halved(values: np.ndarray) -> np.ndarray:
    """Means over 2 x 2 of what is known; an odd last row or column stands for itself."""
    even = np.pad(values, [(0, side % 2) for side in values.shape], constant_values=np.nan)
    blocks = even.reshape(even.shape[0] // 2, 2, even.shape[1] // 2, 2)
    known = np.isfinite(blocks)
    count = known.sum(axis=(1, 3))
    total = np.where(known, blocks, 0).sum(axis=(1, 3))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)
