"""Whether a score still tells the truth once a confounder is known: logistic regression with and without it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Adjusted(NamedTuple):
    """Log-odds of the truth per standard deviation of the score.

    Args:
        alone: With the score alone.
        adjusted: With the groups of the confounder beside it.
    """

    alone: float
    adjusted: float


def log_odds(truth: np.ndarray, score: np.ndarray, group: np.ndarray, penalty: float = 1.0) -> Adjusted:
    """Fit both regressions by Newton's method.

    Args:
        truth: ``(case,)`` 0 or 1.
        score: ``(case,)``, standardised here.
        group: ``(case,)`` integer.
        penalty: On all coefficients but the intercept: groups with one class alone would have none otherwise.

    Returns:
        NaN where the truth or the score never varies.
    """
    truth, score = np.asarray(truth, dtype=np.float64), np.asarray(score, dtype=np.float64)
    if len(np.unique(truth)) < 2 or score.std() == 0:
        return Adjusted(float("nan"), float("nan"))
    standard = ((score - score.mean()) / score.std())[:, None]
    dummies = (group[:, None] == np.unique(group)[None, 1:]).astype(np.float64)
    return Adjusted(_slope(truth, standard, penalty), _slope(truth, np.hstack([standard, dummies]), penalty))


def _slope(truth: np.ndarray, columns: np.ndarray, penalty: float) -> float:
    design = np.hstack([np.ones((len(truth), 1)), columns])
    ridge = penalty * np.eye(design.shape[1])
    ridge[0, 0] = 0.0
    coefficients = np.zeros(design.shape[1])
    for _ in range(100):
        fitted = 1 / (1 + np.exp(-np.clip(design @ coefficients, -500, 500)))
        information = design.T @ (design * (fitted * (1 - fitted))[:, None]) + ridge + 1e-10 * np.eye(len(ridge))
        step = np.linalg.solve(information, design.T @ (truth - fitted) - ridge @ coefficients)
        coefficients += step * min(1.0, 5.0 / max(float(np.abs(step).max()), 1e-300))
        if np.abs(step).max() < 1e-10:
            break
    return float(coefficients[1])
