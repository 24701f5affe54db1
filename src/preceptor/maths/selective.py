"""Answering only where one is sure enough: what is lost at every share of cases that is answered."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .intervals import Resamples, Statistic


class RiskCoverage(NamedTuple):
    """What is reached by answering the surest cases first.

    Args:
        coverage: Share of cases that are answered, one point for every distinct uncertainty, ascending.
        risk: Mean loss of the answered.
        uncertainty: Up to which cases are answered.
    """

    coverage: np.ndarray
    risk: np.ndarray
    uncertainty: np.ndarray


def risk_coverage(uncertainty: np.ndarray, loss: np.ndarray) -> RiskCoverage:
    """The risk-coverage curve; cases that are equally sure are answered together.

    Args:
        uncertainty: ``(case,)``.
        loss: ``(case,)``, 0 or 1 for right and wrong, or any other.

    Raises:
        ValueError: There is no case.

    Source: El-Yaniv & Wiener 2010 (JMLR 11:1605).
    """
    if not len(uncertainty):
        raise ValueError("a risk-coverage curve needs cases")
    order = np.argsort(uncertainty, kind="stable")
    ordered = np.asarray(uncertainty, dtype=np.float64)[order]
    last = np.flatnonzero(np.append(np.diff(ordered) != 0, True))
    answered = np.arange(1, len(order) + 1)[last]
    total = np.cumsum(np.asarray(loss, dtype=np.float64)[order])[last]
    return RiskCoverage(answered / len(order), total / answered, ordered[last])


def aurc(uncertainty: np.ndarray, loss: np.ndarray) -> float:
    """Area under the risk-coverage curve: the mean, over all coverages, of the mean loss of the surest cases.

    The integral over coverage, a case counting by the part of it that is covered: the published sum over whole cases
    differs by a term of the order of one case, and would change where every case is counted twice. Cases that are
    equally sure are covered together.

    Args:
        uncertainty, loss: ``(case,)``.

    Source: Geifman, Uziel & El-Yaniv 2019 (arXiv:1805.08206), eq. 1, with the sum made an integral.
    """
    resamples = Resamples.of(np.arange(len(loss)), 1)
    return float(aurc_statistic(uncertainty, loss, resamples)(np.ones((len(loss), 1)))[0])


def aurc_statistic(uncertainty: np.ndarray, loss: np.ndarray, resamples: Resamples) -> Statistic:
    """`aurc` of resampled clusters.

    A group of equally sure cases with n before it of loss a together, and w in it of loss s each, adds
    ``integral_(0..w) (a + x s) / (n + x) dx = w s + (a - n s) log((n + w) / n)``, and ``w s`` where it is the first.

    Args:
        uncertainty: ``(case,)``; cases with NaN here or in `loss` enter nothing.
        loss: ``(case,)``.
        resamples: Of the same cases.
    """
    uncertainty, loss = np.asarray(uncertainty, dtype=np.float64), np.asarray(loss, dtype=np.float64)
    order = np.flatnonzero(~np.isnan(uncertainty + loss))
    order = order[np.argsort(uncertainty[order], kind="stable")]
    starts = np.flatnonzero(np.append(True, np.diff(uncertainty[order]) != 0)) if len(order) else order
    cluster, each = resamples.cluster[order], loss[order][:, None]

    def statistic(counts: np.ndarray) -> np.ndarray:
        if not len(order):
            return np.full(counts.shape[1], np.nan)
        drawn = counts[cluster]
        size = np.add.reduceat(drawn, starts, axis=0)
        total = np.add.reduceat(drawn * each, starts, axis=0)
        after, lost = np.cumsum(size, axis=0), np.cumsum(total, axis=0)
        before, lost_before = after - size, lost - total
        mean = np.divide(total, size, out=np.zeros_like(total), where=size > 0)
        steps = np.log(np.divide(after, before, out=np.ones_like(after), where=before > 0))
        area = (total + (lost_before - before * mean) * steps).sum(0)
        return np.divide(area, after[-1], out=np.full(len(area), np.nan), where=after[-1] > 0)

    return statistic


def excess_aurc_statistic(uncertainty: np.ndarray, loss: np.ndarray, resamples: Resamples) -> Statistic:
    """`aurc` less that of an oracle that answers the cases with the smallest loss first: 0 is the best there can be.

    Args:
        uncertainty, loss: ``(case,)``.
        resamples: Of the same cases.

    Source: Geifman, Uziel & El-Yaniv 2019 (arXiv:1805.08206), section 4 (E-AURC).
    """
    loss = np.asarray(loss, dtype=np.float64)
    known = np.where(np.isnan(np.asarray(uncertainty, dtype=np.float64)), np.nan, loss)
    own, oracle = aurc_statistic(uncertainty, loss, resamples), aurc_statistic(known, known, resamples)

    def statistic(counts: np.ndarray) -> np.ndarray:
        return own(counts) - oracle(counts)

    return statistic


def risk_at_statistic(uncertainty: np.ndarray, loss: np.ndarray, coverage: float, resamples: Resamples) -> Statistic:
    """Mean loss of the surest cases that make up a share of all, the last of equally sure ones taken in part.

    Args:
        uncertainty, loss: ``(case,)``; cases with NaN in either enter nothing.
        coverage: The share, above 0.
        resamples: Of the same cases.
    """
    uncertainty, loss = np.asarray(uncertainty, dtype=np.float64), np.asarray(loss, dtype=np.float64)
    order = np.flatnonzero(~np.isnan(uncertainty + loss))
    order = order[np.argsort(uncertainty[order], kind="stable")]
    starts = np.flatnonzero(np.append(True, np.diff(uncertainty[order]) != 0)) if len(order) else order
    cluster, each = resamples.cluster[order], loss[order][:, None]

    def statistic(counts: np.ndarray) -> np.ndarray:
        if not len(order):
            return np.full(counts.shape[1], np.nan)
        drawn = counts[cluster]
        size = np.add.reduceat(drawn, starts, axis=0)
        total = np.add.reduceat(drawn * each, starts, axis=0)
        wanted = coverage * size.sum(0)
        before = np.cumsum(size, axis=0) - size
        part = np.divide(np.clip(wanted - before, 0, size), size, out=np.zeros_like(size), where=size > 0)
        lost = (part * total).sum(0)
        return np.divide(lost, wanted, out=np.full(len(lost), np.nan), where=wanted > 0)

    return statistic


def upper_bound(wrong: int, cases: int, confidence: float) -> float:
    """The largest rate of errors that so few wrong ones are not too unlikely under; 1 where there is no case.

    Args:
        wrong, cases: Counted, independent.
        confidence: One-sided.

    Source: Clopper & Pearson 1934.
    """
    from scipy.special import betaincinv

    return 1.0 if wrong >= cases else float(betaincinv(wrong + 1, cases - wrong, confidence))


def threshold_for_error(
    uncertainty: np.ndarray, wrong: np.ndarray, error: float, confidence: float, clusters: np.ndarray | None = None
) -> float | None:
    """The largest uncertainty up to which the rate of errors is known to stay below a level.

    Thresholds are tried by halving the range of what was seen; the chance of being wrong anywhere is shared out over
    the ``log2 n`` trials, so that the promise holds for the one that is chosen. With several cases of a patient,
    a patient counts as wrong where any answered case of his is: the promise is then for patients, and stricter.

    Args:
        uncertainty: ``(case,)``.
        wrong: ``(case,)`` bool.
        error: The level.
        confidence: That the true rate is no higher.
        clusters: ``(case,)`` whom each case is of; None takes every case as one of its own.

    Returns:
        None where no threshold keeps it.

    Source: Geifman & El-Yaniv 2017 (arXiv:1705.08500), algorithm 1 (selection with guaranteed risk).
    """
    uncertainty, wrong = np.asarray(uncertainty, dtype=np.float64), np.asarray(wrong, dtype=bool)
    clusters = np.arange(len(wrong)) if clusters is None else np.asarray(clusters)
    levels = np.unique(uncertainty)
    if not len(levels):
        return None
    trials = max(1, int(np.ceil(np.log2(len(levels) + 1))))
    low, high, found = 0, len(levels) - 1, None
    for _ in range(trials):
        if low > high:
            break
        middle = (low + high + 1) // 2
        answered = uncertainty <= levels[middle]
        people, bad = len(np.unique(clusters[answered])), len(np.unique(clusters[answered & wrong]))
        if upper_bound(bad, people, 1 - (1 - confidence) / trials) <= error:
            found, low = float(levels[middle]), middle + 1
        else:
            high = middle - 1
    return found
