"""How much several dense answers of one case agree, counted window by window: no answer is kept."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from torch import Tensor


class Agreement:
    """Shared and own voxels of every two answers.

    Where windows overlap, a voxel counts once for each window that shows it.

    Args:
        answers: How many there are: members times passes.
        classes: Background included.
    """

    def __init__(self, answers: int, classes: int) -> None:
        self._classes = classes
        self._own = np.zeros((answers, classes - 1))
        self._shared = {pair: np.zeros(classes - 1) for pair in itertools.combinations(range(answers), 2)}
        self._window: list[Tensor] = []

    def add(self, answer: int, label: Tensor) -> None:
        """Take in one answer to the window at hand; the answers come in order.

        Args:
            answer: Which one.
            label: ``(batch, *space)`` class index.
        """
        self._window.append(label.to(torch.uint8))
        if answer + 1 < len(self._own):
            return
        for index in range(1, self._classes):
            found = [each == index for each in self._window]
            self._own[:, index - 1] += [int(each.sum()) for each in found]
            for first, second in self._shared:
                self._shared[first, second][index - 1] += int((found[first] & found[second]).sum())
        self._window.clear()

    def mean_dice(self) -> np.ndarray:
        """``(structure,)``: the mean over pairs of answers; a pair that lacks the structure agrees and says nothing."""
        pairs = []
        for (first, second), shared in self._shared.items():
            size = self._own[first] + self._own[second]
            pairs.append(np.divide(2 * shared, size, out=np.full(len(size), np.nan), where=size > 0))
        table = np.array(pairs)
        known = ~np.isnan(table)
        total = np.where(known, table, 0).sum(0)
        return np.divide(total, known.sum(0), out=np.full(len(total), np.nan), where=known.any(0))
