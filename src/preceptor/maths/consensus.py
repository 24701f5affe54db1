"""What several readers say together: a majority with its ties named, and STAPLE with each reader's own quality."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

Tie = Literal["background", "foreground", "refuse"]


class Consensus(NamedTuple):
    """What STAPLE found.

    Args:
        probability: Of each voxel to be foreground, in the shape of a reader's mask.
        sensitivity, specificity: ``(reader,)``; NaN where nothing was, or everything was, foreground.
        prior: The share of foreground that was assumed. It depends on the field of view: crop alike before comparing.
        iterations: Until nothing changed by more than the tolerance.
        converged: Whether that happened.
    """

    probability: np.ndarray
    sensitivity: np.ndarray
    specificity: np.ndarray
    prior: float
    iterations: int
    converged: bool


def majority(decisions: np.ndarray, tie: Tie = "refuse") -> np.ndarray:
    """What more than half of the readers marked.

    Args:
        decisions: ``(reader, *space)``; what is not 0 is marked.
        tie: What becomes of a voxel that exactly half of them marked.

    Returns:
        ``(*space,)`` bool.

    Raises:
        ValueError: There are ties, and they are to be refused.
    """
    marked = np.asarray(decisions) != 0
    twice = 2 * marked.sum(axis=0, dtype=np.int64)
    tied = twice == len(marked)
    if tie == "refuse" and tied.any():
        raise ValueError(f"{int(tied.sum())} voxels are marked by exactly half of {len(marked)} readers")
    found: np.ndarray = (twice > len(marked)) | (tied & (tie == "foreground"))
    return found


def most_voted(labels: np.ndarray, tie: int) -> np.ndarray:
    """The label that most readers gave each voxel.

    Args:
        labels: ``(reader, *space)`` integers.
        tie: What is written where two labels have as many votes. It is no default, for every choice of it is an invention:
            take a value that the task reads as unlabelled.

    Returns:
        ``(*space,)`` of the labels' type.
    """
    labels = np.asarray(labels)
    values = np.unique(labels)
    votes = np.stack([(labels == value).sum(axis=0) for value in values])
    most = votes.max(axis=0)
    return np.where((votes == most).sum(axis=0) > 1, tie, values[votes.argmax(axis=0)]).astype(labels.dtype)


def staple(
    decisions: np.ndarray,
    prior: float | None = None,
    start: float = 0.99999,
    tolerance: float = 1e-9,
    most_iterations: int = 1000,
) -> Consensus:
    """Estimate the hidden truth and every reader's sensitivity and specificity together, by expectation maximisation.

    Readers are taken as independent given the truth: what all of them miss is missed here too.

    Args:
        decisions: ``(reader, *space)``; what is not 0 is marked. Three readers or more: with two, their errors can't be told
            from one another.
        prior: Share of foreground; None for the mean of all decisions.
        start: Sensitivity and specificity that every reader begins with.
        tolerance: Largest change of a reader's sensitivity or specificity at which it ends.
        most_iterations: After which it ends anyway, and says so.

    Raises:
        ValueError: There are fewer than three readers.

    Source: Warfield, Zou & Wells 2004 (IEEE TMI 23), eq. 14, 18 and 19.
    """
    marked = np.asarray(decisions) != 0
    if len(marked) < 3:
        raise ValueError("STAPLE needs three readers or more: of two, nobody can tell whose errors are whose")
    shape = marked.shape[1:]
    # Voxels that the readers voted on alike have one probability: the patterns are few, whatever the image's size.
    patterns, place, counts = np.unique(
        marked.reshape(len(marked), -1).T, axis=0, return_inverse=True, return_counts=True
    )
    share = float(marked.mean()) if prior is None else prior
    sensitivity = specificity = np.full(len(marked), start)
    weight = np.zeros(len(patterns))
    iterations, converged = 0, False
    while iterations < most_iterations and not converged:
        weight = _expected(patterns, share, sensitivity, specificity)
        foreground, background = weight * counts, (1 - weight) * counts
        with np.errstate(invalid="ignore"):
            better = (patterns * foreground[:, None]).sum(0) / foreground.sum()
            surer = (~patterns * background[:, None]).sum(0) / background.sum()
        moved = np.abs(np.concatenate([better - sensitivity, surer - specificity]))
        iterations, converged = iterations + 1, bool(np.nanmax(moved, initial=0) <= tolerance)
        sensitivity, specificity = better, surer
    probability = weight[place.ravel()].reshape(shape)
    return Consensus(probability, sensitivity, specificity, share, iterations, converged)


def _expected(patterns: np.ndarray, prior: float, sensitivity: np.ndarray, specificity: np.ndarray) -> np.ndarray:
    """Probability of foreground for every pattern of votes; in logarithms, for products of many readers vanish."""
    if prior in (0.0, 1.0):
        return np.full(len(patterns), prior)
    with np.errstate(divide="ignore"):
        if_true = np.log(prior) + np.where(patterns, np.log(sensitivity), np.log(1 - sensitivity)).sum(1)
        if_false = np.log(1 - prior) + np.where(patterns, np.log(1 - specificity), np.log(specificity)).sum(1)
    highest = np.maximum(if_true, if_false)
    true, false = np.exp(if_true - highest), np.exp(if_false - highest)
    return true / (true + false)
