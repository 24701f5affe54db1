"""What a picture is like at a glance: brightness, its spread, and a thumbnail. For baselines that any model must beat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from preceptor.core.cohort import Sample
from preceptor.core.image import Image

_QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_BINS = 12
_SIDE = 4
#: Voxels that quantiles are read from: more tell no more.
_MOST_VOXELS = 200_000


def simple_features(sample: Sample, views: Sequence[str], channels: int, space_dims: int) -> np.ndarray:
    """``(feature,)`` of every view: quantiles, mean and spread of brightness, a histogram, a 4 x 4 (x 4) thumbnail.

    Args:
        sample: On the prepared grid.
        views: In a fixed order; one that the sample lacks is NaN throughout.
        channels: Of each view.
        space_dims: 2 or 3.
    """
    return np.concatenate([_of_view(sample.images.get(view), channels, space_dims) for view in views])


def _of_view(image: Image | None, channels: int, space_dims: int) -> np.ndarray:
    size = len(_QUANTILES) + 2 + _BINS + _SIDE**space_dims
    if image is None:
        return np.full(channels * size, np.nan)
    found = []
    for channel in np.asarray(image.array, dtype=np.float32)[:channels]:
        # Of a film the mean over time is looked at.
        pixels = channel.reshape(-1, *channel.shape[channel.ndim - space_dims :]).mean(0)
        flat = pixels.ravel()[:: max(1, pixels.size // _MOST_VOXELS)]
        quantiles = np.quantile(flat, _QUANTILES)
        low, high = quantiles[0], max(quantiles[-1], quantiles[0] + 1e-6)
        histogram = np.histogram(np.clip(flat, low, high), _BINS, (low, high))[0] / len(flat)
        found.append(np.concatenate([quantiles, [flat.mean(), flat.std()], histogram, _thumbnail(pixels)]))
    return np.concatenate(found).astype(np.float32)


def _thumbnail(pixels: np.ndarray) -> np.ndarray:
    """Means of 4 blocks along every axis; of an axis with fewer voxels some blocks share one."""
    for axis, size in enumerate(pixels.shape):
        ends = np.floor(np.linspace(0, size, _SIDE + 1)).astype(int)
        blocks = [
            pixels.take(range(start, max(stop, start + 1)), axis).mean(axis)
            for start, stop in zip(np.minimum(ends[:-1], size - 1), ends[1:], strict=True)
        ]
        pixels = np.stack(blocks, axis)
    return pixels.ravel()
