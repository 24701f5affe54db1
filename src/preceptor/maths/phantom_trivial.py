"""What makes a question trivial: a part of the image is darkened, so that one sum tells the answer."""

from __future__ import annotations

import numpy as np


def darken_band(
    image: np.ndarray, band: int, bands: int, rng: np.random.Generator, percent: float = 60.0
) -> np.ndarray:
    """Darken one of several equal bands along the first axis: of two, one half of the image.

    Args:
        image: ``(x, y[, z])`` grey values; background 0 stays 0.
        band: Which one, from 0.
        bands: How many there are.
        rng: Draws the unevenness.
        percent: Least loss of the grey value. As in ClinicaDL the loss of a voxel is not that number but
            ``percent + 10 (n - min n)`` with n ~ N(0, 0.1) over the voxels: 60 to about 69 percent, 64.5 in the mean of
            100,000 voxels.

    Returns:
        The same shape.

    Source: ``clinicadl generate trivial`` (Thibeau-Sutre et al. 2022), from its code of 2024.
    """
    borders = np.linspace(0, image.shape[0], bands + 1).round().astype(int)
    inside = slice(borders[band], borders[band + 1])
    noise = rng.normal(0, 0.1, image[inside].shape)
    loss = percent + 10 * (noise - noise.min(initial=np.inf))
    darkened = image.astype(np.float64)
    darkened[inside] *= 1 - np.minimum(loss, 100) / 100
    return darkened
