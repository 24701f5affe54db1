"""The Brier score taken apart over bins: how far off, how telling, how hard."""

from __future__ import annotations

from typing import Literal

import numpy as np

from .calibration import BinnedSums
from .intervals import Statistic

Part = Literal["reliability", "resolution", "uncertainty"]


def brier_part_statistic(sums: BinnedSums, part: Part) -> Statistic:
    """A part of the Brier score for resampled clusters: ``reliability - resolution + uncertainty``.

    Over distinct probabilities the three add up to the score (`calibration.murphy`); over bins the spread of the
    probabilities within a bin is left over. Continuous probabilities have no two cases alike and need the bins.

    Args:
        sums: Per cluster and bin.
        part: ``reliability`` (the gap of predicted and observed, squared; 0 is best), ``resolution`` (how far the bins
            lie from the prevalence; higher is better), ``uncertainty`` (of the outcome itself, whatever the model).

    Source: Murphy 1973; bins: Stephenson 2008 (Weather and Forecasting 23:752).
    """

    def statistic(counts: np.ndarray) -> np.ndarray:
        cases, predicted, observed = (each.T @ counts for each in (sums.count, sums.predicted, sums.observed))
        whole = cases.sum(0)
        with np.errstate(invalid="ignore", divide="ignore"):
            prevalence = observed.sum(0) / whole
            if part == "uncertainty":
                return prevalence * (1 - prevalence)
            share = observed / cases
            gap = share - (predicted / cases if part == "reliability" else prevalence)
            return np.where(cases > 0, cases * gap**2, 0.0).sum(0) / whole

    return statistic
