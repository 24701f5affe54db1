"""What a map of an explanation can be held against: edges, another map, a region, an order of removal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage, stats


def edges(image: np.ndarray) -> np.ndarray:
    """Sobel's gradient magnitude: what an explanation would look like that knew the image alone.

    Args:
        image: ``(channel, *space)``.

    Returns:
        ``(*space,)``, at least 0: the largest over channels.

    Source: the control of Adebayo et al. 2018, arXiv:1810.03292, section 5.
    """
    image = np.asarray(image, dtype=np.float64)
    found = []
    for channel in image:
        slopes = [ndimage.sobel(channel, axis=axis, mode="nearest") for axis in range(channel.ndim)]
        found.append(np.sqrt(sum(slope**2 for slope in slopes)))
    return np.max(found, axis=0)


def rank_similarity(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's correlation of the sizes of two maps.

    Args:
        first, second: Maps of the same shape, or several views' one after the other; NaN in either is left out.

    Returns:
        -1 to 1; NaN where one of them is the same everywhere.

    Source: Adebayo et al. 2018, arXiv:1810.03292, section 4 ("rank correlation, absolute value").
    """
    first, second = np.abs(np.ravel(first)), np.abs(np.ravel(second))
    known = np.isfinite(first) & np.isfinite(second)
    first, second = first[known], second[known]
    if len(first) < 2 or first.min() == first.max() or second.min() == second.max():
        return float("nan")
    return float(stats.spearmanr(first, second).statistic)


def points_at(found: np.ndarray, region: np.ndarray, tolerance: int = 1) -> bool:
    """Pointing game: whether the strongest place lies in the region or at most so many voxels beside it.

    Args:
        found: ``(*space,)`` map; its size counts.
        region: ``(*space,)`` bool.
        tolerance: In voxels.

    Source: Zhang et al. 2018, "Top-down Neural Attention by Excitation Backprop", section 4.1.
    """
    if tolerance:
        ball = ndimage.generate_binary_structure(region.ndim, 1)
        region = ndimage.binary_dilation(region, ball, iterations=tolerance)
    return bool(region[np.unravel_index(np.argmax(np.nan_to_num(np.abs(found))), found.shape)])


def energy_inside(found: np.ndarray, region: np.ndarray) -> float:
    """The share of a map's total size that lies in a region; NaN for a map of zeros.

    Args:
        found: ``(*space,)``.
        region: ``(*space,)`` bool.
    """
    size = np.nan_to_num(np.abs(found))
    total = float(size.sum())
    return float(size[region].sum()) / total if total > 0 else float("nan")


def concentration(found: np.ndarray) -> float:
    """Gini's index of a map's sizes: 0 where it is the same everywhere, near 1 where one voxel has it all.

    Args:
        found: Any shape; NaN is left out.
    """
    size = np.sort(np.abs(np.ravel(found)[np.isfinite(np.ravel(found))]))
    total = size.sum()
    if len(size) == 0 or total == 0:
        return float("nan")
    rank = np.arange(1, len(size) + 1)
    return float((2 * (rank * size).sum() / total - len(size) - 1) / len(size))


def smooth_noise(shape: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """A random map without any knowledge, as smooth as explanations are: the control of removal curves.

    Args:
        shape: Of the map.
        rng: Draws it.
    """
    return ndimage.gaussian_filter(rng.normal(size=tuple(shape)), [size / 12 for size in shape], mode="wrap")


def area_under(shares: np.ndarray, scores: np.ndarray) -> float:
    """Area under a curve of scores over the share removed or shown, by trapezia.

    Args:
        shares: ``(step,)`` rising from 0 to 1.
        scores: ``(step,)``.

    Source: deletion and insertion of Petsiuk et al. 2018, arXiv:1806.07421, section 4.1.
    """
    return float(np.trapezoid(scores, shares))
