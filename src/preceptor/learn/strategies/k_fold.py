"""Cross-validation: every case is predicted by a training that never saw its patient."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge

from preceptor.core.plugins import Fit, Nested
from preceptor.core.slots import build
from preceptor.intake.split import folds


class KFold:
    """Train `folds` times; each time another share of the patients is the test set.

    The roles of the recipe's split are dealt anew: the cases of the fold are `test`; of the rest the shares of `tune`
    and `calibrate` stay in proportion. Evidence is pooled over the out-of-fold predictions.

    Args:
        folds: How many.
        by: ``patient``, or a field such as ``site``: then no value of that field stands on two sides either.
        stratify: Label whose classes are spread evenly over the folds.
        each: What one fold's training is; a strategy itself.

    Source: Stone 1974, Cross-validatory choice and assessment of statistical predictions.

    Example:
        >>> KFold(folds=5).folds
        5
    """

    deals_roles = True

    def __init__(
        self,
        folds: Annotated[int, Ge(2)] = 5,
        by: str = "patient",
        stratify: str | None = None,
        each: Annotated[str | dict, Nested("strategies")] = "once",
    ) -> None:
        self.folds = folds
        self.by = by
        self.stratify = stratify
        self.each = each

    @classmethod
    def example(cls) -> KFold:
        return cls(folds=2)

    def bind(self, fit: Fit) -> Fit:
        inner = build("strategies", self.each).bind(fit)

        def k_fold(recipe, cohort, start=None, path=()):
            parts = folds(cohort, self.folds, recipe.seed, stratify=self.stratify, by=self.by)
            return [
                fitted
                for number, part in enumerate(parts)
                for fitted in inner(recipe, part, start=start, path=(*path, number))
            ]

        return k_fold
