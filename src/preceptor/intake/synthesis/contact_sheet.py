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

from .drawn_study import Order

_INK, _PAPER = (230, 230, 230), (18, 18, 20)

#: Of the first mask, the second …; told apart in any kind of colour vision (Okabe and Ito).
_OUTLINES = np.array([[255, 176, 0], [86, 180, 233], [204, 121, 167], [0, 158, 115]])

#: Tiles side by side: about so many, and no more than that where a case has many views.
_ACROSS, _WIDEST = 6, 8

#: Pixels that a caption's letter takes.
_LETTER_PX = 6.4


def write_contact_sheet(order: Order, path: Path, side: int = 220) -> Path:
    """Draw a study's first cases side by side: every view, the truth's outline, and what the table will say.

    A volume shows the slice where most of its truth lies (of several label maps, the one that fills least), its middle
    one without; a film four of its frames, the first above on the left and the second to its right.

    Args:
        order: The study.
        path: A ``.png`` file.
        side: Of a tile, in pixels.

    Returns:
        The path.
    """
    from PIL import Image as Pillow
    from PIL import ImageDraw, ImageFont

    tiles = [
        (views, picture, [line[: int(side / _LETTER_PX)] for line in told])
        for views, picture, told in _tiles(order, side)
    ]
    views = max(number for number, _, _ in tiles)
    across = min(len(tiles), views * max(1, _ACROSS // views) if views <= _WIDEST else _WIDEST)
    font, lines = ImageFont.load_default(size=12), max(len(caption) for _, _, caption in tiles)
    high = side + 15 * lines + 12
    sheet = Pillow.new("RGB", (across * (side + 8) + 8, -(-len(tiles) // across) * high + 8), _PAPER)
    for place, (_, picture, caption) in enumerate(tiles):
        left, top = 8 + place % across * (side + 8), 8 + place // across * high
        scale = side / max(picture.shape[:2])
        size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
        sheet.paste(Pillow.fromarray(picture).resize(size, Pillow.Resampling.NEAREST), (left, top))
        ImageDraw.Draw(sheet).multiline_text((left, top + side + 2), "\n".join(caption), _INK, font, spacing=3)
    with write_aside(Path(path), durable=False) as aside:
        sheet.save(aside, "PNG")
    return Path(path)


def _tiles(order: Order, side: int) -> Iterator[tuple[int, np.ndarray, list[str]]]:
    """How many views the case has, a picture, and its caption: what is known stands beneath the first view."""
    kind = build("phantoms", order.kind)
    for index in range(min(12, order.cases)):
        turn = Turn(order.seed, index, order.cases)
        drawn: Drawn = kind.draw(turn)
        if order.text is not None:
            drawn = order.text.burn(drawn, turn)
        for view, image in drawn.images.items():
            told = [f"{index}  {view}" if len(drawn.images) > 1 else str(index)]
            truth = [drawn.masks[view]] if view in drawn.masks else list(drawn.masks.values())
            known = _told(drawn.labels) + _told(drawn.fields) if view == next(iter(drawn.images)) else []
            yield len(drawn.images), _tile(image, truth, side), told + known
        if not drawn.images:
            yield 1, np.full((1, 1, 3), 40, np.uint8), [str(index), *_told(drawn.labels), *_told(drawn.fields)]


def _told(values: Mapping[str, Any]) -> list[str]:
    return [f"{name}: {value}" for name, value in values.items()]


def _tile(image: Image, truth: list[Image], side: int) -> np.ndarray:
    """``(row, column, 3)`` uint8 as displayed, the truth outlined; four frames of a film."""
    depth = _depth(image, truth)
    zoom = max(1, side // (max(image.shape[:2]) * (2 if image.has_time else 1)))  # lines thinner than coarse pixels
    if not image.has_time:
        return _slice(image.array, [mask.array for mask in truth], depth, zoom)
    frames = np.linspace(0, image.array.shape[1] - 1, 4).round().astype(int)
    shown = [
        _slice(
            image.array[:, frame],
            [mask.array[:, frame] if mask.has_time else mask.array for mask in truth],
            depth,
            zoom,
        )
        for frame in frames
    ]
    return np.vstack([np.hstack(shown[:2]), np.hstack(shown[2:])])


def _depth(image: Image, truth: list[Image]) -> int | None:
    """Which slice of a volume is shown."""
    if image.space_dims == 2:
        return None
    filled = [(mask.array > 0).sum(axis=tuple(range(mask.array.ndim - 1))) for mask in truth]
    told = min((each for each in filled if each.any()), key=lambda each: int(each.sum()), default=None)
    return image.shape[2] // 2 if told is None else int(told.argmax())


def _slice(array: np.ndarray, truth: list[np.ndarray], depth: int | None, zoom: int) -> np.ndarray:
    """``(channel, x, y[, z])`` as a picture, each pixel so many times as wide."""
    if depth is not None:
        array, truth = array[:, ::-1, ::-1, depth], [each[:, ::-1, ::-1, depth] for each in truth]
    grey = np.rint(255 * np.clip(np.moveaxis(array, 0, -1), 0, 1)).astype(np.uint8)
    picture = np.repeat(grey, 3 // grey.shape[2], axis=2).swapaxes(0, 1).repeat(zoom, axis=0).repeat(zoom, axis=1)
    for place, mask in enumerate(truth):
        index = mask[0].T.repeat(zoom, axis=0).repeat(zoom, axis=1)
        inner = np.ones(index.shape, bool)
        for axis in (0, 1):
            for step in (-1, 1):
                inner &= np.roll(index, step, axis) == index
        picture[(index > 0) & ~inner] = _OUTLINES[place % len(_OUTLINES)]
    return picture
