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


def decompose_dirichlet(probability: np.ndarray, vacuity: np.ndarray) -> Uncertainty:
    """Take the entropy of averaged evidential answers apart.

    A Dirichlet distribution is known from its mean and its vacuity: ``S = K / vacuity``, ``alpha = S mean``. Its
    expected entropy is what the data leave open; what the distribution itself leaves open, and by how much the members
    differ, is the model's.

    Args:
        probability: ``(member, ..., class)`` means.
        vacuity: ``(member, ...)`` above 0, 1 at most.

    Source: Malinin & Gales 2018 (arXiv:1802.10501), eq. 13 and 14; `decompose` for the members.
    """
    from scipy.special import digamma

    probability = np.asarray(probability, dtype=np.float64)
    total = (probability.shape[-1] / np.asarray(vacuity, dtype=np.float64))[..., None]
    expected = -np.sum(probability * (digamma(probability * total + 1) - digamma(total + 1)), axis=-1)
    entire = entropy(probability.mean(0))
    aleatoric = expected.mean(0)
    return Uncertainty(entire, aleatoric, entire - aleatoric)


def decompose_gaussian(mean: np.ndarray, variance: np.ndarray) -> Uncertainty:
    """Take the variance of a mixture of normal answers apart.

    Args:
        mean: ``(member, ...)``.
        variance: ``(member, ...)`` that each member foretells.

    Returns:
        Variances: ``total = mean(variance + mean^2) - mean(mean)^2``, of which the mean of the variances is the data's
        and the (population) variance of the means is the model's.

    Source: Lakshminarayanan 2017 (arXiv:1612.01474), section 2.4.
    """
    mean = np.asarray(mean, dtype=np.float64)
    aleatoric = np.asarray(variance, dtype=np.float64).mean(0)
    epistemic = mean.var(0)
    return Uncertainty(aleatoric + epistemic, aleatoric, epistemic)
