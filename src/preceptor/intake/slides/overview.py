"""The picture of a slide that a person looks at: the section in small, its tissue outlined, and a map over it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from preceptor.core.files import write_aside

from .slide import Slide
from .tissue import SlideTissue

#: Pixels along the longer side of the section in small.
_SIDE = 900


def thumbnail(slide: Slide, side: int = _SIDE) -> np.ndarray:
    """The whole slide in small, read part by part: ``(rows, columns, 3)`` uint8, the longer side `side` pixels at most.

    It is made from the levels and never from the picture that the scanner put beside them, which may show the label.
    """
    from PIL import Image as Pillow

    factor = max(1.0, max(slide.size) / side)
    number = max((n for n, each in enumerate(slide.levels) if each.downsample <= factor * 1.01), default=0)
    level = slide.levels[number]
    rows, columns = (max(1, round(each / factor)) for each in slide.size)
    small = np.empty((rows, columns, 3), np.uint8)
    strip = max(1, int(2**22 // level.columns * rows / level.rows))  # rows of the picture read at once: some 4 Mpixel
    for first in range(0, rows, strip):
        last = min(rows, first + strip)
        top, end = first * level.rows / rows, last * level.rows / rows
        begin, tall = int(top), int(np.ceil(end)) - int(top)
        corner = -(-begin * slide.levels[0].rows // level.rows), 0
        part = Pillow.fromarray(slide.read(corner, (tall, level.columns), number))
        box = 0, top - begin, level.columns, end - begin
        small[first:last] = np.asarray(part.resize((columns, last - first), Pillow.Resampling.BOX, box=box))
    return small


def write_overview(
    path: Path,
    slide: Slide,
    found: SlideTissue,
    values: np.ndarray | None = None,
    cell: tuple[float, float] | None = None,
    title: str = "",
    corners: np.ndarray | None = None,
    size: tuple[float, float] | None = None,
) -> Path:
    """Draw a slide with the outline of its tissue, and over it a heat map or the tiles.

    Args:
        path: ``….png``.
        slide: With known microns per pixel.
        found: Its tissue.
        values: ``(row, column)`` of a heat map in 0..1, NaN where there is nothing to show.
        cell: Pixels of level 0 along the sides of a pixel of the map.
        title: What the values are.
        corners: ``(tile, 2)`` rows and columns of level 0, to be drawn as squares.
        size: ``(rows, columns)`` of a tile.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.collections import PatchCollection
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    mm = tuple(each / 1000 for each in slide.microns_per_pixel)
    tall, wide = slide.size[0] * mm[0], slide.size[1] * mm[1]
    width = 7.0
    figure = Figure(figsize=(width, min(14.0, max(2.5, width * 0.82 * tall / wide + 0.8))), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.imshow(thumbnail(slide), extent=(0, wide, tall, 0), interpolation="antialiased")
    if values is not None and cell is not None:
        reach = 0, values.shape[1] * cell[1] * mm[1], values.shape[0] * cell[0] * mm[0], 0
        shown = axes.imshow(
            np.ma.masked_invalid(values),
            extent=reach,
            cmap="viridis",
            vmin=0,
            vmax=1,
            alpha=0.6,
            interpolation="nearest",
        )
        figure.colorbar(shown, ax=axes, label=title, fraction=0.05, pad=0.02)
    if corners is not None and size is not None:
        squares = [Rectangle((c * mm[1], r * mm[0]), size[1] * mm[1], size[0] * mm[0]) for r, c in corners]
        axes.add_collection(PatchCollection(squares, facecolor="none", edgecolor="#0057b8", linewidth=0.5))
    if found.mask.any() and not found.mask.all():
        places = [(np.arange(n) + 0.5) * b * m for n, b, m in zip(found.mask.shape, found.block, mm, strict=True)]
        if min(found.mask.shape) > 1:
            step = max(1, max(found.mask.shape) // _SIDE)
            mask = found.mask[::step, ::step].astype(float)
            axes.contour(places[1][::step], places[0][::step], mask, levels=[0.5], colors="black", linewidths=0.8)
    axes.set(xlim=(0, wide), ylim=(tall, 0), xlabel="mm", ylabel="mm")
    with write_aside(Path(path)) as aside:
        figure.savefig(aside, format="png", dpi=110)
    return Path(path)
