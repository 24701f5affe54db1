"""Texture: grain of a known fineness, and what a simple classifier reads from patches."""

from __future__ import annotations

import numpy as np

#: Distances, in voxels, over which neighbours are compared.
LAGS = (1, 2, 3, 5)


def grain(shape: tuple[int, ...], width_voxels: float, rng: np.random.Generator) -> np.ndarray:
    """Noise that is alike over a given distance: mean 0, standard deviation 1 whatever the width.

    Args:
        shape: ``(*space)``.
        width_voxels: Standard deviation of the Gaussian that smooths white noise.
        rng: Draws the noise.
    """
    from scipy.ndimage import gaussian_filter

    noise = gaussian_filter(rng.standard_normal(shape), width_voxels, mode="wrap")
    return ((noise - noise.mean()) / noise.std()).astype(np.float32)


def texture_features(patch: np.ndarray) -> np.ndarray:
    """How unlike neighbours are at several distances, along all axes together, and how unlike any two voxels are.

    Logarithms, so that a linear classifier weighs ratios: how fine the grain is, whatever its strength.

    Args:
        patch: ``(*space)``.

    Returns:
        ``(lag + 1,)``; an axis shorter than a lag does not count for it.

    Source: Matheron 1963, Economic Geology 58(8) (the variogram); Haralick 1979, Proceedings of the IEEE 67(5).
    """
    patch = patch.astype(np.float64)
    variance = patch.var()
    unlike = []
    for lag in LAGS:
        along = [np.moveaxis(patch, axis, 0) for axis in range(patch.ndim) if patch.shape[axis] > lag]
        unlike.append(np.mean([np.square(each[lag:] - each[:-lag]).mean() for each in along]) if along else variance)
    floor = 1e-10 * max(float(np.abs(patch).max()) ** 2, 1e-20)
    return np.log(np.array([*unlike, variance]) + floor)
