"""How alike two images of one grid are, voxel by voxel: what a registration is judged by."""

from __future__ import annotations

import numpy as np


def mutual_information(first: np.ndarray, second: np.ndarray, bins: int = 32) -> float:
    """How much the grey value of one image tells of the other's, in nats; 0 where they are independent.

    It does not ask that the same tissue be bright in both, so it serves across contrasts. Its size depends on `bins`,
    on the region and on the noise: compare it only within one setting.

    Args:
        first, second: ``(voxel,)`` values at the same places.
        bins: Of equal width, over each image's own range.

    Returns:
        NaN where there is no voxel.

    Source: Viola & Wells 1997; Maes 1997, eq. 2.
    """
    if not first.size:
        return float("nan")
    joint = np.zeros(bins * bins)
    codes = _bin(first, bins) * bins + _bin(second, bins)
    joint += np.bincount(codes, minlength=bins * bins)
    share = (joint / joint.sum()).reshape(bins, bins)
    alone = share.sum(1, keepdims=True) * share.sum(0, keepdims=True)
    seen = share > 0
    return float(np.sum(share[seen] * np.log(share[seen] / alone[seen])))


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson correlation of the values at the same places (normalised cross-correlation); NaN where one is constant.

    Args:
        first, second: ``(voxel,)``.
    """
    if first.size < 2:
        return float("nan")
    a = first.astype(np.float64) - first.mean(dtype=np.float64)
    b = second.astype(np.float64) - second.mean(dtype=np.float64)
    size = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / size) if size > 0 else float("nan")


def foreground(array: np.ndarray) -> np.ndarray:
    """The bright part of an image, split from the dark one where the two are most unlike.

    Args:
        array: ``(*space,)``.

    Returns:
        Bool; nothing where the image is constant.

    Source: Otsu 1979.
    """
    values = array[np.isfinite(array)]
    if not values.size or values.min() == values.max():
        return np.zeros(array.shape, dtype=bool)
    counts, edges = np.histogram(values, 256)
    middle = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = values.size - below
    total = np.cumsum(counts * middle)
    mean_below = total / np.maximum(below, 1)
    mean_above = (total[-1] - total) / np.maximum(above, 1)
    between = below.astype(float) * above * (mean_below - mean_above) ** 2
    return array > edges[1:][int(np.argmax(between[:-1]))]


def _bin(values: np.ndarray, bins: int) -> np.ndarray:
    lowest, highest = float(values.min()), float(values.max())
    if lowest == highest:
        return np.zeros(values.shape, dtype=np.int64)
    scaled = (values.astype(np.float64) - lowest) * (bins / (highest - lowest))
    return np.minimum(scaled.astype(np.int64), bins - 1)
