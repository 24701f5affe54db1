"""Polygons and the pixels whose middles lie inside them, both ways.

Coordinates are in voxels, whole numbers being the middles of pixels: the first pixel reaches from -0.5 to 0.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np


def inside_polygon(vertices: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """The pixels whose middle lies inside, by the even-odd rule.

    A middle exactly on the border counts with the side of lower x and y alone, so that polygons that share an edge
    share no pixel and leave none out. Drawing functions of picture libraries take vertices as pixels and fill the border on
    all sides: their areas are larger.

    Args:
        vertices: ``(vertex, 2)`` x and y in voxels; the last is joined to the first.
        shape: Pixels along x and y.

    Returns:
        ``(x, y)`` bool.

    Raises:
        ValueError: There are fewer than three vertices, or one is not finite.
    """
    ring = np.asarray(vertices, dtype=float)
    if ring.ndim != 2 or ring.shape[1] != 2 or len(ring) < 3 or not np.isfinite(ring).all():
        raise ValueError("a polygon needs three or more vertices of two finite coordinates")
    width, height = shape
    crossed = np.zeros((width + 1, height), dtype=np.int32)
    for first, second in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        low, high = sorted((first, second), key=lambda place: (place[1], place[0]))  # the same for both neighbours
        rows = np.arange(max(np.ceil(low[1]), 0), min(np.ceil(high[1]), height), dtype=np.intp)
        if len(rows):
            at = low[0] + (rows - low[1]) * ((high[0] - low[0]) / (high[1] - low[1]))
            crossed[np.clip(np.ceil(at), 0, width).astype(np.intp), rows] += 1
    # A pixel is inside where an odd number of edges cross its row beyond it.
    beyond = crossed[::-1].cumsum(axis=0)[::-1][1:]
    inside: np.ndarray = beyond % 2 == 1
    return inside


def polygon_area(vertices: np.ndarray) -> float:
    """The area in pixels, positive where x turns towards y; by the shoelace formula. It is no count of pixels."""
    x, y = np.asarray(vertices, dtype=float).T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


def outlines(mask: np.ndarray) -> list[np.ndarray]:
    """The borders of a mask along the edges of its pixels: `inside_polygon` gives the mask back.

    Args:
        mask: ``(x, y)``; what is not 0 is inside. Pixels that touch at a corner alone are apart.

    Returns:
        Rings ``(vertex, 2)`` in voxels: outer ones of positive `polygon_area`, holes of negative.
    """
    inside = np.pad(np.asarray(mask) != 0, 1)
    following: dict[tuple[int, int], list[tuple[int, int]]] = {}
    # An edge runs with the inside on its left hand where x turns towards y.
    sides = (
        ((0, -1), (0, 0), (1, 0)),
        ((1, 0), (1, 0), (1, 1)),
        ((0, 1), (1, 1), (0, 1)),
        ((-1, 0), (0, 1), (0, 0)),
    )
    for (dx, dy), start, end in sides:
        neighbour = np.roll(inside, (-dx, -dy), axis=(0, 1))
        for x, y in np.argwhere(inside & ~neighbour).tolist():
            following.setdefault((x + start[0], y + start[1]), []).append((x + end[0], y + end[1]))
    rings = []
    while following:
        place = start_place = next(iter(following))
        came = (0, 0)
        ring = []
        while place in following:
            ahead = following[place]
            # Where two corners touch, the turn towards the inside keeps them apart.
            choice = min(ahead, key=partial(_turn, came, place))
            ahead.remove(choice)
            if not ahead:
                del following[place]
            step = (choice[0] - place[0], choice[1] - place[1])
            if step != came:
                ring.append(place)
            came, place = step, choice
            if place == start_place and place not in following:
                break
        rings.append(np.array(ring, dtype=float) - 1.5)  # the frame of one pixel, and half a pixel to its edge
    return rings


def _turn(came: tuple[int, int], place: tuple[int, int], end: tuple[int, int]) -> int:
    """-1 where the way on to `end` turns towards the inside, 0 straight on, 1 away from it."""
    return came[1] * (end[0] - place[0]) - came[0] * (end[1] - place[1])
