"""A sheet of drawn cases with their truth, to look at before anything is trained on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core.drawn import Drawn, Turn
from preceptor.core.files import write_aside
from preceptor.core.image import Image
from preceptor.core.slots import build

from .synthesis import Order

_INK, _PAPER, _OUTLINE = (230, 230, 230), (18, 18, 20), np.array([255, 176, 0])

#: Tiles side by side, and letters of a caption's line.
_ACROSS, _LETTERS = 6, 34


def write_contact_sheet(order: Order, path: Path, side: int = 220) -> Path:
    """Draw a study's first cases side by side: every view, the truth's outline, and what the table will say.

    A volume shows the slice where most of its truth lies, its middle one without; a film its first frame.

    Args:
        order: The study.
        path: A ``.png`` file.
        side: Of a tile, in pixels.

    Returns:
        The path.
    """
    from PIL import Image as Pillow
    from PIL import ImageDraw, ImageFont

    tiles = list(_tiles(order))
    across = min(_ACROSS, len(tiles))
    font, lines = ImageFont.load_default(size=12), max(len(caption) for _, caption in tiles)
    high = side + 15 * lines + 12
    sheet = Pillow.new("RGB", (across * (side + 8) + 8, -(-len(tiles) // across) * high + 8), _PAPER)
    for place, (picture, caption) in enumerate(tiles):
        left, top = 8 + place % across * (side + 8), 8 + place // across * high
        scale = side / max(picture.shape[:2])
        size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
        sheet.paste(Pillow.fromarray(picture).resize(size, Pillow.Resampling.NEAREST), (left, top))
        ImageDraw.Draw(sheet).multiline_text((left, top + side + 2), "\n".join(caption), _INK, font, spacing=3)
    with write_aside(Path(path), durable=False) as aside:
        sheet.save(aside, "PNG")
    return Path(path)


def _tiles(order: Order) -> Iterator[tuple[np.ndarray, list[str]]]:
    kind = build("phantoms", order.kind)
    for index in range(min(12, order.cases)):
        turn = Turn(order.seed, index, order.cases)
        drawn: Drawn = kind.draw(turn)
        if order.text is not None:
            drawn = order.text.burn(drawn, turn)
        for view, image in drawn.images.items():
            truth = next(iter(drawn.masks.values()), None)
            told = [f"{index}  {view}" if len(drawn.images) > 1 else str(index)]
            yield _slice(image, truth), told + _told(drawn.labels) + _told(drawn.fields)
        if not drawn.images:
            yield np.full((1, 1, 3), 40, np.uint8), [str(index), *_told(drawn.labels), *_told(drawn.fields)]


def _told(values: Mapping[str, Any]) -> list[str]:
    return [f"{name}: {value}"[:_LETTERS] for name, value in values.items()]


def _slice(image: Image, truth: Image | None) -> np.ndarray:
    """``(row, column, 3)`` uint8 as displayed, the truth outlined."""
    array, index = image.array, None if truth is None else truth.array[0]
    array = array[:, 0] if image.has_time else array
    if image.space_dims == 3:
        filled = (index > 0).sum(axis=(0, 1)) if index is not None else np.zeros(array.shape[3])
        place = int(filled.argmax()) if filled.any() else array.shape[3] // 2
        array, index = array[:, ::-1, ::-1, place], None if index is None else index[::-1, ::-1, place]
    grey = np.rint(255 * np.clip(np.moveaxis(array, 0, -1), 0, 1)).astype(np.uint8)
    picture = np.repeat(grey, 3 // grey.shape[2], axis=2).swapaxes(0, 1).copy()
    if index is not None:
        index = index.T
        inner = np.ones(index.shape, bool)
        for axis in (0, 1):
            for step in (-1, 1):
                inner &= np.roll(index, step, axis) == index
        picture[(index > 0) & ~inner] = _OUTLINE
    return picture
