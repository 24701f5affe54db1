"""What each column of a table adds to a forest's answer: Shapley values, exact for its trees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from preceptor.maths.tree_shapley import Tree, tree_expectation, tree_shapley


@dataclass(frozen=True)
class Shares:
    """A forest's answers taken apart.

    Args:
        values: ``(case, column)`` what each column adds.
        base: ``(case,)`` what the forest answers where nothing is known; differs where other cases trained it.
        answer: ``(case,)``: ``base`` and the row of ``values`` together.
        features: ``(case, column)`` what the columns said.
    """

    values: np.ndarray
    base: np.ndarray
    answer: np.ndarray
    features: np.ndarray


def forest_shapley(forest: Any, features: np.ndarray, output: int = 0) -> Shares:
    """Take a forest's answers apart.

    Columns that say the same share what they say, and a column that is only a stand-in for another has its part of it:
    these numbers tell what the forest uses, not what causes the outcome.

    Args:
        forest: A fitted random forest of scikit-learn, for classes or a number.
        features: ``(case, column)``, without NaN.
        output: Which class' probability; 0 for a number.

    Source: Lundberg et al. 2020, doi:10.1038/s42256-019-0138-9; see `preceptor.maths.tree_shapley`.
    """
    features = np.asarray(features, dtype=np.float64)
    # scikit-learn sends single-precision numbers down its trees: a threshold may lie between the two roundings.
    asked = features.astype(np.float32)
    trees = [_tree(each.tree_, output, hasattr(forest, "classes_")) for each in forest.estimators_]
    values = np.mean([tree_shapley(each, asked) for each in trees], axis=0)
    base = np.full(len(features), np.mean([tree_expectation(each) for each in trees]))
    answer = forest.predict_proba(features)[:, output] if hasattr(forest, "classes_") else forest.predict(features)
    return Shares(values, base, answer, features)


def _tree(fitted: Any, output: int, of_classes: bool) -> Tree:
    value = fitted.value[:, 0, :]
    if of_classes:
        value = value / value.sum(axis=1, keepdims=True)
    return Tree(
        fitted.children_left,
        fitted.children_right,
        fitted.feature,
        fitted.threshold,
        value[:, output],
        fitted.weighted_n_node_samples,
    )
