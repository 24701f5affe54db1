"""Lesions that appear or vanish when a model turns one image into another, and a scene in which their truth is known."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class LesionRates(NamedTuple):
    """What became of the lesions.

    Args:
        appearance: Share of images without a lesion whose translation shows one; NaN without such images.
        disappearance: Share of images with a lesion whose translation shows none; NaN without such images.
    """

    appearance: float
    disappearance: float

    @property
    def worst(self) -> float:
        """The larger of the two: what a clinic is exposed to."""
        return max(self)


def lesion_rates(there: np.ndarray, seen: np.ndarray) -> LesionRates:
    """Rates of appearance and disappearance.

    Args:
        there: ``(image,)`` whether the source has a lesion.
        seen: ``(image,)`` whether a fixed detector sees one in the translation.

    Source: Cohen 2018 (arXiv:1805.08841).
    """
    there, seen = np.asarray(there, dtype=bool), np.asarray(seen, dtype=bool)

    def share(wrong: np.ndarray) -> float:
        return float(wrong.mean()) if len(wrong) else float("nan")

    return LesionRates(share(seen[~there]), share(~seen[there]))


class Patches(NamedTuple):
    """Small images of one tissue in two contrasts.

    Args:
        source: ``(image, 8, 8)`` with dark lesions, where there are any.
        target: ``(image, 8, 8)`` the same tissue with contrast turned over: lesions are bright.
        lesion: ``(image,)`` whether there is one, in the centre.
    """

    source: np.ndarray
    target: np.ndarray
    lesion: np.ndarray


def lesion_patches(images: int, share: float, generator: np.random.Generator) -> Patches:
    """Draw tissue with a lesion in a share of the images.

    Args:
        images: How many.
        share: Of images with a lesion, exactly (rounded), in random order.
        generator: Of all draws.
    """
    from scipy.ndimage import gaussian_filter

    texture = gaussian_filter(generator.normal(size=(images, 8, 8)), (0, 2, 2))
    clean = 0.5 + 0.08 * texture / texture.std()
    lesion = generator.permutation(images) < round(share * images)
    row, column = np.mgrid[:8, :8] - 3.5
    depth = np.where(lesion, generator.uniform(0.35, 0.5, images), 0.0)
    clean = clean - depth[:, None, None] * np.exp(-(row**2 + column**2) / 3)
    source = clean + generator.normal(0, 0.02, clean.shape)
    target = 1 - clean + generator.normal(0, 0.02, clean.shape)
    return Patches(source, target, lesion)


def sees_lesion(images: np.ndarray) -> np.ndarray:
    """The fixed detector of the scene: is the centre of a target image brighter than its border by 0.16?

    Args:
        images: ``(image, 8, 8)``.

    Returns:
        ``(image,)`` bool.
    """
    border = np.ones((8, 8), dtype=bool)
    border[2:6, 2:6] = False
    return images[:, 3:5, 3:5].mean((1, 2)) - images[:, border].mean(1) > 0.16
