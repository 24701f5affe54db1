"""Landmarks of a histogram, and images brought onto the scale on which those of many images agree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def on_standard_scale(found: np.ndarray, low: float, high: float) -> np.ndarray:
    """One image's landmarks mapped linearly, so that its first becomes `low` and its last `high`.

    Args:
        found: ``(landmark,)`` grey values at rising percentiles.
        low, high: Ends of the standard scale.

    Returns:
        ``(landmark,)``; NaN where the image has one value.

    Source: Nyul & Udupa 1999, Magnetic Resonance in Medicine 42, eq. 1.
    """
    span = float(found[-1] - found[0])
    if not span > 0:
        return np.full(len(found), np.nan)
    return low + (high - low) * (found - found[0]) / span


def by_landmarks(values: Tensor, found: Sequence[float], standard: Sequence[float], *, clip: bool = False) -> Tensor:
    """Values moved piece by piece: straight between landmarks, and beyond the outermost as straight as beside them.

    Landmarks of the image that coincide (a third of it has one value) are one, and stand at the mean of their places on
    the standard scale.

    Args:
        values: Of any shape, float32.
        found: The image's own landmarks, rising.
        standard: Where each is to come.
        clip: Cut off at the outermost landmarks instead of going on beyond them.

    Returns:
        Of the same shape; the first landmark's place everywhere where the image has one value.

    Source: Nyul & Udupa 1999, eq. 2; extrapolated as in Shah 2011, Medical Image Analysis 15, section 2.1.
    """
    own, which = np.unique(np.asarray(found, dtype=np.float64), return_inverse=True)
    places = np.bincount(which, weights=np.asarray(standard, dtype=np.float64)) / np.bincount(which)
    if len(own) < 2:
        return torch.full_like(values, float(standard[0]))
    array = values.numpy().astype(np.float64)
    out = np.interp(array, own, places)
    if not clip:
        slopes = np.diff(places) / np.diff(own)
        below, above = array < own[0], array > own[-1]
        out[below] = places[0] + (array[below] - own[0]) * slopes[0]
        out[above] = places[-1] + (array[above] - own[-1]) * slopes[-1]
    return torch.from_numpy(out.astype(np.float32))


def quantile_table(values: Tensor, points: int) -> np.ndarray:
    """Grey values at the shares 0, 1 / points … 1 of an image's cumulative histogram, straight between its values.

    Args:
        values: Of any shape, not empty.
        points: Steps.

    Returns:
        ``(points + 1,)`` float64.
    """
    own, counts = np.unique(values.numpy().astype(np.float64), return_counts=True)
    return np.interp(np.arange(points + 1) / points, np.cumsum(counts) / counts.sum(), own)
