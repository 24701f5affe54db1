"""What there is to say of a slide: its levels and sizes, and its tiles as a table, a picture, and files."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from preceptor.core.errors import PrepareError
from preceptor.core.files import write_aside

from .overview import write_overview
from .slide import Slide
from .tiles import Plan, Tiling, plan_tiles, stream_tiles
from .tissue import find_tissue


def describe(slide: Slide) -> dict[str, Any]:
    """A slide as JSON. Unknown or impossible microns are told as ``problem`` and not raised.

    Returns:
        ``slide`` (a name that shows nothing of the file's), ``vendor``, ``reader``, ``microns_per_pixel`` (row, column; None
        where there is a problem), ``microns_found``, ``problem``, ``levels`` and ``associated``.
    """
    microns, problem = None, ""
    try:
        microns = slide.microns_per_pixel
    except PrepareError as error:
        problem = error.problem.what
    levels = [
        {
            "rows": each.rows,
            "columns": each.columns,
            "downsample": each.downsample,
            "microns_per_pixel": slide.microns_of(number) if microns else None,
        }
        for number, each in enumerate(slide.levels)
    ]
    return {
        "slide": slide.name,
        "vendor": slide.vendor,
        "reader": slide.reader,
        "microns_per_pixel": microns,
        "microns_found": slide.microns_found,
        "problem": problem,
        "levels": levels,
        "associated": slide.associated,
    }


def write_tiles(
    slide: Slide,
    out: Path,
    tiling: Tiling,
    *,
    tissue_by: Literal["grey", "saturation"] = "grey",
    pictures: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Find a slide's tiles: ``tiles.csv``, ``overview.png``, and ``tiles/`` where pictures are asked for.

    Args:
        slide: With known microns per pixel.
        out: Folder for the results.
        tiling: How it is cut.
        tissue_by: As in `find_tissue`.
        pictures: Write every tile as a PNG, named by the row and column of its corner.
        progress: Called with how many pictures are written, and how many there are.

    Returns:
        What was found, as JSON.

    Raises:
        PrepareError: The slide is damaged, its microns are not known, or it has no tissue.
    """
    found = find_tissue(slide, tissue_by)
    plan = plan_tiles(slide, tiling, found)
    out.mkdir(parents=True, exist_ok=True)
    with write_aside(out / "tiles.csv") as aside, aside.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["row", "column", "tissue"])
        for (row, column), share in zip(plan.corners, plan.tissue, strict=True):
            writer.writerow([row, column, f"{share:.4f}"])
    write_overview(out / "overview.png", slide, found, corners=plan.corners, size=plan.size)
    if pictures:
        _write_pictures(slide, plan, out / "tiles", progress)
    row, column = plan.size
    return {
        "out": str(out),
        "slide": slide.name,
        "tiles": len(plan),
        "cells": plan.cells,
        "tissue": found.share,
        "threshold": found.threshold,
        "tile_pixels": tiling.pixels,
        "tile_level_0": [row, column],
    }


def _write_pictures(slide: Slide, plan: Plan, folder: Path, progress: Callable[[int, int], None] | None) -> None:
    from PIL import Image as Pillow

    folder.mkdir(exist_ok=True)
    for number, tile in enumerate(stream_tiles(slide, plan)):
        row, column = tile.corner
        with write_aside(folder / f"r{row}c{column}.png", durable=False) as aside:
            Pillow.fromarray(tile.pixels).save(aside, format="PNG")
        if progress:
            progress(number + 1, len(plan))
