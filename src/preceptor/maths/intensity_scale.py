"""The scale of grey values: a middle and a spread, or two ends, and how values are moved by them."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

#: ``mean``: mean and population standard deviation. ``iqr``: median and the distance between the quartiles.
#: ``mad``: median and 1.4826 times the median distance from it, which is the deviation where values are normal.
Spread = Literal["mean", "iqr", "mad"]

#: 1 / the normal distribution's upper quartile.
_MAD_TO_DEVIATION = 1.4826


def middle_and_spread(values: Tensor, by: Spread = "mean") -> tuple[float, float]:
    """Where values lie and how far they spread; 0 and 0 of nothing.

    Args:
        values: Of any shape.
        by: See `Spread`. Sums are in double precision. The deviation divides by the number of values, not by one less.
    """
    if not values.numel():
        return 0.0, 0.0
    if by == "mean":
        mean = float(values.sum(dtype=torch.float64)) / values.numel()
        variance = float((values - mean).square_().sum(dtype=torch.float64)) / values.numel()
        return mean, variance**0.5
    array = values.numpy()
    lower, median, upper = (float(each) for each in np.percentile(array, (25, 50, 75)))
    if by == "iqr":
        return median, upper - lower
    return median, _MAD_TO_DEVIATION * float(np.median(np.abs(array - median)))


def standardised(values: Tensor, middle: float, spread: float) -> Tensor:
    """``(values - middle) / spread``; 0 everywhere where the spread is no more than rounding."""
    out = values - middle
    # What differs only by rounding of its own values is the same everywhere.
    if spread > 1e-6 * max(abs(middle), 1e-30):
        return out.div_(spread)
    return out.zero_()


def between(values: Tensor, lowest: float, highest: float, *, clip: bool = False) -> Tensor:
    """Values as a share of the way from `lowest` to `highest`; 0 everywhere where the two are the same.

    Args:
        values: Of any shape.
        lowest, highest: What becomes 0 and 1.
        clip: Cut off below 0 and above 1.
    """
    if highest - lowest <= 1e-6 * max(abs(lowest), abs(highest), 1e-30):
        return torch.zeros_like(values)
    share = (values - lowest).div_(highest - lowest)
    return share.clamp_(0, 1) if clip else share


def percentiles(values: Tensor, at: tuple[float, ...]) -> np.ndarray:
    """``(percentile,)`` float64, linear between neighbouring values; NaN of nothing.

    Args:
        values: Of any shape. Integers count as what they are: nothing is rounded.
        at: 0..100.
    """
    array = values.numpy().ravel()
    return np.percentile(array.astype(np.float64), at) if array.size else np.full(len(at), np.nan)
