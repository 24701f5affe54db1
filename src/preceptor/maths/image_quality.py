"""How near an image lies to the one it should be: peak signal-to-noise ratio and structural similarity."""

from __future__ import annotations

import numpy as np

#: Of Wang's Gaussian window: its standard deviation in pixels, and where it is cut.
_SIGMA, _TRUNCATE = 1.5, 3.5
_RADIUS = int(_TRUNCATE * _SIGMA + 0.5)


def psnr(truth: np.ndarray, answer: np.ndarray, data_range: float) -> float:
    """Peak signal-to-noise ratio in decibels; infinite where the two are equal.

    Args:
        truth, answer: Of one shape: a whole image, or its values inside a region.
        data_range: Distance from the least to the greatest value that an image can have.
    """
    error = float(np.mean((np.asarray(truth, dtype=np.float64) - np.asarray(answer, dtype=np.float64)) ** 2))
    return float("inf") if error == 0 else 10 * float(np.log10(data_range**2 / error))


def similarity_map(truth: np.ndarray, answer: np.ndarray, data_range: float) -> np.ndarray:
    """Structural similarity at every pixel, under a Gaussian window of 1.5 pixels.

    Args:
        truth, answer: ``(*space,)`` in two or three dimensions.
        data_range: As in `psnr`. The value depends on it, so it is told beside the value.

    Source: Wang 2004, eq. 13, with K1 = 0.01, K2 = 0.03 and weighted (population) covariances.
    """
    from scipy.ndimage import gaussian_filter

    def mean(image: np.ndarray) -> np.ndarray:
        return gaussian_filter(image, _SIGMA, truncate=_TRUNCATE)

    truth, answer = np.asarray(truth, dtype=np.float64), np.asarray(answer, dtype=np.float64)
    ours, theirs = mean(truth), mean(answer)
    variances = mean(truth**2) - ours**2 + mean(answer**2) - theirs**2
    covariance = mean(truth * answer) - ours * theirs
    brightness, contrast = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    above = (2 * ours * theirs + brightness) * (2 * covariance + contrast)
    return above / ((ours**2 + theirs**2 + brightness) * (variances + contrast))


def ssim(truth: np.ndarray, answer: np.ndarray, data_range: float) -> float:
    """Mean structural similarity of the pixels whose whole window lies in the image; NaN where there is none.

    Args:
        truth, answer, data_range: As in `similarity_map`.
    """
    if min(truth.shape) <= 2 * _RADIUS:
        return float("nan")
    inner = (slice(_RADIUS, -_RADIUS),) * truth.ndim
    return float(similarity_map(truth, answer, data_range)[inner].mean())
