"""Pictures on the page: slices packed side by side into one small image, layers as images of their own, a still one."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from preceptor.prove.report.pictures import LONGEST_SIDE, Layer, Stack

#: Okabe & Ito's colours on grey, brightest first: they stand for structures.
STRUCTURE_COLOURS = ("#E69F00", "#56B4E9", "#F0E442", "#CC79A7", "#009E73", "#D55E00", "#0072B2")

_OPAQUE = 0.45
_SMALL = 60_000


def figure(stack: Stack, layers: Sequence[Layer], first: int, alt: str) -> dict[str, Any]:
    """A picture with its layers as the page's script wants it, with a still one for print and for no script.

    Args:
        stack: The slices.
        layers: Drawn in this order.
        first: Index of the slice shown first.
        alt: What the picture shows, in words.

    Returns:
        JSON: sprites as data addresses, sizes, names, and ``still``.
    """
    count, rows, columns = stack.grey.shape[:3]
    across = math.ceil(math.sqrt(count))
    return {
        "alt": alt,
        "still": _compact(_still(stack, layers, first)),
        "base": _compact(_sprite(stack.grey, across)),
        "count": count,
        "across": across,
        "size": [rows, columns],
        "pixel": [round(float(each), 5) for each in stack.pixel],
        "low": stack.low,
        "high": stack.high,
        "sides": list(stack.sides),
        "places": list(stack.places),
        "first": first,
        "layers": [
            {
                "name": layer.name,
                "kind": layer.kind,
                "source": _png(_sprite(layer.array, across)),
                "names": list(layer.names),
                "low": layer.low,
                "high": layer.high,
                "signed": layer.low < 0,
            }
            for layer in layers
        ],
    }


def legend(names: Sequence[str]) -> list[Mapping[str, str]]:
    """``{name, colour}`` of each structure, background left out."""
    return [
        {"name": name, "colour": STRUCTURE_COLOURS[index % len(STRUCTURE_COLOURS)]}
        for index, name in enumerate(names[1:])
    ]


@cache
def heat_colours(signed: bool) -> list[str]:
    """256 colours of a map: dark to bright, or purple through white to orange; neither needs red told from green."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    chart = colormaps["PuOr_r" if signed else "inferno"]
    return [to_hex(chart(index / 255)) for index in range(256)]


def _sprite(stack: np.ndarray, across: int) -> np.ndarray:
    """All slices side by side in rows, as one picture."""
    count, rows, columns = stack.shape[:3]
    down = math.ceil(count / across)
    sheet = np.zeros((down * rows, across * columns, *stack.shape[3:]), np.uint8)
    for index, each in enumerate(stack):
        top, left = index // across * rows, index % across * columns
        sheet[top : top + rows, left : left + columns] = each
    return sheet


def _still(stack: Stack, layers: Sequence[Layer], first: int) -> np.ndarray:
    """One slice with its layers, enlarged to be looked at: ``(row, column, 3)``."""
    grey = stack.grey[first]
    picture = (grey if grey.ndim == 3 else np.repeat(grey[..., None], 3, axis=2)).astype(np.float32)
    for layer in layers:
        drawn = layer.array[first]
        if layer.kind == "heat":
            picture = _blend(picture, _coloured(drawn, heat_colours(layer.low < 0)), _strength(drawn, layer))
        elif layer.kind == "fill":
            colours = _coloured(np.maximum(drawn, 1) - 1, STRUCTURE_COLOURS)
            picture = _blend(picture, colours, np.where(drawn > 0, _OPAQUE, 0.0))
    scale_down, scale_across = _scales(stack)
    picture = np.repeat(np.repeat(picture, scale_down, axis=0), scale_across, axis=1)
    for layer in layers:
        if layer.kind == "outline":
            _outline(picture, np.repeat(np.repeat(layer.array[first], scale_down, axis=0), scale_across, axis=1))
    return picture.round().astype(np.uint8)


def _scales(stack: Stack) -> tuple[int, int]:
    """Whole factors that make the longest side about 320 pixels and keep the pixels' shape as nearly as they can."""
    rows, columns = stack.grey.shape[1:3]
    high, wide = stack.pixel
    unit = min(high, wide)
    factor = max(1.0, LONGEST_SIDE / max(rows * high / unit, columns * wide / unit))
    return max(1, round(factor * high / unit)), max(1, round(factor * wide / unit))


def _outline(picture: np.ndarray, label: np.ndarray) -> None:
    """Draw each structure's border, two pixels inside it."""
    inside = label.copy()
    for axis in (0, 1):
        for by in (1, -1, 2, -2):
            inside[np.roll(label, by, axis=axis) != label] = 0
    border = (label > 0) & (inside == 0)
    picture[border] = _coloured(np.maximum(label, 1) - 1, STRUCTURE_COLOURS)[border]


def _strength(drawn: np.ndarray, layer: Layer) -> np.ndarray:
    """How opaque a map is: nothing where it is zero, so that the image stays to be seen."""
    size = np.abs(drawn.astype(np.float32) / 255 * (layer.high - layer.low) + layer.low)
    return 0.7 * (size / (max(abs(layer.low), abs(layer.high)) or 1.0)) ** 0.75


def _blend(picture: np.ndarray, colours: np.ndarray, opacity: np.ndarray) -> np.ndarray:
    return picture * (1 - opacity[..., None]) + colours * opacity[..., None]


def _coloured(index: np.ndarray, colours: Sequence[str]) -> np.ndarray:
    table = np.array([[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in colours], np.float32)
    return table[index.astype(np.int64) % len(table)]


def _png(array: np.ndarray) -> str:
    return _encoded(array, "PNG", optimize=True)


def _compact(array: np.ndarray) -> str:
    """Without loss where that is small or no larger; other pictures lose what no eye misses."""
    whole = _png(array)
    if array.size <= _SMALL:
        return whole
    return min(whole, _encoded(array, "JPEG", quality=82), key=len)


def _encoded(array: np.ndarray, kind: str, **options: Any) -> str:
    from PIL import Image as Pillow

    stream = io.BytesIO()
    Pillow.fromarray(np.ascontiguousarray(array)).save(stream, kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"
