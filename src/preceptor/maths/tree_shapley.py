"""Shapley values of trees, exactly: what each column adds to an answer, leaf by leaf, without asking for coalitions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Tree:
    """A tree of splits, node by node; the first is the root.

    Args:
        left, right: ``(node,)`` place of the children, -1 at a leaf.
        column: ``(node,)`` which column is asked.
        threshold: ``(node,)``; a case goes left where its number is at most this.
        value: ``(node,)`` what the tree answers there.
        weight: ``(node,)`` how many training cases came by.
    """

    left: np.ndarray
    right: np.ndarray
    column: np.ndarray
    threshold: np.ndarray
    value: np.ndarray
    weight: np.ndarray


def tree_expectation(tree: Tree) -> float:
    """What the tree answers where no column is known: the mean of its leaves, each by the cases that came by."""
    leaves = tree.left < 0
    return float(np.average(tree.value[leaves], weights=tree.weight[leaves]))


def tree_shapley(tree: Tree, features: np.ndarray) -> np.ndarray:
    """Each column's Shapley value of a tree's answer to each case.

    A column that is not known sends a case down both sides, in the proportion in which training cases went there. A leaf
    is then worth a product over the columns on its way: 1 or 0 where the column is known, that proportion where it is
    not. The Shapley value of a product is an integral of a polynomial, which Gauss and Legendre's points give exactly.

    Args:
        tree: The tree.
        features: ``(case, column)``, without NaN.

    Returns:
        ``(case, column)``: with `tree_expectation` they add up to the tree's answer.

    Source: Lundberg et al. 2020, doi:10.1038/s42256-019-0138-9, algorithm 1 (the same numbers, by leaves in place of a
        recursion); the integral: Owen 1972, "Multilinear extensions of games".
    """
    features = np.asarray(features, dtype=np.float64)
    found = np.zeros(features.shape)
    for value, columns, known, unknown in _leaves(tree, features):
        points, weights = np.polynomial.legendre.leggauss(len(columns) // 2 + 1)
        share = (points + 1)[:, None, None] / 2
        factor = share * known + (1 - share) * unknown  # (point, case, column on the way)
        others = _products_of_others(factor)
        integral = np.einsum("p,pck->ck", weights / 2, others)
        found[:, columns] += value * (known - unknown) * integral
    return found


def _leaves(tree: Tree, features: np.ndarray) -> Iterator[tuple[float, list[int], np.ndarray, np.ndarray]]:
    """Every leaf below a split: its value, its columns, ``(case, column)`` who comes by and ``(column,)`` how many would."""
    waiting: list[tuple[int, dict[int, tuple[np.ndarray, float]]]] = [(0, {})]
    while waiting:
        node, way = waiting.pop()
        if tree.left[node] < 0:
            if way:
                known = np.stack([each for each, _ in way.values()], axis=1).astype(np.float64)
                yield float(tree.value[node]), list(way), known, np.array([each for _, each in way.values()])
            continue
        column = int(tree.column[node])
        goes_left = features[:, column] <= tree.threshold[node]
        for child, goes in ((tree.left[node], goes_left), (tree.right[node], ~goes_left)):
            so_far, share = way.get(column, (np.ones(len(features), dtype=bool), 1.0))
            part = float(tree.weight[child] / tree.weight[node])
            waiting.append((int(child), {**way, column: (so_far & goes, share * part)}))


def _products_of_others(factor: np.ndarray) -> np.ndarray:
    """Along the last axis, the product of all but each one; without a division, since factors may be 0."""
    ones = np.ones((*factor.shape[:-1], 1))
    before = np.cumprod(np.concatenate([ones, factor[..., :-1]], axis=-1), axis=-1)
    after = np.cumprod(np.concatenate([ones, factor[..., :0:-1]], axis=-1), axis=-1)[..., ::-1]
    return before * after
