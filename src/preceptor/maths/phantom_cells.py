"""Cells whose number is known: discs that keep apart or lie anywhere, and the density map that sums to their count."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def place_cells(
    rng: np.random.Generator, number: int, size: Sequence[int], margin: float, apart: float = 0.0
) -> np.ndarray:
    """Centres of cells.

    Args:
        rng: Of this picture.
        number: How many.
        size: Pixels along both axes.
        margin: Least distance of a centre from the border, in pixels.
        apart: Least distance between centres, in pixels; 0 places them freely, so that cells overlap.

    Returns:
        ``(number, 2)`` float64, in pixels.

    Raises:
        ValueError: So many cells find no room.
    """
    low, high = np.full(2, float(margin)), np.asarray(size, float) - 1 - margin
    if (high < low).any():
        raise ValueError("the margin leaves no room")
    found = np.empty((0, 2))
    for _ in range(400 * number):
        if len(found) == number:
            break
        centre = rng.uniform(low, high)
        if not apart or not len(found) or np.min(np.sum((found - centre) ** 2, axis=1)) >= apart**2:
            found = np.vstack([found, centre])
    if len(found) < number:
        raise ValueError(f"{number} cells {apart:g} pixels apart find no room in {size[0]} x {size[1]} pixels")
    return found


def cell_numbers(centres: np.ndarray, size: Sequence[int], radius: float) -> np.ndarray:
    """``(x, y)`` int32: which cell each pixel belongs to, 1 for the first; later cells lie on top; 0 between them.

    Args:
        centres: ``(cell, 2)`` in pixels.
        size: Pixels along both axes.
        radius: Of every cell, in pixels.
    """
    numbers = np.zeros(tuple(size), np.int32)
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]), indexing="ij", sparse=True)
    for place, (across, down) in enumerate(centres):
        numbers[(x - across) ** 2 + (y - down) ** 2 <= radius**2] = place + 1
    return numbers


def cell_density(centres: np.ndarray, size: Sequence[int], sigma: float) -> np.ndarray:
    """A density map: a Gaussian of volume 1 on each centre, so that its sum is the count.

    Args:
        centres: ``(cell, 2)`` in pixels.
        size: Pixels along both axes.
        sigma: Standard deviation in pixels; from a border two and a half of them away a cell keeps 99 % of its volume.

    Returns:
        ``(x, y)`` float64.

    Source: Lempitsky & Zisserman 2010, Learning to count objects in images, equation 1.
    """
    total = np.zeros(tuple(size))
    for centre in centres:
        parts = [np.exp(-0.5 * ((np.arange(each) - at) / sigma) ** 2) for each, at in zip(size, centre, strict=True)]
        total += np.outer(*parts)
    return total / (2 * math.pi * sigma**2)
