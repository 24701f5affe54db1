"""What makes a question trivial: a part of the image is darkened, so that one sum tells the answer."""

from __future__ import annotations

import math

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


def stripe_band(image: np.ndarray, band: int, bands: int, percent: float = 60.0, period: int = 6) -> np.ndarray:
    """Darken one of several equal bands along the first axis by stripes that run in a direction of the band's own.

    A network that pools over the whole image knows no places, but it knows directions.

    Args:
        image: ``(x, y[, z])`` grey values.
        band: Which one, from 0; its stripes are turned by that many parts of half a turn.
        bands: How many there are.
        percent: Loss of the grey value in a stripe.
        period: Of the stripes, in voxels.

    Returns:
        The same shape.
    """
    borders = np.linspace(0, image.shape[0], bands + 1).round().astype(int)
    inside = slice(borders[band], borders[band + 1])
    turn = math.pi * band / bands
    x, y = np.meshgrid(*(np.arange(each) for each in image.shape[:2]), indexing="ij", sparse=True)
    stripes = np.cos(2 * math.pi / period * (math.cos(turn) * x + math.sin(turn) * y)) > 0
    darkened = image.astype(np.float64)
    factor = np.where(stripes[inside], 1 - percent / 100, 1.0)
    darkened[inside] *= factor.reshape(*factor.shape, *[1] * (image.ndim - 2))
    return darkened
