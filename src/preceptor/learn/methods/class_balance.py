"""Class balance: draw rare classes as often as common ones."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Lt
from torch import nn

from preceptor.core.batch import Index
from preceptor.core.errors import RecipeError
from preceptor.maths.class_weights import balanced_weights, effective_number_weights


class ClassBalance(nn.Module):
    """Draws cases so that every class comes up equally often, or as often as its effective number.

    Labelled rows share out among the classes what they had together; unlabelled rows (target domains, say) keep theirs.
    Probabilities then no longer tell how common a class is: recalibrate on cases drawn as they come.

    Args:
        by: The target to balance; None takes the only one.
        beta: None balances fully. Otherwise a class's share is that of ``n (1 - beta) / (1 - beta^n)``: 0 leaves the
            draw as it is, towards 1 it balances fully.

    Returns:
        From `sampler`: ``(row,)`` probabilities that sum to one.

    Raises:
        RecipeError: There is no such target, or it is no class index (answers per voxel are balanced by
            ``train.foreground_share``, several labels by the objective's positive_weights).

    Source: inverse class frequency; effective number: Cui 2019 (arXiv:1901.05555), eq. 2, as a probability of drawing.

    Example:
        >>> index = Index(["a", "b", "c"], np.arange(3), -np.ones(3), np.ones(3) / 3, {"y": np.array([0, 0, 1])})
        >>> ClassBalance().sampler(index).tolist()
        [0.25, 0.25, 0.5]
    """

    def __init__(self, by: str | None = None, beta: Annotated[float, Ge(0), Lt(1)] | None = None) -> None:
        super().__init__()
        self.by = by
        self.beta = beta

    @classmethod
    def example(cls) -> ClassBalance:
        return cls()

    def sampler(self, index: Index) -> np.ndarray:
        target = self._target(index)[np.asarray(index.case)]
        share = np.asarray(index.share, dtype=float).copy()
        labelled = target >= 0
        if not labelled.any():
            return share
        classes, place = np.unique(target[labelled], return_inverse=True)
        # A class counts as what it is drawn: rows of one case (patches) do not make it more common.
        mass = np.bincount(place, share[labelled])
        cases = np.bincount(np.searchsorted(classes, self._labelled_cases(index)))
        weights = balanced_weights(cases) if self.beta is None else effective_number_weights(cases, self.beta)
        wanted = cases * weights
        share[labelled] *= (wanted / wanted.sum() / mass)[place] * mass.sum()
        return share / share.sum()

    def _target(self, index: Index) -> np.ndarray:
        name = self.by or (next(iter(index.targets)) if len(index.targets) == 1 else None)
        target = None if name is None else np.asarray(index.targets.get(name, np.zeros(())))
        if target is None or target.ndim != 1 or not np.issubdtype(target.dtype, np.integer):
            raise RecipeError(
                f"class_balance can't balance '{self.by}'" if self.by else "class_balance finds no class per case",
                where="methods.class_balance",
                expected=f"a target that is one class per case; there is {', '.join(index.targets) or 'none'}",
                remedy="balance answers per voxel by train.foreground_share, several labels by positive_weights",
                code="class_balance_target",
            )
        return target

    def _labelled_cases(self, index: Index) -> np.ndarray:
        drawn = np.unique(np.asarray(index.case))
        target = self._target(index)[drawn]
        return target[target >= 0]
