"""Trees as networks of two hidden layers: equal to the last bit, thresholds themselves included."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from preceptor.maths.tree_network import TreeNetwork


@pytest.mark.parametrize("kind", [DecisionTreeClassifier, DecisionTreeRegressor])
@pytest.mark.parametrize("depth", [1, 2, 3, 6, None])
def test_the_network_answers_what_the_tree_answers(kind, depth):
    rng = np.random.default_rng(0)
    for seed in range(6):
        table = rng.normal(size=(200, 5)).astype(np.float32)
        table[:, 4] = np.round(table[:, 4])  # ties
        truth = rng.integers(0, 3, 200) + (0 if kind is DecisionTreeClassifier else table[:, 0] * table[:, 1])
        tree = kind(max_depth=depth, random_state=seed).fit(table, truth)
        on_thresholds = np.repeat(tree.tree_.threshold[:5], 5).reshape(-1, 5).astype(np.float32)
        asked = np.concatenate([table, rng.normal(size=(200, 5)).astype(np.float32), on_thresholds])
        network = TreeNetwork.of(tree)
        expected = tree.predict_proba(asked) if kind is DecisionTreeClassifier else tree.predict(asked)[:, None]
        assert np.array_equal(network(torch.from_numpy(asked)).numpy(), expected)
        # A deeper tree is a wider network of the same two layers.
        assert network.widths == (tree.get_n_leaves() - 1, tree.get_n_leaves())
