"""What a slide may be: how large, in which colours; and the word for one that is not."""

from __future__ import annotations

import numpy as np

#: Most pixels along a side: 20 cm of glass at 0.05 um. And most tiles of a level: what a table of offsets may take.
_MOST_SIDE = 4_000_000
_MOST_TILES = 16_000_000
#: Most pixels that have to be decoded at once.
_MOST_TILE_PIXELS = 2**26


class RefusedError(Exception):
    """Why a slide is refused: a code of `refusals`."""


def check_level(rows: int, columns: int, tile: tuple[int, int]) -> None:
    """Refuse a level that is larger than a slide can be, before anything is allocated for it.

    Args:
        rows: As the header claims.
        columns: Likewise.
        tile: ``(rows, columns)`` that are decoded at once.

    Raises:
        RefusedError: Likewise.
    """
    if min(rows, columns, *tile) < 1:
        raise RefusedError("damaged size")
    if max(rows, columns) > _MOST_SIDE or -(-rows // tile[0]) * -(-columns // tile[1]) > _MOST_TILES:
        raise RefusedError("too_large")
    if tile[0] * tile[1] > _MOST_TILE_PIXELS:
        raise RefusedError("tile_too_large")


def in_colour(pixels: np.ndarray) -> np.ndarray:
    """``(rows, columns[, 1 or 3])`` of 8 bits as red, green, blue.

    Raises:
        RefusedError: It has other bits or channels.
    """
    if pixels.dtype != np.uint8:
        raise RefusedError("not_colour")
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.shape[-1] == 1:
        pixels = np.repeat(pixels, 3, axis=-1)
    if pixels.ndim != 3 or pixels.shape[-1] != 3:
        raise RefusedError("not_colour")
    return pixels
