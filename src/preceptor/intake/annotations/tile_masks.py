"""The mask of a slide's tile as a source of its own: a file of outlines and a place, painted when it is read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np

from preceptor.core.errors import PrepareError, safe_name
from preceptor.core.image import Image
from preceptor.intake.slides.slide import Slide
from preceptor.intake.slides.tiles import Tiling

from .files import read_annotations
from .tiles import TilePainter

START = "tile="


def tile_mask_source(
    outlines: str, slide: Slide, corner: tuple[int, int], tiling: Tiling, values: Mapping[str, int]
) -> str:
    """The source of a tile's mask: ``tumor_001.xml::tile=…;tumour=1``.

    Args:
        outlines: The file of annotations, relative to the cohort's root.
        slide: The slide that was drawn on, open.
        corner: ``(row, column)`` of level 0, as the tile's own.
        tiling: How the slide is cut.
        values: ``{label: value in the mask}`` in the order they are painted.
    """
    level = slide.levels[slide.level_for(tiling.microns_per_pixel)]
    # A tile begins at a whole pixel of the level that it is read from.
    began = [at * part // whole * whole / part for at, whole, part in zip(corner, slide.size, level.size, strict=True)]
    numbers = [*corner, *began, *slide.microns_per_pixel, tiling.tile_um, tiling.pixels]
    painted = "".join(f";{label}={value}" for label, value in values.items())
    return f"{outlines}::{START}{','.join(f'{each:.12g}' for each in numbers)}{painted}"


def read_tile_mask(path: Path, member: str) -> Image:
    """The mask that a source names.

    Args:
        path: ASAP's XML, GeoJSON, or any other file of annotations with outlines in pixels of the slide.
        member: What follows ``::``.

    Returns:
        A label map ``(1, x, y)`` uint8 on the tile's own grid, a pixel having the value of the outline that holds its middle.

    Raises:
        PrepareError: The source is no tile's.
        CohortError: The file is damaged, or no file of annotations.
    """
    (row, column, top, left, row_um, column_um, tile_um, side), values = _parsed(path, member)
    pixels = int(side)
    downsample = (tile_um / column_um / pixels, tile_um / row_um / pixels)
    changed = path.stat()
    painter = _painter(path, changed.st_size, changed.st_mtime_ns, values)
    mask = painter.paint((left, top), (pixels, pixels), downsample)
    side_mm = tile_um / pixels / 1000
    affine_mm = np.diag([side_mm, side_mm, 1.0, 1.0])
    affine_mm[:2, 3] = column * column_um / 1000 + side_mm / 2, row * row_um / 1000 + side_mm / 2
    return Image(mask[None], affine_mm, is_label=True, meta={"source_format": "outlines"})


@lru_cache(maxsize=8)
def _painter(path: Path, size: int, changed: int, values: tuple[tuple[str, int], ...]) -> TilePainter:
    return TilePainter(read_annotations(path), dict(values))


def _parsed(path: Path, member: str) -> tuple[list[float], tuple[tuple[str, int], ...]]:
    place, *labels = member.removeprefix(START).split(";")
    try:
        numbers = [float(each) for each in place.split(",")]
        values = tuple((name, int(value)) for name, _, value in (each.rpartition("=") for each in labels))
        if len(numbers) != 8 or not all(map(math.isfinite, numbers)) or min(numbers[4:]) <= 0 or numbers[7] > 8192:
            raise ValueError
    except ValueError:
        raise PrepareError(
            "the source is no tile's mask",
            where=safe_name(path),
            expected=f"file::{START}row,column,…;label=value, as the data set `slides` writes it",
            code="no_member",
        ) from None
    return numbers, values
