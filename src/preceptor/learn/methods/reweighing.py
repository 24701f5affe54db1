"""Reweighing: groups and classes drawn as if they had nothing to do with each other."""

from __future__ import annotations

import numpy as np
from torch import nn

from preceptor.core.batch import Index
from preceptor.core.errors import RecipeError
from preceptor.core.plain import is_missing
from preceptor.maths.group_weights import independence_weights


class Reweighing(nn.Module):
    """Draws cases so that every group has the same share of each class, and groups and classes stay as common.

    Where most of the ill come from one site, the site is the easiest sign of illness; drawn so, it is no sign at all.
    It can't help where a group has one class alone: such a cell has no case to draw. Rows whose group or class is not
    known keep their chance. Probabilities are then those of the reweighed cohort: recalibrate on cases as they come.

    Args:
        field: The column that names the group (site, sex …).
        by: The target; None takes the only one.

    Returns:
        From `sampler`: ``(row,)`` probabilities that sum to one.

    Raises:
        RecipeError: Fewer than two groups, or the target is no class index per case.

    Source: Kamiran & Calders 2012 (doi 10.1007/s10115-011-0463-8), with its weights as chances of being drawn.

    Example:
        >>> wards = {"ward": ["a", "a", "a", "b", "b", "b"]}
        >>> index = Index(list("uvwxyz"), np.arange(6), -np.ones(6), np.ones(6) / 6, {"y": np.array([1, 1, 0, 1, 0, 0])},
        ...     wards)
        >>> Reweighing("ward").sampler(index).round(3).tolist()
        [0.125, 0.125, 0.25, 0.25, 0.125, 0.125]
    """

    def __init__(self, field: str, by: str | None = None) -> None:
        super().__init__()
        self.field = field
        self.by = by

    @classmethod
    def example(cls) -> Reweighing:
        return cls(field="site")

    def sampler(self, index: Index) -> np.ndarray:
        case = np.asarray(index.case)
        target, group = self._target(index)[case], self._group(index)[case]
        share = np.asarray(index.share, dtype=float)
        drawn = np.unique(case)
        # Weights are of cases; rows of one case (patches) share what it weighs.
        weight = np.ones(len(index.keys))
        weight[drawn] = independence_weights(self._group(index)[drawn], self._target(index)[drawn])
        known = (target >= 0) & (group >= 0)
        share = share * weight[case]
        if known.any():  # what is known keeps its part of the whole, so that the rest is drawn as before
            before = np.asarray(index.share, dtype=float)[known].sum()
            share[known] *= before / share[known].sum()
        return share / share.sum()

    def _target(self, index: Index) -> np.ndarray:
        name = self.by or (next(iter(index.targets)) if len(index.targets) == 1 else None)
        target = None if name is None else np.asarray(index.targets.get(name, np.zeros(())))
        if target is None or target.ndim != 1 or not np.issubdtype(target.dtype, np.integer):
            raise RecipeError(
                "reweighing finds no class per case",
                where="methods.reweighing.by",
                expected=f"a target that is one class per case; there is {', '.join(index.targets) or 'none'}",
                remedy="it serves classification: leave it out of other recipes",
                code="reweighing_target",
            )
        return target

    def _group(self, index: Index) -> np.ndarray:
        values = [None if is_missing(value) else str(value) for value in index.fields.get(self.field, ())]
        names = sorted({value for value in values if value is not None})
        if len(names) < 2:
            raise RecipeError(
                f"reweighing finds {len(names)} groups in the field '{self.field}'",
                where="methods.reweighing.field",
                expected="two or more",
                remedy=f"name another field: there is {', '.join(index.fields) or 'none'}",
                code="groups_few",
            )
        position = {name: at for at, name in enumerate(names)}
        return np.array([-1 if value is None else position[value] for value in values])
