"""Parts of an image that hold no anatomy worth an answer: corners, the border, the background."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import product

import numpy as np

#: Sides of the parts, as shares of the image's side.
CORNER, BORDER, CENTRE = 0.2, 0.1, 0.85


@lru_cache(maxsize=64)
def regions(shape: tuple[int, ...]) -> Mapping[str, np.ndarray]:
    """``{name: (*space,)}`` bool: each corner, all corners, the border between them, and the background.

    The background holds both, and more: what lies outside of the ellipse (the ellipsoid) that spans 85 % of every axis.
    Anatomy is centred in clinical images, and a mask of it is not always there.

    Args:
        shape: Of the image.
    """
    named = {corner_name(ends): corner(shape, ends) for ends in product((0, 1), repeat=len(shape))}
    corners = np.any(list(named.values()), axis=0)
    return {**named, "corners": corners, "border": border(shape) & ~corners, "background": background(shape) | corners}


def corner_name(ends: Sequence[int]) -> str:
    """``corner x0 y1``: the beginning of the first axis and the end of the second, as the array is stored."""
    return "corner " + " ".join(f"{axis}{end}" for axis, end in zip("xyz", ends, strict=False))


def described(part: str) -> str:
    """A part in words: ``corner x0 y1 (beginning of x, end of y, as the image is stored)``."""
    if not part.startswith("corner "):
        return part
    ends = (f"{'beginning' if end[1] == '0' else 'end'} of {end[0]}" for end in part.split()[1:])
    return f"{part} ({', '.join(ends)}, as the image is stored)"


def corner(shape: Sequence[int], ends: Sequence[int]) -> np.ndarray:
    """A box in one corner, a fifth of each side."""
    inside = np.zeros(tuple(shape), dtype=bool)
    sides = [max(1, round(CORNER * size)) for size in shape]
    cut = tuple(slice(0, side) if end == 0 else slice(-side, None) for side, end in zip(sides, ends, strict=True))
    inside[cut] = True
    return inside


def border(shape: Sequence[int]) -> np.ndarray:
    """A frame, a tenth of each side wide."""
    inside = np.ones(tuple(shape), dtype=bool)
    widths = [max(1, round(BORDER * size)) for size in shape]
    inside[tuple(slice(width, -width) for width in widths)] = False
    return inside


def background(shape: Sequence[int]) -> np.ndarray:
    """What lies outside of the central ellipse."""
    axes = [(np.arange(size) - (size - 1) / 2) / (CENTRE * size / 2) for size in shape]
    return sum(np.square(each) for each in np.meshgrid(*axes, indexing="ij", sparse=True)) > 1
