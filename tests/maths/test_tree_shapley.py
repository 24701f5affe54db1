"""Shapley values of trees: by hand, by every coalition, and as an answer's parts."""

from __future__ import annotations

import numpy as np
import pytest

from preceptor.maths.shapley import all_coalitions, exact_shapley
from preceptor.maths.tree_shapley import Tree, tree_expectation, tree_shapley


def grown(seed: int, columns: int, depth: int) -> Tree:
    """A tree with random splits; the same column may be asked twice on one way."""
    rng = np.random.default_rng(seed)
    rows: list[list[float]] = []

    def grow(level: int, weight: float) -> int:
        place = len(rows)
        leaf = level == 0 or rng.random() < 0.2
        rows.append([-1, -1, rng.integers(columns), rng.normal(), rng.normal(), weight])
        if not leaf:
            share = rng.uniform(0.2, 0.8)
            rows[place][0] = grow(level - 1, weight * share)
            rows[place][1] = grow(level - 1, weight * (1 - share))
        return place

    grow(depth, 100.0)
    left, right, column, threshold, value, weight = np.array(rows).T
    return Tree(left.astype(int), right.astype(int), column.astype(int), threshold, value, weight)


def worth(tree: Tree, case: np.ndarray, known: np.ndarray, node: int = 0) -> float:
    """What a tree answers where some columns are known, by walking it."""
    if tree.left[node] < 0:
        return float(tree.value[node])
    ways = (tree.left[node], tree.right[node])
    if known[tree.column[node]]:
        return worth(tree, case, known, ways[int(case[tree.column[node]] > tree.threshold[node])])
    return sum(tree.weight[way] / tree.weight[node] * worth(tree, case, known, way) for way in ways)


@pytest.mark.parametrize("seed", range(6))
def test_leaves_give_what_every_coalition_gives(seed):
    tree, cases = grown(seed, 5, 7), np.random.default_rng(seed + 50).normal(size=(4, 5))
    found = tree_shapley(tree, cases)
    for row, case in zip(found, cases, strict=True):
        asked = np.array([worth(tree, case, known) for known in all_coalitions(5)])
        assert row == pytest.approx(exact_shapley(asked), abs=1e-12)
        assert tree_expectation(tree) == pytest.approx(asked[0], abs=1e-12)
        assert row.sum() == pytest.approx(asked[-1] - asked[0], abs=1e-12)


def test_one_split_gives_all_to_its_column():
    tree = Tree(
        *(np.array(each) for each in ([1, -1, -1], [2, -1, -1], [1, 0, 0], [0.5, 0, 0], [0, 2.0, 6.0], [4, 3, 1]))
    )
    assert tree_expectation(tree) == 3.0
    assert tree_shapley(tree, np.array([[9.0, 0.0], [9.0, 1.0]])).tolist() == [[0.0, -1.0], [0.0, 3.0]]


def test_a_tree_without_a_split_gives_nobody_anything():
    stump = Tree(*(np.array([each]) for each in (-1, -1, 0, 0.0, 0.7, 10.0)))
    assert tree_shapley(stump, np.zeros((3, 2))).tolist() == [[0.0, 0.0]] * 3 and tree_expectation(stump) == 0.7
