"""Split conformal prediction: sets, intervals and bounds that keep a promised coverage."""

from __future__ import annotations

import numpy as np


def conformal_quantile(scores: np.ndarray, coverage: float, clusters: np.ndarray | None = None) -> float:
    """The score that a new case stays below with a promised probability.

    Without clusters the k-th smallest score, ``k = ceil((n + 1) coverage)``; infinity where k exceeds n. With clusters
    (several images of a patient) each cluster weighs the same, and the promise is for a case of a new patient.

    Args:
        scores: ``(case,)`` of calibration cases, made exactly as those of new cases will be.
        coverage: Promised, such as 0.9.
        clusters: ``(case,)`` whom each case is of; None takes every case as one of its own.

    Raises:
        ValueError: There is no score.

    Source: Vovk 2005; Lei 2018 (arXiv:1604.04173); clusters: Lee, Barber & Willett 2023 (arXiv:2306.06342), eq. 5.
    """
    scores = np.asarray(scores, dtype=np.float64)
    if not len(scores):
        raise ValueError("a quantile needs calibration scores")
    _, member, size = np.unique(
        np.arange(len(scores)) if clusters is None else clusters, return_inverse=True, return_counts=True
    )
    order = np.argsort(scores, kind="stable")
    reached = np.cumsum(1 / size[member[order]])
    # Sums of 1/size are compared with a whole number of clusters: rounding must not cost a rank.
    enough = np.flatnonzero(reached >= (len(size) + 1) * coverage - 1e-9)
    return float(scores[order[enough[0]]]) if len(enough) else float("inf")


def lac_sets(probability: np.ndarray, quantile: float) -> np.ndarray:
    """``(case, class)`` which classes a new case's set holds: those of a score up to the quantile. May be none."""
    return 1 - np.asarray(probability) <= quantile


def aps_all_scores(probability: np.ndarray, uniform: np.ndarray | None = None) -> np.ndarray:
    """``(case, class)`` the mass of all classes at least as likely, this one included.

    Args:
        probability: ``(case, class)``.
        uniform: ``(case,)`` in 0..1: takes away that share of the class's own mass, which makes coverage exact. The
            same rule must hold for calibration and for new cases.

    Source: Romano 2020 (arXiv:2006.02544), eq. 7.
    """
    probability = np.asarray(probability, dtype=np.float64)
    order = np.argsort(-probability, axis=1, kind="stable")
    mass = np.cumsum(np.take_along_axis(probability, order, 1), axis=1)
    scores = np.empty_like(mass)
    np.put_along_axis(scores, order, mass, 1)
    return scores if uniform is None else scores - np.asarray(uniform)[:, None] * probability


def raps_all_scores(
    probability: np.ndarray, uniform: np.ndarray | None = None, penalty: float = 0.01, free: int = 2
) -> np.ndarray:
    """``(case, class)`` as `aps_all_scores`, and a penalty for every class that is less likely than the first few.

    Small penalties keep sets from dragging a tail of hardly likely classes along.

    Args:
        probability: ``(case, class)``.
        uniform: As for `aps_all_scores`.
        penalty: Of each rank beyond `free`.
        free: Classes without a penalty.

    Source: Angelopoulos 2021 (arXiv:2009.14193), eq. 3.
    """
    order = np.argsort(-np.asarray(probability), axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.broadcast_to(np.arange(1, order.shape[1] + 1), order.shape), 1)
    return aps_all_scores(probability, uniform) + penalty * np.maximum(rank - free, 0)


def grouped_quantiles(
    scores: np.ndarray, groups: np.ndarray, coverage: float, clusters: np.ndarray | None = None
) -> dict[str, float]:
    """`conformal_quantile` within every group: the promise then holds in each of them (Mondrian).

    Args:
        scores: ``(case,)``.
        groups: ``(case,)`` names.
        coverage: Promised.
        clusters: ``(case,)`` whom each case is of.

    Returns:
        Infinity for groups with too few cases.

    Source: Vovk 2005, section 4.5.
    """
    names, found = np.asarray(groups).astype(str), {}
    for name in np.unique(names):
        chosen = names == name
        found[str(name)] = conformal_quantile(scores[chosen], coverage, None if clusters is None else clusters[chosen])
    return found


def controlled_threshold(
    losses: np.ndarray, thresholds: np.ndarray, level: float, clusters: np.ndarray | None = None
) -> float | None:
    """The largest threshold at which the expected loss of a new case is at most a level.

    ``(n R(t) + 1) / (n + 1) <= level`` for the mean loss R of n clusters. No assumption but that cases are exchangeable.

    Args:
        losses: ``(case, threshold)`` in 0..1, none of them falling as the threshold grows.
        thresholds: ``(threshold,)`` ascending.
        level: Of the expected loss.
        clusters: ``(case,)`` whom each case is of: each weighs the same.

    Returns:
        None where no threshold keeps it.

    Raises:
        ValueError: There is no case, or a loss falls as the threshold grows.

    Source: Angelopoulos 2024 (arXiv:2208.02814; conformal risk control), eq. 4 with B = 1.
    """
    losses = np.asarray(losses, dtype=np.float64)
    if not len(losses):
        raise ValueError("a threshold needs calibration losses")
    if (np.diff(losses, axis=1) < -1e-9).any():
        raise ValueError("a loss falls as the threshold grows: there is no largest threshold to find")
    if clusters is not None:
        _, member, size = np.unique(clusters, return_inverse=True, return_counts=True)
        total = np.zeros((len(size), losses.shape[1]))
        np.add.at(total, member, losses)
        losses = total / size[:, None]
    number = len(losses)
    kept = np.flatnonzero((losses.sum(0) + 1) / (number + 1) <= level + 1e-12)
    return float(np.asarray(thresholds)[kept[-1]]) if len(kept) else None


def aps_scores(probability: np.ndarray, truth: np.ndarray, uniform: np.ndarray | None = None) -> np.ndarray:
    """``(case,)`` the score of the true class; see `aps_all_scores`."""
    return np.take_along_axis(aps_all_scores(probability, uniform), np.asarray(truth)[:, None], 1)[:, 0]
