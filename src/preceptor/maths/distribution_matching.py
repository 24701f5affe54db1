"""Maps between sets of images that match distributions without pairs and without any training."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

#: ``(image, *space)`` to the same.
ImageMap = Callable[[np.ndarray], np.ndarray]


def quantile_map(source: np.ndarray, target: np.ndarray, *, turned: bool = False, points: int = 2001) -> ImageMap:
    """The map of grey values that gives the pixels of one set the histogram of another.

    Args:
        source, target: ``(image, *space)``, of other people.
        turned: Whether contrast is turned over: the darkest share of the source's pixels becomes the target's brightest.
        points: Quantiles that are matched; between them the map is linear, beyond them constant.

    Returns:
        A monotone map, the same for every pixel.

    Source: Gonzalez & Woods, Digital Image Processing, section 3.3.2 (histogram specification).
    """
    shares = np.linspace(0, 1, points)
    given, wanted = np.quantile(source, shares), np.quantile(target, 1 - shares if turned else shares)

    def mapped(images: np.ndarray) -> np.ndarray:
        return np.interp(images, given, wanted)

    return mapped


def moment_map(source: np.ndarray, target: np.ndarray, *, turned: bool = False) -> ImageMap:
    """The linear map that gives the images of one set, each a vector of pixels, the mean and covariance of another.

    Of the maps that do it is the one that moves images least (the optimal transport between the two normal distributions):
    ``mean_t + A (x - mean_s)`` with ``A = S^-1/2 (S^1/2 T S^1/2)^1/2 S^-1/2`` for the covariances ``S`` and ``T``.

    Args:
        source, target: ``(image, *space)``, of other people; more images than pixels.
        turned: Take ``-A``, which matches the same moments: contrast is turned over.

    Source: Olkin & Pukelsheim 1982 (doi 10.1016/0024-3795(82)90112-4); Peyré & Cuturi 2019 (arXiv:1803.00567),
        remark 2.31.
    """
    given, wanted = source.reshape(len(source), -1), target.reshape(len(target), -1)
    root, inverse = _roots(np.atleast_2d(np.cov(given.T)))
    middle, _ = _roots(root @ np.atleast_2d(np.cov(wanted.T)) @ root)
    matrix = inverse @ middle @ inverse * (-1 if turned else 1)
    means = given.mean(0), wanted.mean(0)

    def mapped(images: np.ndarray) -> np.ndarray:
        moved = (images.reshape(len(images), -1) - means[0]) @ matrix.T + means[1]
        return moved.reshape(images.shape)

    return mapped


def _roots(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Square root of a symmetric matrix and its inverse; directions without spread get none."""
    values, vectors = np.linalg.eigh(matrix)
    kept = values > 1e-12 * values.max()
    root = np.sqrt(np.where(kept, values, 0.0))
    inverse = np.divide(1.0, root, out=np.zeros_like(root), where=kept)
    return (vectors * root) @ vectors.T, (vectors * inverse) @ vectors.T
