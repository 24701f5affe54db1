"""Small X-rays as a telephone would take them from a screen, in the two ways the known answers were measured."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from scipy import ndimage


def of_a_screen(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """``(28, 28)`` in 0..1, four times larger through a lens: askew, with glare, moire, blur and JPEG, and back."""
    large = np.asarray(Image.fromarray(np.float32(image)).resize((112, 112), Image.Resampling.BILINEAR))
    large = np.clip(large, 0, 1) ** np.exp(rng.uniform(-0.5, 0.5))
    large = _askew(large, rng.uniform(-0.06, 0.06, (4, 2)) * 112)
    y, x = np.mgrid[:112, :112] / 112
    middle, width = rng.uniform(0, 1, 2), rng.uniform(0.1, 0.3)
    large = large + rng.uniform(0, 0.5) * np.exp(-((x - middle[0]) ** 2 + (y - middle[1]) ** 2) / (2 * width**2))
    waves, angle = rng.uniform(15, 40), rng.uniform(0, np.pi)
    large += 0.06 * np.sin(2 * np.pi * waves * (x * np.cos(angle) + y * np.sin(angle)) + rng.uniform(0, 2 * np.pi))
    large = ndimage.gaussian_filter(large, 0.8)
    large = large * rng.uniform(0.7, 1.0) + rng.uniform(0, 0.15) + rng.normal(0, 0.02, large.shape)
    kept = io.BytesIO()
    Image.fromarray(np.uint8(np.clip(large, 0, 1) * 255)).save(kept, "JPEG", quality=40)
    return np.asarray(Image.open(kept).resize((28, 28), Image.Resampling.BOX)) / 255


def _askew(image: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """The image with its corners moved: a projective map, through the four pairs of corners."""
    size = image.shape[0]
    corners = np.array([(0, 0), (size, 0), (size, size), (0, size)], dtype=float)
    rows, right = [], []
    for (x, y), (u, v) in zip(corners, corners + moved, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        right += [u, v]
    map_back = tuple(np.linalg.solve(np.array(rows), np.array(right)))
    turned = Image.fromarray(np.float32(image)).transform(
        (size, size), Image.Transform.PERSPECTIVE, map_back, Image.Resampling.BILINEAR
    )
    return np.asarray(turned, dtype=np.float64)


def by_hand(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """``(28, 28)`` in 0..1 at its own size: turned, shifted, blurred, in slanted light with one glare, clipped."""
    found = ndimage.rotate(image, rng.uniform(-6, 6), reshape=False, order=1, mode="nearest")
    found = ndimage.shift(found, rng.uniform(-1, 1, 2), order=1, mode="nearest")
    found = np.clip(ndimage.gaussian_filter(found, rng.uniform(0.3, 0.8)), 0, 1) ** rng.uniform(0.6, 1.0)
    y, x = np.mgrid[:28, :28] / 27 - 0.5
    angle = rng.uniform(0, 2 * np.pi)
    found = found * (0.75 + 0.4 * (x * np.cos(angle) + y * np.sin(angle))) + rng.uniform(0.05, 0.2)
    middle = rng.uniform(-0.4, 0.4, 2)
    found += rng.uniform(0.2, 0.5) * np.exp(-((x - middle[0]) ** 2 + (y - middle[1]) ** 2) / (2 * 0.1**2))
    found += 0.04 * np.sin(2 * np.pi * rng.uniform(5, 10) * x + rng.uniform(0, 2 * np.pi))
    return np.clip(found + rng.normal(0, 0.03, found.shape), 0, 1)
