"""Where uncertainty comes from: what members share, and where they differ."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Uncertainty(NamedTuple):
    """Entropies in nats.

    Args:
        total: Of the mean of the members.
        aleatoric: Mean of the members' own: what more members would not take away.
        epistemic: The rest, the mutual information between answer and member: how far members disagree.
    """

    total: np.ndarray
    aleatoric: np.ndarray
    epistemic: np.ndarray


def entropy(probability: np.ndarray, axis: int = -1) -> np.ndarray:
    """Entropy in nats; a probability of 0 adds nothing."""
    probability = np.asarray(probability, dtype=np.float64)
    return -np.sum(probability * np.log(np.where(probability > 0, probability, 1.0)), axis=axis)


def decompose(members: np.ndarray, exclusive: bool = True) -> Uncertainty:
    """Take the entropy of an averaged answer apart.

    Args:
        members: ``(member, ..., class)`` probabilities.
        exclusive: Whether the classes exclude each other; otherwise each is a yes or no of its own, and the mean over
            the classes is taken.

    Source: Depeweg 2018 (arXiv:1710.07283), eq. 9; Smith & Gal 2018 (arXiv:1803.08533), eq. 4.
    """
    members = np.asarray(members, dtype=np.float64)
    if not exclusive:
        members = np.stack([1 - members, members], -1)
    total = entropy(members.mean(0))
    aleatoric = entropy(members).mean(0)
    if not exclusive:
        total, aleatoric = total.mean(-1), aleatoric.mean(-1)
    return Uncertainty(total, aleatoric, total - aleatoric)
