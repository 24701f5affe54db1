"""Do probabilities mean what they say?  Measures, reliability bins, temperature and logistic recalibration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .intervals import Statistic
from .logistic import logistic_regression

#: Temperatures are sought between these: a separable calibration set would drive them to 0.
TEMPERATURES = (0.05, 20.0)

#: A probability of exactly 0 has no logarithm; a float32 softmax rounds to 0 not far below this.
FLOOR = 1e-12


@dataclass(frozen=True)
class Reliability:
    """Bins of equal width.

    Args:
        count: ``(bin,)`` cases.
        predicted: ``(bin,)`` mean probability; NaN in an empty bin.
        observed: ``(bin,)`` share that is true; NaN in an empty bin.
    """

    count: np.ndarray
    predicted: np.ndarray
    observed: np.ndarray


class Recalibration(NamedTuple):
    """The line ``intercept + slope * logit(p)``: (0, 1) needs no recalibration, a slope below 1 is overconfident."""

    intercept: float
    slope: float


def bin_of(probability: np.ndarray, bins: int) -> np.ndarray:
    """The bin ``[k / bins, (k + 1) / bins)`` of each probability; 1 falls in the last.

    Edges and probabilities are compared in float32, so that 0.7 lies in the same bin whether it was stored in 32 or
    in 64 bits, and an edge belongs to the bin it opens; the price is 6e-8 around each edge.
    """
    edges = (np.arange(bins + 1) / bins).astype(np.float32)
    found = np.searchsorted(edges, np.asarray(probability).astype(np.float32), side="right") - 1
    return np.clip(found, 0, bins - 1)


def reliability(truth: np.ndarray, probability: np.ndarray, bins: int) -> Reliability:
    """Predicted against observed in bins of equal width.

    Args:
        truth: ``(case,)`` 0 or 1.
        probability: ``(case,)`` of 1.
        bins: How many.
    """
    where = bin_of(probability, bins)
    count = np.bincount(where, minlength=bins)
    with np.errstate(invalid="ignore"):
        predicted = np.bincount(where, probability, bins) / count
        observed = np.bincount(where, truth, bins) / count
    return Reliability(count, predicted, observed)


def expected_calibration_error(points: Reliability) -> float:
    """Mean gap between predicted and observed, bins weighted by their cases.

    Source: Naeini 2015; Guo 2017 (arXiv:1706.04599), eq. 3. It depends on the bins: say their number.
    """
    filled = points.count > 0
    gap = np.abs(points.predicted - points.observed)[filled]
    return float(np.average(gap, weights=points.count[filled])) if filled.any() else float("nan")


def maximum_calibration_error(points: Reliability) -> float:
    """The largest gap of any filled bin."""
    gap = np.abs(points.predicted - points.observed)[points.count > 0]
    return float(gap.max()) if len(gap) else float("nan")


def brier(truth: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """``(case,)`` squared error; of ``(case, class)``, summed over the classes (Brier's own, 0 to 2).

    Source: Brier 1950.
    """
    error = (np.asarray(probability, dtype=np.float64) - truth) ** 2
    return error if error.ndim == 1 else error.sum(1)


class Murphy(NamedTuple):
    """Parts of the Brier score: ``reliability - resolution + uncertainty``."""

    reliability: float
    resolution: float
    uncertainty: float


def murphy(truth: np.ndarray, probability: np.ndarray) -> Murphy:
    """The Brier score taken apart over the distinct probabilities.

    Source: Murphy 1973.
    """
    values, where, count = np.unique(probability, return_inverse=True, return_counts=True)
    observed = np.bincount(where, truth) / count
    prevalence = float(np.mean(truth))
    share = count / count.sum()
    return Murphy(
        float(share @ (values - observed) ** 2),
        float(share @ (observed - prevalence) ** 2),
        prevalence * (1 - prevalence),
    )


def log_loss(truth: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """``(case,)`` negative log-likelihood.

    Args:
        truth: ``(case,)`` 0 or 1 with ``(case,)`` probabilities, or class indices with ``(case, class)`` ones.
        probability: Floored at `FLOOR`, so that one certain error is counted dearly and not as infinity.
    """
    probability = np.asarray(probability, dtype=np.float64)
    if probability.ndim == 2:
        said = np.take_along_axis(probability, np.asarray(truth, dtype=np.int64)[:, None], 1)[:, 0]
    else:
        said = np.where(np.asarray(truth) == 1, probability, 1 - probability)
    return -np.log(np.maximum(said, FLOOR))


def logit(probability: np.ndarray) -> np.ndarray:
    """Log-odds, finite for 0 and 1 by `FLOOR`."""
    kept = np.clip(np.asarray(probability, dtype=np.float64), FLOOR, 1 - FLOOR)
    return np.log(kept) - np.log1p(-kept)


def recalibration_line(truth: np.ndarray, probability: np.ndarray) -> Recalibration:
    """Intercept and slope of a logistic regression of the truth on the log-odds, by maximum likelihood.

    Args:
        truth: ``(case,)`` 0 or 1.
        probability: ``(case,)``.

    Returns:
        NaN where the likelihood has no maximum (one class, one probability, or classes that a threshold separates).

    Source: Cox 1958 (Two further applications); Van Calster 2019.
    """
    design = np.stack([np.ones(len(truth)), logit(probability)], 1)
    fitted = logistic_regression(design, np.asarray(truth, dtype=np.float64), np.zeros(len(truth)))
    return Recalibration(float("nan"), float("nan")) if fitted is None else Recalibration(*map(float, fitted))


def calibration_in_the_large(truth: np.ndarray, probability: np.ndarray) -> float:
    """The intercept with the slope held at 1: below 0, risks are overestimated on average; NaN with one class."""
    fitted = logistic_regression(np.ones((len(truth), 1)), np.asarray(truth, dtype=np.float64), logit(probability))
    return float("nan") if fitted is None else float(fitted[0])


def observed_to_expected(truth: np.ndarray, probability: np.ndarray) -> float:
    """Events that happened over events foretold."""
    return float(np.sum(truth) / np.sum(probability))


class HosmerLemeshow(NamedTuple):
    """Statistic, its degrees of freedom and the chance of a larger one under perfect calibration."""

    statistic: float
    freedom: int
    p: float


def hosmer_lemeshow(truth: np.ndarray, probability: np.ndarray, groups: int = 10) -> HosmerLemeshow:
    """Observed against expected in groups of equal size, in order of risk.

    Raises:
        ValueError: Fewer than three groups.

    Source: Hosmer & Lemeshow 1980. It depends on the groups and says little in small samples: report curves first.
    """
    from scipy.special import gammaincc

    if groups < 3:
        raise ValueError("the test needs three groups or more: its degrees of freedom are two fewer")
    order = np.argsort(probability, kind="stable")
    statistic = 0.0
    for part in np.array_split(order, groups):
        expected = float(np.sum(probability[part]))
        share = expected / len(part)
        statistic += (float(np.sum(truth[part])) - expected) ** 2 / (len(part) * share * (1 - share))
    return HosmerLemeshow(statistic, groups - 2, float(gammaincc((groups - 2) / 2, statistic / 2)))


# ---------------------------------------------------------------- of resampled clusters


@dataclass(frozen=True)
class BinnedSums:
    """Sums per cluster and bin: all that reliability and calibration error need of a resample.

    Args:
        count, predicted, observed: ``(cluster, bin)``.
    """

    count: np.ndarray
    predicted: np.ndarray
    observed: np.ndarray


def binned_sums(
    cluster: np.ndarray, clusters: int, truth: np.ndarray, probability: np.ndarray, bins: int
) -> BinnedSums:
    """Sum cases, or voxels, by cluster and bin.

    Args:
        cluster: ``(item,)`` position of each item's cluster.
        clusters: How many there are.
        truth: ``(item,)`` 0 or 1.
        probability: ``(item,)`` of 1.
        bins: How many, of equal width.
    """
    cell = np.asarray(cluster) * bins + bin_of(probability, bins)
    sums = [np.bincount(cell, weights, clusters * bins) for weights in (None, probability, truth)]
    return BinnedSums(*(np.asarray(each, dtype=np.float64).reshape(clusters, bins) for each in sums))


def calibration_error_statistic(sums: BinnedSums) -> Statistic:
    """`expected_calibration_error` of resampled clusters."""

    def statistic(counts: np.ndarray) -> np.ndarray:
        gap = np.abs(sums.predicted.T @ counts - sums.observed.T @ counts).sum(0)
        cases = sums.count.sum(1) @ counts
        return np.divide(gap, cases, out=np.full(len(gap), np.nan), where=cases > 0)

    return statistic


def observed_band(sums: BinnedSums, counts: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """The pointwise bootstrap band of a reliability diagram: lower and upper observed share of each bin.

    Args:
        sums: Per cluster and bin.
        counts: ``(cluster, resample)``.
        level: Of the band.
    """
    hits, cases = sums.observed.T @ counts, sums.count.T @ counts
    share = np.divide(hits, cases, out=np.full(hits.shape, np.nan), where=cases > 0)
    lower, upper = np.full((2, len(share)), np.nan)
    for at in np.flatnonzero(np.isfinite(share).any(1)):
        lower[at], upper[at] = np.nanquantile(share[at], [(1 - level) / 2, (1 + level) / 2])
    return lower, upper


def recalibration_statistic(
    cluster: np.ndarray, truth: np.ndarray, probability: np.ndarray, part: str, tolerance: float = 1e-8
) -> Statistic:
    """Slope or intercept of `recalibration_line` for resampled clusters, all resamples by one Newton iteration.

    Args:
        cluster: ``(case,)`` position of each case's cluster.
        truth: ``(case,)`` 0 or 1.
        probability: ``(case,)``.
        part: "intercept" or "slope".
        tolerance: Largest last step of a resample that counts as settled; NaN otherwise.
    """
    odds, truth = logit(probability)[:, None], np.asarray(truth, dtype=np.float64)[:, None]

    def statistic(counts: np.ndarray) -> np.ndarray:
        weight = counts[cluster]
        intercept, slope = np.zeros((2, counts.shape[1]))
        last = np.full(counts.shape[1], np.inf)
        for _ in range(30):
            fitted = 1 / (1 + np.exp(-np.clip(intercept + slope * odds, -500, 500)))
            rest, spread = weight * (truth - fitted), weight * fitted * (1 - fitted)
            first, second = rest.sum(0), (rest * odds).sum(0)
            a, b, c = spread.sum(0), (spread * odds).sum(0), (spread * odds**2).sum(0)
            determinant = a * c - b * b
            solvable = determinant > 1e-12 * np.maximum(a * c, 1e-300)
            with np.errstate(divide="ignore", invalid="ignore"):
                steps = np.stack([c * first - b * second, a * second - b * first]) / determinant
            steps = np.where(solvable, steps, np.nan)
            steps *= np.minimum(1.0, 5.0 / np.maximum(np.abs(steps).max(0), 1e-300))
            intercept, slope, last = intercept + steps[0], slope + steps[1], np.abs(steps).max(0)
            if not (last > tolerance).any():
                break
        return np.where(last <= tolerance, slope if part == "slope" else intercept, np.nan)

    return statistic


# ---------------------------------------------------------------- temperature


def soften(probability: np.ndarray, temperature: float, exclusive: bool = True) -> np.ndarray:
    """Probabilities as if the logits had been divided by a temperature.

    A softmax keeps logits up to a constant as log-probabilities, so ``p^(1/T)``, normalised, is exact. The order of
    the classes never changes.

    Args:
        probability: ``(case, class)``.
        temperature: Above 1 softens, below 1 sharpens.
        exclusive: Whether the classes exclude each other; otherwise each is its own yes or no.
    """
    if not exclusive:
        return 1 / (1 + np.exp(-logit(probability) / temperature))
    scaled = np.log(np.maximum(np.asarray(probability, dtype=np.float64), FLOOR)) / temperature
    scaled = np.exp(scaled - scaled.max(1, keepdims=True))
    return scaled / scaled.sum(1, keepdims=True)


def fit_temperature(probability: np.ndarray, truth: np.ndarray, exclusive: bool = True) -> float:
    """The temperature of the highest likelihood, within `TEMPERATURES`.

    Args:
        probability: ``(case, class)``.
        truth: ``(case,)`` class index, -1 where unlabelled; or ``(case, class)`` 0, 1 and NaN where not `exclusive`.
        exclusive: Whether the classes exclude each other.

    Raises:
        ValueError: Nothing is labelled.

    Source: Guo 2017 (arXiv:1706.04599), section 4.2.
    """
    from scipy.optimize import minimize_scalar

    probability, truth = np.asarray(probability, dtype=np.float64), np.asarray(truth)
    if exclusive:
        known = truth >= 0
        logits = np.log(np.maximum(probability[known], FLOOR))
        index = truth[known].astype(np.int64)[:, None]
    else:
        known = ~np.isnan(truth)
        logits, sign = logit(probability[known]), 2 * truth[known] - 1
    if not len(logits):
        raise ValueError("nothing is labelled: there is no temperature to fit")

    def misfit(log_temperature: float) -> float:
        scaled = logits * np.exp(-log_temperature)
        if not exclusive:
            return float(np.mean(np.logaddexp(0, -sign * scaled)))
        highest = scaled.max(1)
        total = highest + np.log(np.exp(scaled - highest[:, None]).sum(1))
        return float(np.mean(total - np.take_along_axis(scaled, index, 1)[:, 0]))

    found = minimize_scalar(misfit, bounds=np.log(TEMPERATURES), method="bounded", options={"xatol": 1e-10})
    return float(np.exp(found.x))
