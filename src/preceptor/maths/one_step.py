"""Logistic recalibration of very many resamples: one Newton step each, from the solution on the cases as they are."""

from __future__ import annotations

import numpy as np

from .calibration import logit, recalibration_line
from .intervals import Resamples, Statistic

#: From so many clusters on a step is as good as the whole way: what is left out is of the order of one over their number.
MANY_CLUSTERS = 2000


def recalibration_one_step(truth: np.ndarray, probability: np.ndarray, resamples: Resamples, part: str) -> Statistic:
    """Slope or intercept of `calibration.recalibration_line` for resampled clusters, to first order.

    Gradient and curvature at the solution are sums over cases, so that all resamples are one product of matrices.

    Args:
        truth: ``(case,)`` 0 or 1; NaN where unlabelled (such a case enters nothing).
        probability: ``(case,)``.
        resamples: Of the same cases.
        part: "intercept" or "slope".

    Source: Efron & Tibshirani 1993, section 22; one-step estimators: Le Cam 1956.
    """
    known = ~np.isnan(np.asarray(truth, dtype=np.float64))
    odds, y = np.where(known, logit(np.where(known, probability, 0.5)), 0.0), np.where(known, truth, 0.0)
    line = recalibration_line(y[known], np.asarray(probability)[known])
    fitted = 1 / (1 + np.exp(-np.clip(line.intercept + line.slope * odds, -500, 500)))
    rest, spread = known * (y - fitted), known * fitted * (1 - fitted)
    columns = np.stack([rest, rest * odds, spread, spread * odds, spread * odds**2], axis=1)
    sums = resamples.sum_by_cluster(columns).T

    def statistic(counts: np.ndarray) -> np.ndarray:
        first, second, a, b, c = sums @ counts
        determinant = a * c - b * b
        with np.errstate(divide="ignore", invalid="ignore"):
            intercept = line.intercept + (c * first - b * second) / determinant
            slope = line.slope + (a * second - b * first) / determinant
        solvable = determinant > 1e-12 * np.maximum(a * c, 1e-300)
        return np.where(solvable, slope if part == "slope" else intercept, np.nan)

    return statistic
