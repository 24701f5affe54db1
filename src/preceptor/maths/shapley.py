"""Shapley values: exactly for a few players, and from sampled coalitions by a weighted regression for many."""

from __future__ import annotations

from math import comb, factorial

import numpy as np


def all_coalitions(players: int) -> np.ndarray:
    """Every coalition, the empty one first and everybody last.

    Args:
        players: How many.

    Returns:
        ``(2 ** players, players)`` bool; row ``r`` holds player ``p`` where bit ``p`` of ``r`` is set.
    """
    return (np.arange(2**players)[:, None] >> np.arange(players)) % 2 == 1


def exact_shapley(values: np.ndarray) -> np.ndarray:
    """Each player's mean contribution over every order in which they could have joined.

    Args:
        values: ``(2 ** players, ...)``: what each row of `all_coalitions` is worth.

    Returns:
        ``(players, ...)``, which add up to the worth of everybody less that of nobody.

    Source: Shapley 1953, "A value for n-person games".
    """
    values = np.asarray(values, dtype=np.float64)
    players = len(values).bit_length() - 1
    coalitions = all_coalitions(players)
    sizes = coalitions.sum(1)
    weights = np.array([factorial(s) * factorial(players - s - 1) / factorial(players) for s in range(players)])
    found = []
    for player in range(players):
        without = np.flatnonzero(~coalitions[:, player])
        gained = values[without + 2**player] - values[without]
        found.append(np.tensordot(weights[sizes[without]], gained, axes=1))
    return np.stack(found)


def kernel_coalitions(players: int, samples: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Coalitions to ask for, and how much each counts in the regression.

    All of them where `samples` is enough for all; else drawn by the kernel's weight, each with its complement, and
    counted alike.

    Args:
        players: How many, at least 2.
        samples: The most coalitions to ask for.
        rng: Draws them.

    Returns:
        ``(coalition, players)`` bool without the empty one and without everybody, and ``(coalition,)`` weights.

    Source: Lundberg & Lee 2017, arXiv:1705.07874, theorem 2; complements in pairs as in Covert & Lee 2021,
        arXiv:2012.01536.
    """
    sizes = np.arange(1, players)
    if players < 63 and 2**players - 2 <= samples:
        rows = all_coalitions(players)[1:-1]
        per_size = np.array([(players - 1) / (comb(players, int(s)) * s * (players - s)) for s in sizes])
        return rows, per_size[rows.sum(1) - 1]
    chance = 1 / (sizes * (players - sizes))
    drawn = rng.choice(sizes, size=max(1, samples // 2), p=chance / chance.sum())
    order = rng.random((len(drawn), players)).argsort(1).argsort(1)
    rows = order < drawn[:, None]
    return np.concatenate([rows, ~rows]), np.ones(2 * len(rows))


def kernel_shapley(
    coalitions: np.ndarray, weights: np.ndarray, values: np.ndarray, nobody: np.ndarray, everybody: np.ndarray
) -> np.ndarray:
    """Shapley values by weighted least squares, made to add up to ``everybody - nobody``.

    Args:
        coalitions: ``(coalition, players)`` bool, as `kernel_coalitions` gives them.
        weights: ``(coalition,)``.
        values: ``(coalition, ...)`` what each is worth.
        nobody: ``(...)`` what the empty one is worth.
        everybody: ``(...)`` what all together are worth.

    Returns:
        ``(players, ...)``: exact where every coalition was asked for. Where too few were asked to tell two players
        apart, they share alike (the smallest solution).

    Source: Lundberg & Lee 2017, arXiv:1705.07874, equation 8 and theorem 2.
    """
    coalitions = np.asarray(coalitions, dtype=np.float64)
    nobody, everybody = np.asarray(nobody, dtype=np.float64), np.asarray(everybody, dtype=np.float64)
    players = coalitions.shape[1]
    worth = (np.asarray(values, dtype=np.float64) - nobody).reshape(len(coalitions), -1)
    total = (everybody - nobody).reshape(1, -1)
    # A share of the whole for everyone, then what the coalitions say beyond it: deviations add up to nothing, and the
    # projection onto such deviations holds them there.
    even = coalitions.sum(1, keepdims=True) / players * total
    centred = coalitions - coalitions.mean(1, keepdims=True)
    root = np.sqrt(weights)[:, None]
    deviation, *_ = np.linalg.lstsq(root * centred, root * (worth - even), rcond=None)
    return (total / players + deviation - deviation.mean(0)).reshape(players, *nobody.shape)
