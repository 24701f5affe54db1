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


def lac_scores(probability: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """``(case,)`` one minus the probability of the true class.

    Args:
        probability: ``(case, class)``.
        truth: ``(case,)`` class index.

    Source: Sadinle 2019 (arXiv:1609.00451; least ambiguous set-valued classifiers).
    """
    return 1 - np.take_along_axis(np.asarray(probability), np.asarray(truth)[:, None], 1)[:, 0]


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


def aps_scores(probability: np.ndarray, truth: np.ndarray, uniform: np.ndarray | None = None) -> np.ndarray:
    """``(case,)`` the score of the true class; see `aps_all_scores`."""
    return np.take_along_axis(aps_all_scores(probability, uniform), np.asarray(truth)[:, None], 1)[:, 0]
