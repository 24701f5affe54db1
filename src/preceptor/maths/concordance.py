"""Concordance of a risk with the order in which events happen: Harrell's, Uno's and Antolini's, in O(n log n).

Two cases can be compared where one had the event while the other was still followed: its time is shorter, or the same
and the other's follow-up ended there without the event. Two events at one time can't be ordered and are left out. A
pair is concordant where the one with the earlier event has the higher risk; equal risks count one half.
"""

from __future__ import annotations

import numpy as np

from .intervals import Resamples, Statistic
from .survival_curves import Steps, censoring_distribution, resampled

#: Events whose pairs are laid out as one matrix.
_TOGETHER = 64


def harrell(time: np.ndarray, event: np.ndarray, risk: np.ndarray) -> float:
    """The share of comparable pairs that are concordant; NaN without a comparable pair.

    Args:
        time: ``(case,)`` of follow-up.
        event: ``(case,)`` whether it ended with the event.
        risk: ``(case,)``; higher means the event comes sooner. A predicted time must be negated first.

    Source: Harrell 1982.
    """
    return _concordance(_rank(time, event), np.asarray(event, dtype=float), np.asarray(risk))


def uno(
    time: np.ndarray,
    event: np.ndarray,
    risk: np.ndarray,
    censoring: Steps | None = None,
    until: float | None = None,
) -> float:
    """`harrell` with each pair weighted by ``G(t-)^-2``: what it would be without censoring; NaN without a pair.

    Args:
        time, event, risk: As in `harrell`.
        censoring: From the training cases; of these cases where None.
        until: Events at this time or later are no first of a pair: where hardly anybody is followed, weights explode.

    Source: Uno 2011, eq. 6.
    """
    time = np.asarray(time, dtype=float)
    censoring = censoring_distribution(time, event) if censoring is None else censoring
    asks = np.asarray(event, dtype=bool) & (time < (np.inf if until is None else until))
    remaining = censoring.before(time)
    weight = np.divide(1.0, remaining**2, out=np.zeros(len(time)), where=asks & (remaining > 0))
    return _concordance(_rank(time, event), weight, np.asarray(risk))


def antolini(time: np.ndarray, event: np.ndarray, survival: np.ndarray, times: np.ndarray) -> float:
    """Concordance of whole curves: at each event, did that case have the lower survival?  NaN without a pair.

    For curves that cross, where no single risk exists. Equal survivals count one half.

    Args:
        time, event: As in `harrell`.
        survival: ``(case, time)`` predicted share without the event.
        times: ``(time,)`` ascending; a curve keeps its value until the next, and is 1 before the first.

    Source: Antolini 2005, eq. 7.
    """
    time = np.asarray(time, dtype=float)
    key, event = _rank(time, event), np.asarray(event, dtype=bool)
    column = np.searchsorted(times, time, "right")
    curve = np.concatenate([np.ones((len(time), 1)), survival], axis=1)
    wins = pairs = 0.0
    for at in np.unique(column[event]):
        asks = event & (column == at)
        # Whoever ended before the first of these events is compared with none of them.
        still = key >= key[asks].min()
        won, compared = _pairs(key[still], asks[still].astype(float), -curve[still, at])
        wins, pairs = wins + won, pairs + compared
    return wins / pairs if pairs else float("nan")


def concordance_statistic(
    time: np.ndarray,
    event: np.ndarray,
    risk: np.ndarray,
    resamples: Resamples,
    *,
    weighted: bool = False,
    censoring: Steps | None = None,
    until: float | None = None,
) -> Statistic:
    """`harrell` (or, weighted, `uno`) of resampled clusters; NaN in a resample without a comparable pair.

    Cases enter a tree of cumulative sums (Fenwick 1994) by descending time; each event asks it how much of what
    entered before lies below its risk. Every node holds a number for each resample, so all are counted in one pass.

    Args:
        time, event, risk: ``(case,)``; a case with a NaN in time or risk enters nothing.
        resamples: Of the same cases.
        weighted: Whether pairs are weighted by ``G(t-)^-2``.
        censoring: From the training cases; estimated anew in every resample where None.
        until: As in `uno`.
    """
    known = np.flatnonzero(~(np.isnan(np.asarray(time, dtype=float)) | np.isnan(np.asarray(risk, dtype=float))))
    time = np.asarray(time, dtype=float)[known]
    event, risk = np.asarray(event)[known].astype(bool), np.asarray(risk, dtype=float)[known]
    cluster = resamples.cluster[known]
    key, rank = _rank(time, event), np.unique(risk, return_inverse=True)[1]
    alone = np.bincount(rank) == 1 if len(rank) else np.zeros(0, dtype=bool)
    asks = event & (time < (np.inf if until is None else until))
    together = _same_key(key)
    size = int(rank.max()) + 1 if len(rank) else 0

    def statistic(counts: np.ndarray) -> np.ndarray:
        columns = counts.shape[1]
        weight = _weights(time, event, counts[cluster], censoring) if weighted else None
        tree, entered = np.zeros((size + 1, columns)), np.zeros(columns)
        wins, pairs, found = np.zeros((3, columns))
        for cases in together:
            for case in cases:
                if not asks[case]:
                    continue
                drawn = counts[cluster[case]] if weight is None else counts[cluster[case]] * weight[case]
                _below(tree, rank[case], found)
                if not alone[rank[case]]:
                    tied = np.zeros(columns)
                    _below(tree, rank[case] + 1, tied)
                    found += tied
                    found /= 2
                found *= drawn
                wins += found
                pairs += drawn * entered
            for case in cases:
                drawn, node = counts[cluster[case]], int(rank[case]) + 1
                entered += drawn
                while node <= size:
                    tree[node] += drawn
                    node += node & -node
        return np.divide(wins, pairs, out=np.full(columns, np.nan), where=pairs > 0)

    return statistic


