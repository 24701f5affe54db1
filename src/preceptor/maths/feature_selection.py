"""Which columns of a table tell of the class, and which of them only repeat the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def in_bins(values: np.ndarray, bins: int = 10) -> np.ndarray:
    """Numbers as classes of about equal size; few distinct values stay themselves, NaN is a class of its own.

    Args:
        values: ``(case,)``.
        bins: At most so many.

    Returns:
        ``(case,)`` integers.
    """
    values = np.asarray(values, dtype=np.float64)
    known = np.isfinite(values)
    distinct = np.unique(values[known])
    codes = np.full(len(values), -1, dtype=np.int64)
    if len(distinct) <= bins:
        codes[known] = np.searchsorted(distinct, values[known])
    else:
        inner = np.unique(np.quantile(values[known], np.linspace(0, 1, bins + 1)[1:-1]))
        codes[known] = np.searchsorted(inner, values[known], side="right")
    return np.unique(codes, return_inverse=True)[1]


def mutual_information(first: np.ndarray, second: np.ndarray) -> float:
    """What knowing one says of the other, in nats.

    Args:
        first, second: ``(case,)`` integers from 0.

    Source: Shannon 1948; from the table of counts, without correction for chance.
    """
    return entropy(first) + entropy(second) - entropy(np.asarray(first) * (int(np.max(second)) + 1) + second)


def entropy(codes: np.ndarray) -> float:
    """In nats.

    Args:
        codes: ``(case,)`` integers.
    """
    counts = np.unique(codes, return_counts=True)[1]
    shares = counts / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def symmetric_uncertainty(first: np.ndarray, second: np.ndarray) -> float:
    """Mutual information as a share of what there is to know of both: 0 independent, 1 the same.

    Args:
        first, second: ``(case,)`` integers.

    Source: Hall 1999, "Correlation-based Feature Selection for Machine Learning", equation 4.4.
    """
    total = entropy(first) + entropy(second)
    return 2 * mutual_information(first, second) / total if total > 0 else 0.0


def cfs_merit(with_class: Sequence[float] | np.ndarray, among: float) -> float:
    """How good a set of features is together: close to the class, far from each other.

    Args:
        with_class: Correlation of each feature with the class.
        among: Mean correlation of two features.

    Source: Hall 1999, equation 4.3 (after Ghiselli 1964).
    """
    k = len(with_class)
    if not k:
        return 0.0
    return float(k * np.mean(with_class) / np.sqrt(k + k * (k - 1) * among))


def select_by_correlation(features: np.ndarray, target: np.ndarray, patience: int = 5) -> tuple[list[int], float]:
    """CFS: the set of features with the best merit, by best-first search from the empty set.

    Args:
        features: ``(case, feature)`` numbers; NaN is a value of its own.
        target: ``(case,)`` class codes, or numbers, which are put in bins.
        patience: Sets that are opened without a better one before the search ends.

    Returns:
        Columns in the order in which they were added, and the merit.

    Source: Hall 1999, section 4.3, with bins of equal size in place of Fayyad and Irani's.
    """
    columns = [in_bins(column) for column in np.asarray(features, dtype=np.float64).T]
    classes = in_bins(target)
    with_class = np.array([symmetric_uncertainty(column, classes) for column in columns])
    among = np.eye(len(columns))
    for i, first in enumerate(columns):
        for j in range(i):
            among[i, j] = among[j, i] = symmetric_uncertainty(first, columns[j])

    def merit(chosen: tuple[int, ...]) -> float:
        block = among[np.ix_(chosen, chosen)]
        pairs = len(chosen) * (len(chosen) - 1)
        return cfs_merit(with_class[list(chosen)], float((block.sum() - len(chosen)) / pairs) if pairs else 0.0)

    best: tuple[int, ...] = ()
    best_merit, stale = 0.0, 0
    waiting: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    seen: set[frozenset[int]] = set()
    while waiting and stale < patience:
        waiting.sort(key=lambda each: each[0])
        _, opened = waiting.pop()
        stale += 1
        for index in range(len(columns)):
            larger = (*opened, index)
            if index in opened or frozenset(larger) in seen:
                continue
            seen.add(frozenset(larger))
            found = merit(larger)
            waiting.append((found, larger))
            # A copy of what is there adds nothing; neither does a difference of rounding.
            if found > best_merit + 1e-9:
                best, best_merit, stale = larger, found, 0
    return list(best), best_merit
