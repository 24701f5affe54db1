"""How far a case lies from those a network learnt on, in the space of its features, or by what it says of it.

No such distance tells all foreign images: what a network does not react to, its features do not hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

#: A deviation counts as at least this share of the median one: a feature that never stirred must not decide alone.
_FLOOR = 0.1

#: Distances worked out at a time: 64 MB.
_BLOCK = 2**23


def shrunk_covariance(rows: np.ndarray) -> tuple[np.ndarray, float]:
    """A covariance that can be inverted however few the rows: pulled towards a multiple of the identity.

    Args:
        rows: ``(row, feature)`` with mean zero.

    Returns:
        ``(feature, feature)``, and how far it was pulled: 0 not at all, 1 all the way.

    Raises:
        ValueError: There is no row.

    Source: Ledoit & Wolf 2004 (doi 10.1016/S0047-259X(03)00096-4), section 3.3.
    """
    rows = np.asarray(rows, dtype=np.float64)
    if not len(rows):
        raise ValueError("a covariance needs rows")
    number, width = rows.shape
    sample = rows.T @ rows / number
    target = np.trace(sample) / width
    apart = np.sum((sample - target * np.eye(width)) ** 2)
    # sum over rows of |x x' - S|^2 = sum |x|^4 - n |S|^2
    noise = (np.sum(np.sum(rows**2, axis=1) ** 2) / number - np.sum(sample**2)) / number
    shrinkage = float(np.clip(noise / apart, 0, 1)) if apart > 0 else 1.0
    return (1 - shrinkage) * sample + shrinkage * target * np.eye(width), shrinkage


def fit_gaussians(features: np.ndarray, classes: np.ndarray) -> dict[str, Any]:
    """A normal distribution for every class, with one covariance for all.

    Features are scaled to a deviation of one first, so that shrinkage treats them alike.

    Args:
        features: ``(case, feature)`` of cases the network learnt on.
        classes: ``(case,)`` integer; -1 does not enter.

    Returns:
        Arrays for `mahalanobis`: ``means`` ``(class, feature)`` of those classes that have a case, and ``whitening``
        ``(feature, feature)``.

    Raises:
        ValueError: No case has a class.
    """
    features, classes = np.asarray(features, dtype=np.float64), np.asarray(classes)
    features, classes = features[classes >= 0], classes[classes >= 0]
    if not len(features):
        raise ValueError("a distribution of features needs cases")
    _, member = np.unique(classes, return_inverse=True)
    means = np.stack([features[member == each].mean(0) for each in range(member.max() + 1)])
    within = features - means[member]
    deviation = within.std(0)
    deviation = np.maximum(deviation, _FLOOR * np.median(deviation))
    deviation = np.maximum(deviation, 1e-6 * max(float(np.abs(features).max()), 1e-6))
    covariance, _ = shrunk_covariance(within / deviation)
    spread, directions = np.linalg.eigh(covariance)
    spread = np.maximum(spread, 1e-9 * max(float(spread[-1]), 1e-9))
    return {"means": means, "whitening": directions / np.sqrt(spread) / deviation[:, None]}


def mahalanobis(fitted: Mapping[str, Any], features: np.ndarray) -> np.ndarray:
    """``(case,)`` distance to the nearest class, as a root mean square over features: about 1 for cases of the kind.

    Args:
        fitted: From `fit_gaussians`.
        features: ``(case, feature)``.

    Source: Lee 2018 (arXiv:1807.03888), eq. 2.
    """
    whitening = np.asarray(fitted["whitening"])
    known = np.asarray(fitted["means"]) @ whitening
    asked = np.asarray(features, dtype=np.float64) @ whitening
    squares = ((asked[:, None] - known[None]) ** 2).mean(-1)
    return np.sqrt(squares.min(1))


def normalised(features: np.ndarray) -> np.ndarray:
    """``(case, feature)`` of length one each; a case without any activation stays zero."""
    features = np.asarray(features, dtype=np.float64)
    length = np.linalg.norm(features, axis=-1, keepdims=True)
    return features / np.where(length > 0, length, 1.0)


def neighbour_distance(known: np.ndarray, features: np.ndarray, neighbours: int) -> np.ndarray:
    """``(case,)`` distance to the k-th nearest of the known cases, between features of length one: 0 to 2.

    Args:
        known: ``(known case, feature)``, `normalised`.
        features: ``(case, feature)``, as they are.
        neighbours: The k, at most as many as there are known cases.

    Raises:
        ValueError: There are not so many known cases.

    Source: Sun 2022 (arXiv:2204.06507), eq. 1.
    """
    known = np.asarray(known, dtype=np.float64)
    if not 1 <= neighbours <= len(known):
        raise ValueError(f"the {neighbours}. neighbour of {len(known)} cases")
    asked = normalised(features)
    lengths = (known**2).sum(1)
    found = []
    step = max(1, _BLOCK // len(known))
    for start in range(0, len(asked), step):
        block = asked[start : start + step]
        squares = (block**2).sum(1)[:, None] - 2 * block @ known.T + lengths
        found.append(np.partition(squares, neighbours - 1, axis=1)[:, neighbours - 1])
    return np.sqrt(np.maximum(np.concatenate(found), 0.0)) if found else np.empty(0)


def energy(outputs: np.ndarray, exclusive: bool = True, temperature: float = 1.0) -> np.ndarray:
    """``(...,)`` free energy of raw outputs: low where a network has much to say of an image.

    Args:
        outputs: ``(..., class)`` as the network gave them.
        exclusive: Whether the classes exclude each other; otherwise each is a yes or no of its own, and their energies
            are summed.
        temperature: Above 0.

    Source: Liu 2020 (arXiv:2010.03759), eq. 4; independent labels: Wang 2021 (arXiv:2109.14162), eq. 5.
    """
    from scipy.special import logsumexp

    scaled = np.asarray(outputs, dtype=np.float64) / temperature
    if exclusive:
        return -temperature * logsumexp(scaled, axis=-1)
    return -temperature * np.logaddexp(0.0, scaled).sum(-1)
