"""Logistic regression of a few coefficients, by Newton's method."""

from __future__ import annotations

import numpy as np


def logistic_regression(design: np.ndarray, truth: np.ndarray, offset: np.ndarray) -> np.ndarray | None:
    """The coefficients of the highest likelihood.

    Args:
        design: ``(case, coefficient)``.
        truth: ``(case,)`` 0 or 1, or targets in between.
        offset: ``(case,)`` log-odds that are given.

    Returns:
        ``(coefficient,)``; None where the likelihood has no maximum (one class, columns that repeat one another,
        classes that a threshold separates).

    Source: McCullagh & Nelder 1989 (Generalized linear models), section 4.4.
    """
    coefficients = np.zeros(design.shape[1])
    for _ in range(100):
        fitted = 1 / (1 + np.exp(-np.clip(design @ coefficients + offset, -500, 500)))
        information = design.T @ (design * (fitted * (1 - fitted))[:, None])
        gradient = design.T @ (truth - fitted)
        if not np.isfinite(information).all() or np.linalg.cond(information) > 1e14:
            return None
        step = np.linalg.solve(information, gradient)
        step *= min(1.0, 5.0 / max(np.abs(step).max(), 1e-300))  # a first step too long may never come back
        coefficients += step
        if np.abs(step).max() < 1e-11:
            return coefficients
    return None
