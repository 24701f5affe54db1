"""A tile as a case's source: which slide, where, how large, and how it becomes an `Image`."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from preceptor.core.errors import PrepareError, RecipeError, safe_name
from preceptor.core.image import Image

from .slide import Slide, open_slide
from .tiles import Tiling, read_tile

#: How the member of a tile's source begins.
START = "tile="


def tile_source(slide: str, corner: tuple[int, int], tiling: Tiling, microns_given: float | None = None) -> str:
    """The source of a tile: ``slide.svs::tile=row,column,tile_um,microns_per_pixel[,microns of level 0 as given]``."""
    numbers = [*corner, *(f"{each:.12g}" for each in (tiling.tile_um, tiling.microns_per_pixel))]
    given = [] if microns_given is None else [f"{microns_given:.12g}"]
    return f"{slide}::{START}{','.join(map(str, [*numbers, *given]))}"


def read_tile_source(path: Path, member: str) -> Image:
    """The tile that a source names.

    Args:
        path: The slide.
        member: What follows ``::``.

    Returns:
        ``(3, x, y)`` uint8, x being the column and y the row. Its affine tells the place on the slide in millimetres from the
        slide's upper left corner; a section has no sides of a patient.

    Raises:
        PrepareError: The source is no tile's, or the slide can't be read; see `open_slide` and `read_tile`.
        MissingExtra: ``preceptor[pathology]`` is not installed.
    """
    corner, tiling, given = _parsed(path, member)
    # Left open: the reading process keeps the last few slides, and the next tile is likely of the same one.
    slide = open_slide(path, given)
    return as_image(slide, corner, tiling, read_tile(slide, corner, tiling))


def as_image(slide: Slide, corner: tuple[int, int], tiling: Tiling, pixels: np.ndarray) -> Image:
    """Pixels of a tile as an image in its place on the slide.

    Args:
        slide: Which.
        corner: ``(row, column)`` of level 0.
        tiling: How it was cut.
        pixels: ``(side, side, 3)``.
    """
    side_mm = tiling.tile_um / pixels.shape[0] / 1000
    row_mm, column_mm = (at * microns / 1000 for at, microns in zip(corner, slide.microns_per_pixel, strict=True))
    affine_mm = np.diag([side_mm, side_mm, 1.0, 1.0])
    affine_mm[:2, 3] = column_mm + side_mm / 2, row_mm + side_mm / 2  # of the first pixel's middle
    meta = {"source_format": "slide", "modality": "SM", "vendor": slide.vendor}
    return Image(np.ascontiguousarray(np.moveaxis(pixels, -1, 0).swapaxes(1, 2)), affine_mm, meta=meta)


def _parsed(path: Path, member: str) -> tuple[tuple[int, int], Tiling, float | None]:
    try:
        row, column, *sizes = member.removeprefix(START).split(",")
        numbers = [float(each) for each in sizes]
        if len(numbers) not in (2, 3) or not all(math.isfinite(each) for each in numbers):
            raise ValueError
        tiling = Tiling(numbers[0], numbers[1])
        return (int(row), int(column)), tiling, numbers[2] if len(numbers) == 3 else None
    except (ValueError, RecipeError) as error:
        raise PrepareError(
            "the source names no tile",
            where=safe_name(path),
            expected="slide.svs::tile=row,column,tile_um,microns_per_pixel",
            code="no_member",
        ) from error
