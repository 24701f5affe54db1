"""Polygons and the pixels whose middles lie inside them, both ways.

Coordinates are in voxels, whole numbers being the middles of pixels: the first pixel reaches from -0.5 to 0.5.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

#: Rows that a part of a border crosses; more of them are counted in turns, so that memory stays small.
_MOST_CROSSINGS = 1 << 20
#: Pairs of edges of two rings that are compared, which takes seconds.
_MOST_COMPARISONS = 10**9


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
    low, high = _edges(ring)
    first = np.clip(np.ceil(low[:, 1]), 0, height).astype(np.intp)
    last = np.clip(np.ceil(high[:, 1]), 0, height).astype(np.intp)
    crossed = np.zeros((width + 1) * height, dtype=np.int32)
    met = np.flatnonzero(last > first)  # edges that pass the middle of a row, most of a long border not among them
    slopes = (high[met, 0] - low[met, 0]) / (high[met, 1] - low[met, 1])
    for part in _parts(last[met] - first[met]):
        lengths = (last - first)[met[part]]
        edge = np.repeat(np.arange(part.start, part.stop), lengths)
        rows = np.arange(lengths.sum()) - np.repeat(lengths.cumsum() - lengths - first[met[part]], lengths)
        at = low[met[edge], 0] + (rows - low[met[edge], 1]) * slopes[edge]
        columns = np.clip(np.ceil(at), 0, width).astype(np.intp)
        crossed += np.bincount(columns * height + rows, minlength=crossed.size).astype(np.int32)
    # A pixel is inside where an odd number of edges cross its row beyond it.
    beyond = crossed.reshape(width + 1, height)[::-1].cumsum(axis=0)[::-1][1:]
    inside: np.ndarray = beyond % 2 == 1
    return inside


def _edges(ring: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower and higher ends of a ring's edges, each ``(edge, 2)``: the same for both neighbours of a shared edge."""
    ahead = np.roll(ring, -1, axis=0)
    turned = (ahead[:, 1] < ring[:, 1]) | ((ahead[:, 1] == ring[:, 1]) & (ahead[:, 0] < ring[:, 0]))
    return np.where(turned[:, None], ahead, ring), np.where(turned[:, None], ring, ahead)


def _parts(lengths: np.ndarray) -> Iterator[slice]:
    """Edges in parts that cross some million rows together."""
    ends = lengths.cumsum()
    start = 0
    while start < len(lengths):
        before = int(ends[start - 1]) if start else 0
        stop = max(int(np.searchsorted(ends, before + _MOST_CROSSINGS, side="right")), start + 1)
        yield slice(start, stop)
        start = stop


def rings_overlap(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two rings ``(vertex, 2)`` share area: one holds a vertex of the other, or their edges cross.

    Rings that touch in a point may count as overlapping. Of rings that are too long to be compared edge by edge it is enough that
    the boxes around them overlap.
    """
    low, high = np.maximum(first.min(0), second.min(0)), np.minimum(first.max(0), second.max(0))
    if (low >= high).any():
        return False
    ends = [_near(ring, low, high) for ring in (first, second)]
    if len(ends[0][0]) * len(ends[1][0]) > _MOST_COMPARISONS or len(first) * len(second) > _MOST_COMPARISONS:
        return True
    if _holds(first, second, low, high) or _holds(second, first, low, high):
        return True
    (start, end), (other_start, other_end) = ends
    step = max(_MOST_CROSSINGS // max(len(other_start), 1), 1)
    for at in range(0, len(start), step):
        one, two = start[at : at + step, None], end[at : at + step, None]
        parted = _side(one, two, other_start) * _side(one, two, other_end) < 0
        if (parted & (_side(other_start, other_end, one) * _side(other_start, other_end, two) < 0)).any():
            return True
    return False


def _near(ring: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both ends ``(edge, 2)`` of the edges of a ring that may reach into a box."""
    ahead = np.roll(ring, -1, axis=0)
    near = ((np.minimum(ring, ahead) <= high) & (np.maximum(ring, ahead) >= low)).all(axis=1)
    return ring[near], ahead[near]


def _holds(ring: np.ndarray, places: np.ndarray, low: np.ndarray, high: np.ndarray) -> bool:
    """Whether any of the places that lie in a box lies inside a ring, by the even-odd rule."""
    places = places[((places >= low) & (places <= high)).all(axis=1)]
    lower, upper = _edges(ring)
    met = (lower[:, 1] < upper[:, 1]) & (lower[:, 1] <= high[1]) & (upper[:, 1] > low[1])
    lower, upper = lower[met], upper[met]
    step = max(_MOST_CROSSINGS // max(len(lower), 1), 1)
    for at in range(0, len(places), step):
        some = places[at : at + step, None]
        beside = (some[..., 1] >= lower[:, 1]) & (some[..., 1] < upper[:, 1])
        if ((beside & (_side(lower, upper, some) > 0)).sum(axis=1) % 2 == 1).any():
            return True
    return False


def _side(start: np.ndarray, end: np.ndarray, place: np.ndarray) -> np.ndarray:
    along = end - start
    offset = place - start
    turn: np.ndarray = along[..., 0] * offset[..., 1] - along[..., 1] * offset[..., 0]
    return turn


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
