"""Ranking measures: area under the ROC curve, average precision and their curves, exact under ties and weights."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .intervals import Resamples, Statistic


class Curve(NamedTuple):
    """Counts at every distinct score, from the highest down, the first point being "nobody is positive".

    Args:
        threshold: A case is called positive from this score on; infinite at first.
        true_positive, false_positive: Cases at or above the threshold.
    """

    threshold: np.ndarray
    true_positive: np.ndarray
    false_positive: np.ndarray

    @property
    def sensitivity(self) -> np.ndarray:
        return self.true_positive / self.true_positive[-1]

    @property
    def false_positive_rate(self) -> np.ndarray:
        return self.false_positive / self.false_positive[-1]

    @property
    def precision(self) -> np.ndarray:
        """Where nobody is positive yet, the precision of the first who are."""
        called = self.true_positive + self.false_positive
        share = np.divide(self.true_positive, called, out=np.ones(len(called)), where=called > 0)
        share[0] = share[1] if len(share) > 1 else 1.0
        return share


def curve(truth: np.ndarray, score: np.ndarray) -> Curve:
    """All that can be reached by choosing a threshold.

    Args:
        truth: ``(case,)`` 1 for positive, 0 for negative.
        score: ``(case,)``, higher is more positive.
    """
    order = np.argsort(-score, kind="stable")
    truth, score = truth[order].astype(np.float64), score[order]
    last = np.flatnonzero(np.append(np.diff(score) != 0, True))
    hits, alarms = np.cumsum(truth)[last], np.cumsum(1 - truth)[last]
    return Curve(np.r_[np.inf, score[last]], np.r_[0.0, hits], np.r_[0.0, alarms])


def auroc(truth: np.ndarray, score: np.ndarray) -> float:
    """The chance that a positive case scores above a negative one, ties counting one half; NaN without both."""
    positive, negative = np.sort(score[truth == 1]), np.sort(score[truth == 0])
    if not len(positive) or not len(negative):
        return float("nan")
    below = np.searchsorted(negative, positive, "left") + np.searchsorted(negative, positive, "right")
    return float(below.sum() / (2 * len(positive) * len(negative)))


def average_precision(truth: np.ndarray, score: np.ndarray) -> float:
    """Precision at each distinct score, weighted by the step in sensitivity it brings; NaN without positives."""
    points = curve(truth, score)
    if not points.true_positive[-1]:
        return float("nan")
    return float(np.sum(np.diff(points.sensitivity) * points.precision[1:]))


def auroc_statistic(truth: np.ndarray, score: np.ndarray, resamples: Resamples) -> Statistic:
    """`auroc` of resampled clusters; NaN in a resample that drew no positive or no negative case.

    The cases are sorted once. In every resample a positive case then beats the negative ones below it: the mean of the
    cumulative counts before and after those that tie with it.

    Args:
        truth: ``(case,)`` 1, 0, or NaN where unlabelled (such a case enters nothing).
        score: ``(case,)``.
        resamples: Of the same cases.
    """
    positive, negative = np.flatnonzero(truth == 1), np.flatnonzero(truth == 0)
    negative = negative[np.argsort(score[negative], kind="stable")]
    first = np.searchsorted(score[negative], score[positive], "left")
    after = np.searchsorted(score[negative], score[positive], "right")
    positive_cluster, negative_cluster = resamples.cluster[positive], resamples.cluster[negative]

    def statistic(counts: np.ndarray) -> np.ndarray:
        columns = counts.shape[1]
        below = np.zeros((len(negative) + 1, columns))
        for row, cluster in enumerate(negative_cluster):  # one vector addition a row: faster than a strided cumsum
            np.add(below[row], counts[cluster], out=below[row + 1])
        drawn = counts[positive_cluster]
        wins = np.einsum("ij,ij->j", drawn, below[first]) + np.einsum("ij,ij->j", drawn, below[after])
        pairs = 2 * drawn.sum(0) * below[-1]
        return np.divide(wins, pairs, out=np.full(columns, np.nan), where=pairs > 0)

    return statistic


def average_precision_statistic(truth: np.ndarray, score: np.ndarray, resamples: Resamples) -> Statistic:
    """`average_precision` of resampled clusters; NaN in a resample that drew no positive case.

    Args:
        truth: ``(case,)`` 1, 0, or NaN where unlabelled.
        score: ``(case,)``.
        resamples: Of the same cases.
    """
    order = np.flatnonzero(~np.isnan(np.asarray(truth, dtype=float)))
    order = order[np.argsort(-score[order], kind="stable")]
    is_positive, cluster = truth[order] == 1, resamples.cluster[order]
    ends = np.append(np.diff(score[order]) != 0, True)

    def statistic(counts: np.ndarray) -> np.ndarray:
        columns = counts.shape[1]
        hits, before, called, area = np.zeros((4, columns))
        for row in range(len(order)):
            called += counts[cluster[row]]
            if is_positive[row]:
                hits += counts[cluster[row]]
            if ends[row]:
                precision = np.divide(hits, called, out=np.zeros(columns), where=called > 0)
                area += (hits - before) * precision
                before[:] = hits
        return np.divide(area, hits, out=np.full(columns, np.nan), where=hits > 0)

    return statistic


def sensitivity_band(
    truth: np.ndarray, score: np.ndarray, resamples: Resamples, grid: np.ndarray, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The ROC curve on a grid of false positive rates, with its pointwise bootstrap band.

    Args:
        truth: ``(case,)`` 1, 0, or NaN where unlabelled.
        score: ``(case,)``.
        resamples: Of the same cases.
        grid: False positive rates, ascending.
        level: Of the band.

    Returns:
        Sensitivity, lower and upper, each like `grid`.
    """
    order = np.flatnonzero(~np.isnan(np.asarray(truth, dtype=float)))
    order = order[np.argsort(-score[order], kind="stable")]
    ends = np.append(np.diff(score[order]) != 0, True)
    positive, cluster = (truth[order] == 1)[:, None], resamples.cluster[order]

    def on_grid(counts: np.ndarray) -> np.ndarray:
        drawn = counts[cluster]
        hits = np.cumsum(drawn * positive, axis=0)[ends]
        alarms = np.cumsum(drawn * ~positive, axis=0)[ends]
        lines = np.full((counts.shape[1], len(grid)), np.nan)
        for column in np.flatnonzero((hits[-1] > 0) & (alarms[-1] > 0)):
            rate = np.r_[0.0, alarms[:, column] / alarms[-1, column]]
            lines[column] = np.interp(grid, rate, np.r_[0.0, hits[:, column] / hits[-1, column]])
        return lines

    middle = on_grid(np.ones((len(resamples.names), 1)))[0]
    if np.isnan(middle).any():
        return middle, middle, middle
    width = max(1, 2**22 // max(len(order), 1))
    blocks = [on_grid(resamples.counts[:, at : at + width]) for at in range(0, resamples.number, width)]
    lower, upper = np.nanquantile(np.concatenate(blocks), [(1 - level) / 2, (1 + level) / 2], axis=0)
    return middle, lower, upper
