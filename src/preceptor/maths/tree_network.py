"""A decision tree written as a network of two hidden layers: the same answer, number for number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


class TreeNetwork(nn.Module):
    """A tree as a network: a unit for every split, a unit for every leaf, and a sum.

    The first layer says on which side of each threshold a case lies (+1 or -1), whether or not the tree would ask. The
    second adds up the sides along the way to each leaf and fires where all of them are right. However deep the tree, it
    is these two layers: a deeper tree makes them wider. A forest is the mean of several, side by side.

    Args:
        features: ``(node,)`` column that each node splits by; negative at leaves.
        thresholds: ``(node,)``; a case goes left where its value is at most that.
        left, right: ``(node,)`` children; -1 at leaves.
        values: ``(node, output)`` what leaves answer.

    Source: Sethi 1990, "Entropy nets: from decision trees to neural networks", doi:10.1109/5.58346; Biau et al. 2016,
        "Neural Random Forests", arXiv:1604.07143, section 2.
    """

    columns: Tensor
    thresholds: Tensor
    paths: Tensor
    lengths: Tensor
    values: Tensor

    def __init__(
        self,
        features: Sequence[int] | np.ndarray,
        thresholds: Sequence[float] | np.ndarray,
        left: Sequence[int] | np.ndarray,
        right: Sequence[int] | np.ndarray,
        values: np.ndarray,
    ) -> None:
        super().__init__()
        left, right = np.asarray(left), np.asarray(right)
        splits, leaves = np.flatnonzero(left >= 0), np.flatnonzero(left < 0)
        position = {int(node): index for index, node in enumerate(splits)}
        paths = np.zeros((len(leaves), len(splits)))
        row = {int(node): index for index, node in enumerate(leaves)}
        waiting: list[tuple[int, list[tuple[int, int]]]] = [(0, [])]
        while waiting:
            node, turns = waiting.pop()
            if node in row:
                for split, side in turns:
                    paths[row[node], split] = side
                continue
            waiting.append((int(left[node]), [*turns, (position[node], -1)]))
            waiting.append((int(right[node]), [*turns, (position[node], 1)]))
        self.register_buffer("columns", torch.as_tensor(np.asarray(features)[splits], dtype=torch.long))
        self.register_buffer("thresholds", torch.as_tensor(np.asarray(thresholds)[splits], dtype=torch.float64))
        self.register_buffer("paths", torch.as_tensor(paths, dtype=torch.float64))
        self.register_buffer("lengths", self.paths.abs().sum(1))
        self.register_buffer("values", torch.as_tensor(np.asarray(values)[leaves], dtype=torch.float64))

    @classmethod
    def of(cls, estimator: Any) -> TreeNetwork:
        """The network of a fitted scikit-learn tree, for classes (their shares) or for a number.

        Args:
            estimator: A ``DecisionTreeClassifier`` or ``DecisionTreeRegressor`` of one output.
        """
        tree = estimator.tree_
        return cls(tree.feature, tree.threshold, tree.children_left, tree.children_right, tree.value[:, 0, :])

    @property
    def widths(self) -> tuple[int, int]:
        """Units in the first and in the second hidden layer: splits and leaves."""
        return len(self.thresholds), len(self.values)

    def forward(self, table: Tensor) -> Tensor:
        """Answer cases.

        Args:
            table: ``(case, column)`` float32: trees compare in that precision.

        Returns:
            ``(case, output)`` float64.
        """
        given = table.float().double()[:, self.columns]
        sides = torch.where(given > self.thresholds, 1.0, -1.0).double()
        agreed = sides @ self.paths.T
        reached = torch.where(agreed > self.lengths - 0.5, 1.0, 0.0).double()
        return reached @ self.values
