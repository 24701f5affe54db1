"""Cells that grow in the wells of a plate: how fast, how many, and where."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .phantom_partial_volume import lesion_share
from .phantoms import Lesion


def logistic_growth(start: float, capacity: float, rate_per_day: float, days: np.ndarray) -> np.ndarray:
    """Number of cells over time: exponential at first, slower as room runs out.

    ``N(t) = K / (1 + (K / N0 - 1) exp(-r t))``, so that the log-odds of ``N / K`` rise by r a day.

    Args:
        start: N0, cells at time 0.
        capacity: K, cells that there is room for.
        rate_per_day: r.
        days: ``(time,)``.

    Returns:
        ``(time,)`` real numbers: a cell that is growing counts in part.

    Source: Verhulst 1838.
    """
    return np.asarray(capacity / (1 + (capacity / start - 1) * np.exp(-rate_per_day * np.asarray(days, float))))


def cell_places(rng: np.random.Generator, size: Sequence[int], well_radius: float, cell_radius: float) -> np.ndarray:
    """Places for cells that never overlap, in the order in which they are taken.

    Rows of a triangular lattice, each place moved a little at random, all inside the well.

    Args:
        rng: Of this well.
        size: Pixels along both axes.
        well_radius: In pixels.
        cell_radius: In pixels.

    Returns:
        ``(place, 2)`` in pixels from the middle of the picture.
    """
    free = 0.4 * cell_radius
    step = 2 * (cell_radius + free)
    number = math.ceil(2 * well_radius / step) + 2
    rows, columns = np.meshgrid(np.arange(-number, number + 1), np.arange(-number, number + 1), indexing="ij")
    lattice = np.stack([(columns + 0.5 * (rows % 2)).ravel() * step, rows.ravel() * step * math.sqrt(3) / 2], axis=1)
    angle, reach = rng.uniform(0, 2 * math.pi, len(lattice)), free * np.sqrt(rng.random(len(lattice)))
    moved = lattice + rng.uniform(-step / 2, step / 2, 2) + reach[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    inside = np.linalg.norm(moved, axis=1) + cell_radius < well_radius
    return rng.permutation(moved[inside])


def cover(
    places: np.ndarray, numbers: Sequence[float], size: Sequence[int], cell_radius: float
) -> tuple[np.ndarray, np.ndarray]:
    """How much of each pixel cells cover when there are so many of them.

    The first places hold whole cells, the next one the part of a cell that is still growing: what is covered is exactly
    the number times the area of a cell.

    Args:
        places: ``(place, 2)``, as `cell_places` gives them.
        numbers: Of cells at each time, rising or falling.
        size: Pixels along both axes.
        cell_radius: In pixels.

    Returns:
        ``(time, x, y)`` shares in 0 to 1, and ``(time, x, y)`` uint16: which cell covers at least half of the pixel,
        counted from 1; 0 for none.
    """
    whole = np.zeros((len(places), *size), np.float32)
    for place, centre in enumerate(places[: math.ceil(max(numbers))]):
        whole[place] = _disc(centre, cell_radius, size)
    shares, index = [], []
    for number in numbers:
        full = min(math.floor(number), len(places))
        cells = list(whole[:full])
        if number > full and full < len(places):
            cells.append(_disc(places[full], cell_radius * math.sqrt(number - full), size))
        truth = np.zeros(tuple(size), np.uint16)
        for place, cell in enumerate(cells):
            truth[cell >= 0.5] = place + 1
        shares.append(np.sum(cells, axis=0, dtype=np.float64) if cells else np.zeros(tuple(size)))
        index.append(truth)
    return np.clip(np.stack(shares), 0, 1), np.stack(index)


def _disc(centre: np.ndarray, radius: float, size: Sequence[int]) -> np.ndarray:
    x, y = map(float, centre)
    return lesion_share(Lesion((x, y), (radius, radius)), size, (1.0, 1.0))
