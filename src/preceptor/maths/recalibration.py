"""Recalibration: from log-odds, or probabilities, and truths to the map that makes probabilities come true.

Every map is fitted on cases that neither training nor testing saw. One that never falls leaves every ranking, and so
the AUROC, as it was: what a poor picture cost is not given back by recalibrating it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .calibration import FLOOR
from .logistic import logistic_regression


class Line(NamedTuple):
    """Log-odds ``slope * z + intercept``."""

    slope: float
    intercept: float


class Affine(NamedTuple):
    """Scores ``scale * log p + offset`` of each class, for a softmax.

    Args:
        scale: Shared by all classes; below 1 softens.
        offset: ``(class,)``; the first is 0.
    """

    scale: float
    offset: np.ndarray


class Beta(NamedTuple):
    """Log-odds ``a log p - b log(1 - p) + c``: (1, 1, 0) changes nothing."""

    a: float
    b: float
    c: float


class Steps(NamedTuple):
    """A curve through points, straight between them.

    Args:
        at: ``(point,)`` ascending probabilities as they were said.
        value: ``(point,)`` what they become, never falling.
    """

    at: np.ndarray
    value: np.ndarray


def log_odds(yes: np.ndarray, no: np.ndarray | None = None) -> np.ndarray:
    """Log-odds of probabilities, finite for 0 and 1.

    Args:
        yes: Probabilities of yes.
        no: Of no, where they are stored too: ``1 - yes`` of a yes near 1 has lost its digits.
    """
    yes = np.asarray(yes, dtype=np.float64)
    return np.log(np.maximum(yes, FLOOR)) - np.log(np.maximum(1 - yes if no is None else no, FLOOR))


def softened(truth: np.ndarray, classes: int = 2) -> np.ndarray:
    """``(case, class)`` targets a little short of 0 and 1, by as much as so few cases of a class leave open.

    Args:
        truth: ``(case,)`` class index.
        classes: How many there are.

    Source: Platt 1999, section 2.2: ``(N + 1) / (N + 2)`` and ``1 / (N + 2)``; here with the number of classes for 2.
    """
    index = np.asarray(truth, dtype=np.int64)
    number = np.bincount(index, minlength=classes)[index, None]
    return (number * np.eye(classes)[index] + 1) / (number + classes)


def fit_line(odds: np.ndarray, truth: np.ndarray) -> Line | None:
    """The line of the highest likelihood: the logistic regression of the truth on the log-odds.

    Args:
        odds: ``(case,)`` log-odds.
        truth: ``(case,)`` 0 or 1, of any type.

    Returns:
        As `fit_platt` where a threshold separates the classes; None with one class or one value.

    Source: Cox 1958 (Two further applications of a model for binary regression).
    """
    return _line(odds, np.asarray(truth, dtype=np.float64)) or fit_platt(odds, truth)


def fit_platt(odds: np.ndarray, truth: np.ndarray) -> Line | None:
    """As `fit_line`, to `softened` targets, so that separated classes have a line too.

    Args:
        odds: ``(case,)`` log-odds.
        truth: ``(case,)`` 0 or 1, of any type.

    Returns:
        None with one class or one value.

    Source: Platt 1999; Lin 2007.
    """
    if len(np.unique(truth)) < 2:
        return None
    return _line(odds, softened(truth)[:, 1])


def _line(odds: np.ndarray, target: np.ndarray) -> Line | None:
    odds = np.asarray(odds, dtype=np.float64)
    fitted = logistic_regression(np.stack([odds, np.ones(len(odds))], 1), target, np.zeros(len(odds)))
    return None if fitted is None else Line(*map(float, fitted))


def fit_affine(probability: np.ndarray, truth: np.ndarray) -> Affine | None:
    """One scale and an offset for every class, by maximum likelihood.

    Args:
        probability: ``(case, class)`` of classes that exclude each other.
        truth: ``(case,)`` class index.

    Returns:
        Fitted to `softened` targets where the likelihood has no maximum; None where a class never occurs.

    Source: Alexandari 2020 (arXiv:1901.06852), bias-corrected temperature scaling; with two classes it is the affine
        recalibration of the logit of Kuo 2021 (npj Digital Medicine 4:25).
    """
    scores = np.log(np.maximum(np.asarray(probability, dtype=np.float64), FLOOR))
    index, classes = np.asarray(truth, dtype=np.int64), scores.shape[1]
    if (np.bincount(index, minlength=classes) == 0).any():
        return None
    if classes == 2:
        line = fit_line(scores[:, 1] - scores[:, 0], index)
        return None if line is None else Affine(line.slope, np.array([0.0, line.intercept]))
    return _affine(scores, np.eye(classes)[index]) or _affine(scores, softened(index, classes))


def _affine(scores: np.ndarray, target: np.ndarray) -> Affine | None:
    from scipy.optimize import minimize

    def misfit(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        moved = parameters[0] * scores + np.append(0.0, parameters[1:])
        moved -= moved.max(1, keepdims=True)
        total = np.log(np.exp(moved).sum(1))
        rest = np.exp(moved - total[:, None]) - target
        gradient = np.append((rest * scores).sum(), rest[:, 1:].sum(0)) / len(scores)
        return float(np.mean(total - (moved * target).sum(1))), gradient

    began = np.append(1.0, np.zeros(scores.shape[1] - 1))
    found = minimize(misfit, began, jac=True, method="BFGS", options={"gtol": 1e-9})
    # Separated classes let the scale run away: the likelihood then creeps to 1 and has no maximum.
    if not np.isfinite(found.x).all() or np.exp(-found.fun) > 1 - 1e-6 or np.abs(misfit(found.x)[1]).max() > 1e-6:
        return None
    return Affine(float(found.x[0]), np.append(0.0, found.x[1:]))


def fit_beta(probability: np.ndarray, truth: np.ndarray, no: np.ndarray | None = None) -> Beta | None:
    """The beta map of the highest likelihood, ``a`` and ``b`` held at 0 or above so that it never falls.

    Args:
        probability: ``(case,)`` of yes.
        truth: ``(case,)`` 0 or 1, of any type.
        no: ``(case,)`` of no, where it is stored too.

    Returns:
        Fitted to `softened` targets where the likelihood has no maximum; None with one class, or where the fit leaves
        neither slope.

    Source: Kull 2017 (AISTATS, PMLR 54:623), eq. 3 and section 4: a slope below 0 is set to 0 and the rest fitted anew.
    """
    given = np.asarray(probability, dtype=np.float64)
    other = 1 - given if no is None else np.asarray(no, dtype=np.float64)
    columns = [np.log(np.maximum(given, FLOOR)), -np.log(np.maximum(other, FLOOR)), np.ones(len(given))]
    if len(np.unique(truth)) < 2:
        return None
    return _beta(columns, np.asarray(truth, dtype=np.float64)) or _beta(columns, softened(truth)[:, 1])


def _beta(columns: list[np.ndarray], target: np.ndarray) -> Beta | None:
    kept = [0, 1, 2]
    while len(kept) > 1:
        fitted = logistic_regression(np.stack([columns[at] for at in kept], 1), target, np.zeros(len(target)))
        if fitted is None:
            return None
        slopes = dict(zip(kept[:-1], fitted, strict=False))
        if min(slopes.values()) >= 0:
            whole = np.zeros(3)
            whole[kept] = fitted
            return Beta(*map(float, whole))
        kept.remove(min(slopes, key=lambda at: slopes[at]))
    return None


def fit_isotonic(probability: np.ndarray, truth: np.ndarray) -> Steps | None:
    """The curve that never falls and lies nearest to the truths, straight between its steps.

    Its ends are kept off 0 and 1 by as much as so few cases tell: a certainty learnt from n cases is none.

    Args:
        probability: ``(case,)`` of yes.
        truth: ``(case,)`` 0 or 1, of any type.

    Returns:
        None with one class.

    Source: Zadrozny & Elkan 2002; ends: the rule of succession, ``1 / (n + 2)``.
    """
    from scipy.optimize import isotonic_regression

    target = np.asarray(truth, dtype=np.float64)
    if len(np.unique(target)) < 2:
        return None
    # Cases with the same probability are one point: whatever is done to one is done to all.
    at, place, count = np.unique(np.asarray(probability, dtype=np.float64), return_inverse=True, return_counts=True)
    value = isotonic_regression(np.bincount(place, target) / count, weights=count).x
    last = 1 / (len(target) + 2)
    value = np.clip(value, last, 1 - last)
    # Of a level stretch its two ends draw the curve.
    flat = np.r_[False, (value[1:-1] == value[:-2]) & (value[1:-1] == value[2:]), False] if len(at) > 2 else None
    keep = np.ones(len(at), bool) if flat is None else ~flat
    return Steps(at[keep], value[keep])
