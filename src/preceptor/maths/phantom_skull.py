"""Heads with a skull made of brains without one: for trying a brain extraction where no head with skull is at hand.

Around the brain lie dark fluid, darker bone and bright scalp, with ragged edges between. There is a clean dark gap
between brain and scalp, as few patients have it: what works here shows that the geometry is right, not that brains of
patients are found.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

#: What lies around a brain whose values run to 1: outer edge in millimetres from the brain, and value.
_SHELLS = ((3.0, 0.20), (9.0, 0.05), (15.0, 0.90))
#: Standard deviation of the edges between the shells.
_RAGGED_MM = 1.0


def dressed_head(
    brain: np.ndarray, inside: np.ndarray, spacing_mm: tuple[float, ...], rng: np.random.Generator
) -> np.ndarray:
    """A brain with fluid, bone and scalp around it.

    Args:
        brain: ``(x, y, z)``; the values inside are scaled so that their 99th percentile is 1.
        inside: ``(x, y, z)`` bool.
        spacing_mm: Along each axis.
        rng: Draws how ragged the edges are.

    Returns:
        ``(x, y, z)`` float32, air 0.
    """
    scaled = np.clip(brain / np.percentile(brain[inside], 99), 0, None)
    away_mm = ndimage.distance_transform_edt(~inside, sampling=spacing_mm)
    away_mm = away_mm + rng.normal(0, _RAGGED_MM, brain.shape)
    head = np.zeros(brain.shape)
    for edge_mm, value in reversed(_SHELLS):
        head[away_mm < edge_mm] = value
    head[inside] = scaled[inside]
    return head.astype(np.float32)


def scanned(head: np.ndarray, rng: np.random.Generator, noise: float = 0.03) -> np.ndarray:
    """A head as a scanner shows it: a smooth bias field, and Rician noise.

    Args:
        head: ``(x, y, z)``.
        rng: Draws the noise.
        noise: Standard deviation in either channel.

    Returns:
        ``(x, y, z)`` float32.
    """
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, size) for size in head.shape), indexing="ij", sparse=True)
    shown = head * np.exp(0.25 * x + 0.2 * y**2 - 0.15 * z)
    real, imaginary = (rng.normal(0, noise, head.shape) for _ in range(2))
    return np.hypot(shown + real, imaginary).astype(np.float32)
