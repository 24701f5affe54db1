"""Wrong segmentations made on purpose, in five ways, to see whether a judge of segmentations notices.

Each way has a strength that goes on for ever and is 0 for no damage, so a damage of any wanted Dice can be found.
Labels stay what they are: what grows takes the nearest structure's label.

Source: the five ways are those of Valindria 2017 (arXiv:1702.03407) as remade here: swollen, eaten away, shifted, cut
off, and with smooth blotches turned over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import ndimage

#: The five ways.
WAYS = ("dilate", "erode", "shift", "cut", "blotch")
#: Of the noise that blotches are made of, in voxels.
_BLOTCH = 2.5
_STEPS = 12


def damage(label: np.ndarray, way: str, strength: float, rng: np.random.Generator) -> np.ndarray:
    """A label map gone wrong.

    Args:
        label: ``(*space,)`` class index, 0 for background.
        way: One of `WAYS`.
        strength: Voxels that the structures grow, lose or move by; for ``cut`` and ``blotch`` the share of the
            structures, or of the box about them, that is turned over (0 to 1).
        rng: Draws the direction, or the blotches: the same draw at every strength, given the same state.

    Returns:
        ``(*space,)`` of the same type.
    """
    inside = label > 0
    if not inside.any():
        return label.copy()
    if way == "dilate":
        away, nearest = _away(label)
        return np.where(away <= strength, nearest, label).astype(label.dtype)
    if way == "erode":
        depth = ndimage.distance_transform_edt(inside)
        return np.where(depth > strength, label, 0).astype(label.dtype)
    direction = rng.standard_normal(label.ndim)
    direction /= np.linalg.norm(direction)
    if way == "shift":
        return ndimage.shift(label, direction * strength, order=0, mode="constant", cval=0)
    if way == "cut":
        along = np.tensordot(direction, np.indices(label.shape), 1)
        return np.where(along < np.quantile(along[inside], 1 - min(strength, 1.0)), label, 0).astype(label.dtype)
    if way == "blotch":
        noise = ndimage.gaussian_filter(rng.standard_normal(label.shape), _BLOTCH)
        away, nearest = _away(label)
        near = away <= 4
        turned = near & (noise > np.quantile(noise[near], 1 - min(strength, 1.0)))
        return np.where(turned, np.where(inside, 0, nearest), label).astype(label.dtype)
    raise ValueError(f"no way of damage is called '{way}': one of {', '.join(WAYS)}")


def damage_to(
    label: np.ndarray,
    way: str,
    wanted: float,
    score: Callable[[np.ndarray], float],
    seed: int,
) -> tuple[np.ndarray, float]:
    """The damage of one way whose score comes closest to a wanted one.

    Args:
        label: ``(*space,)`` class index.
        way: One of `WAYS`.
        wanted: The score wanted, such as a Dice of 0.6.
        score: Of a label map; lower the worse the damage is.
        seed: Of the direction or the blotches.

    Returns:
        The damaged map and its score, which is as close to `wanted` as this way and this direction come.
    """
    low, high = 0.0, {"cut": 1.0, "blotch": 1.0}.get(way, float(max(label.shape)))
    best: tuple[np.ndarray, float] = (label, score(label))
    for _ in range(_STEPS):
        middle = (low + high) / 2
        tried = damage(label, way, middle, np.random.default_rng(seed))
        found = score(tried)
        if abs(found - wanted) < abs(best[1] - wanted):
            best = tried, found
        low, high = (middle, high) if found > wanted else (low, middle)
    return best


def _away(label: np.ndarray) -> tuple[np.ndarray, Any]:
    """Distance to the nearest structure, and which one that is."""
    away, index = ndimage.distance_transform_edt(label == 0, return_indices=True)
    return away, label[tuple(index)]
