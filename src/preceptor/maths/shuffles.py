"""Chance by shuffling: what a measure would be if a property of patients had nothing to do with their images."""

from __future__ import annotations

import numpy as np


def shuffled(values: np.ndarray, clusters: np.ndarray, stratum: np.ndarray, number: int, seed: int = 0) -> np.ndarray:
    """``(case, shuffle)`` the values dealt anew within strata, all cases of a patient together.

    Where a patient's cases differ in the value or in the stratum, nothing keeps them together, and cases are dealt.

    Args:
        values: ``(case,)`` codes.
        clusters: ``(case,)`` integer id of each case's patient.
        stratum: ``(case,)`` integer; values stay within it.
        number: How many shuffles.
        seed: Of the shuffles.
    """
    rng = np.random.default_rng(seed)
    first, unit = np.unique(clusters, return_index=True, return_inverse=True)[1:]
    together = bool((values[first][unit] == values).all() and (stratum[first][unit] == stratum).all())
    if not together:
        first, unit = np.arange(len(values)), np.arange(len(values))
    dealt = np.empty((len(first), number), dtype=values.dtype)
    for each in np.unique(stratum[first]):
        here = np.flatnonzero(stratum[first] == each)
        order = rng.random((len(here), number), dtype=np.float32).argsort(axis=0)
        dealt[here] = values[first][here][order]
    return dealt[unit]


def chance_of(observed: float, null: np.ndarray) -> float:
    """The one-sided p of a value among shuffled ones: it counts itself, so it is never 0.

    Source: Phipson & Smyth 2010 (Permutation p-values should never be zero).
    """
    known = null[~np.isnan(null)]
    if np.isnan(observed) or not len(known):
        return float("nan")
    return float((1 + np.sum(known >= observed - 1e-12)) / (1 + len(known)))


def tail_of(observed: float, null: np.ndarray) -> float:
    """`chance_of`, and beyond what so few shuffles can tell the tail of a normal distribution with their moments.

    For areas under the ROC curve, whose shuffled values are close to normal: with a few hundred shuffles the smallest
    p would not outlive a correction for many tests.

    Args:
        observed: The value.
        null: ``(shuffle,)``.

    Source: the tail approximation of permutation tests, Knijnenburg 2009 (doi 10.1093/bioinformatics/btp211), with the
        normal in place of the generalised Pareto distribution.
    """
    from scipy.special import ndtr

    counted = chance_of(observed, null)
    spread = float(np.nanstd(null)) if np.isfinite(null).any() else 0.0
    if np.isnan(counted) or spread == 0 or counted * (1 + np.isfinite(null).sum()) > 10:
        return counted
    return float(min(counted, ndtr(-(observed - np.nanmean(null)) / spread)))


def auroc_of_columns(codes: np.ndarray, scores: np.ndarray, stratum: np.ndarray) -> np.ndarray:
    """``(column,)`` AUROC of every column over pairs of one stratum, each code against the rest, the mean over codes.

    Args:
        codes: ``(case, column)``; below 0 enters nothing. Two codes, 0 and 1, are one question.
        scores: ``(case, code, column)``, or with a last axis of 1 for scores that are the same in every column.
        stratum: ``(case,)`` integer.

    Returns:
        NaN where no stratum holds a pair for any code.
    """
    number = scores.shape[1]
    wanted = [1] if number == 2 else list(range(number))
    columns = codes.shape[1]
    areas = np.full((len(wanted), columns), np.nan)
    for at, code in enumerate(wanted):
        wins, pairs = np.zeros((2, columns))
        for each in np.unique(stratum):
            here = stratum == each
            inside = codes[here]
            ranks = np.broadcast_to(_ranks(scores[here, code]), inside.shape)
            if (inside < 0).any():
                raise ValueError("every case needs a code here: leave out those without before")
            positive = inside == code
            hits = positive.sum(0)
            misses = len(inside) - hits
            wins += (ranks * positive).sum(0) - hits * (hits + 1) / 2
            pairs += hits * misses
        areas[at] = np.divide(wins, pairs, out=np.full(columns, np.nan), where=pairs > 0)
    defined = ~np.isnan(areas)
    total = np.where(defined, areas, 0.0).sum(0)
    return np.divide(total, defined.sum(0), out=np.full(columns, np.nan), where=defined.any(0))


def _ranks(scores: np.ndarray) -> np.ndarray:
    """``(case, column)`` ranks from 1 down every column; those that tie share the mean of theirs."""
    order = np.argsort(scores, axis=0, kind="stable")
    cases = len(scores)
    place = np.broadcast_to(np.arange(1.0, cases + 1)[:, None], scores.shape)
    ranked = np.take_along_axis(scores, order, axis=0)
    tied = ranked[1:] == ranked[:-1]
    if tied.any():  # the mean of first and last place of each run of equal scores
        begins = np.vstack([np.ones((1, scores.shape[1]), dtype=bool), ~tied])
        ends = np.vstack([~tied, np.ones((1, scores.shape[1]), dtype=bool)])
        first = np.maximum.accumulate(np.where(begins, place, 0.0), axis=0)
        last = np.minimum.accumulate(np.where(ends, place, np.inf)[::-1], axis=0)[::-1]
        place = (first + last) / 2
    ranks = np.empty(scores.shape)
    np.put_along_axis(ranks, order, place, axis=0)
    return ranks