def antolini_statistic(
    time: np.ndarray, event: np.ndarray, survival: np.ndarray, times: np.ndarray, resamples: Resamples
) -> Statistic:
    """`antolini` of resampled clusters; NaN in a resample without a comparable pair.

    Args:
        time, event: ``(case,)`` without NaN.
        survival, times: As in `antolini`.
        resamples: Of the same cases.
    """
    time = np.asarray(time, dtype=float)
    key = _rank(time, event)
    order = np.argsort(-key, kind="stable")  # whoever a case is compared with stands before it
    key, cluster = key[order], resamples.cluster[order]
    asking = np.flatnonzero(np.asarray(event, dtype=bool)[order])
    column = np.searchsorted(times, time, "right")[order]
    curve = np.concatenate([np.ones((len(time), 1)), survival], axis=1)[order]

    def statistic(counts: np.ndarray) -> np.ndarray:
        drawn = counts[cluster]
        wins, pairs = np.zeros((2, counts.shape[1]))
        for start in range(0, len(asking), _TOGETHER):
            cases = asking[start : start + _TOGETHER]
            reach = int(cases[-1])
            later = key[None, :reach] > key[cases, None]
            mine, theirs = curve[cases, column[cases]][:, None], curve[:reach, column[cases]].T
            share = later * ((theirs > mine) + 0.5 * (theirs == mine))
            wins += np.einsum("ij,ij->j", drawn[cases], share @ drawn[:reach])
            pairs += np.einsum("ij,ij->j", drawn[cases], later.astype(float) @ drawn[:reach])
        return np.divide(wins, pairs, out=np.full(counts.shape[1], np.nan), where=pairs > 0)

    return statistic


def _rank(time: np.ndarray, event: np.ndarray) -> np.ndarray:
    """``(case,)`` when a case ended, as a rank: at one time events come before censorings, and share a rank."""
    moment = np.unique(np.asarray(time, dtype=float), return_inverse=True)[1]
    return np.unique(2 * moment + ~np.asarray(event, dtype=bool), return_inverse=True)[1]


def _concordance(key: np.ndarray, weight: np.ndarray, risk: np.ndarray) -> float:
    wins, pairs = _pairs(key, weight, risk)
    return wins / pairs if pairs else float("nan")


def _pairs(key: np.ndarray, weight: np.ndarray, risk: np.ndarray) -> tuple[float, float]:
    """Weight of the concordant pairs, ties one half, and of the comparable ones.

    The cases are sorted by risk and then divided by one binary digit of their rank in time after the other. Two cases
    part at the highest digit in which their ranks differ, so each pair is met once: there the earlier one counts those
    of the later half that stand before it. Dividing keeps the order by risk, so nothing is sorted twice.

    Args:
        key: ``(case,)`` rank in time; those of equal rank are not compared.
        weight: ``(case,)`` of a pair whose earlier case this is; 0 for a censored one.
        risk: ``(case,)``.
    """
    size = len(key)
    if not size:
        return 0.0, 0.0
    order = np.argsort(risk, kind="stable")
    steps = np.diff(risk[order]) != 0
    rank = np.cumsum(np.append(False, steps))
    key, weight = key[order], weight[order]
    after = size - np.cumsum(np.bincount(key))
    pairs = float(weight @ after[key])
    # Ranks of two bytes are sorted by counting, in one pass.
    key = key.astype(np.uint16 if key.max() < 2**16 else np.int64)
    wins, here = 0.0, np.arange(size)
    for digit in reversed(range(int(key.max()).bit_length())):
        late = (key >> digit) & 1
        passed = np.append(0, np.cumsum(late))
        block_starts = np.append(True, np.diff(key >> (digit + 1)) != 0)
        tie_starts = block_starts | np.append(True, np.diff(rank) != 0)
        block = np.maximum.accumulate(np.where(block_starts, here, 0))
        group = np.flatnonzero(tie_starts)
        which = np.cumsum(tie_starts) - 1
        first, last = group[which], np.append(group[1:], size)[which]
        below = 0.5 * (passed[first] + passed[last]) - passed[block]
        wins += float(np.sum(weight * below, where=late == 0))
        divided = np.argsort(key >> digit, kind="stable")
        key, weight, rank = key[divided], weight[divided], rank[divided]
    return wins, pairs


def _same_key(key: np.ndarray) -> list[np.ndarray]:
    """The cases of each rank, the last rank first."""
    order = np.argsort(-key, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(key[order])) + 1) if len(order) else []


def _below(tree: np.ndarray, node: int, found: np.ndarray) -> None:
    """Sum of the first so many ranks, into `found`."""
    found[:] = 0
    node = int(node)
    while node:
        found += tree[node]
        node &= node - 1


def _weights(time: np.ndarray, event: np.ndarray, drawn: np.ndarray, censoring: Steps | None) -> np.ndarray:
    """``(case, column or 1)`` weight of a pair by its earlier case; 0 where nobody is followed that long."""
    if censoring is not None:
        remaining = censoring.before(time)[:, None]
    else:
        _, curve, moment = resampled(time, event, drawn, censoring=True)
        remaining = curve[moment]
    return np.divide(1.0, remaining**2, out=np.zeros_like(remaining), where=remaining > 0)
