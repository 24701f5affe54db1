"""Good enough: end a training as soon as the tune score is where it was to get."""

from __future__ import annotations

from typing import Any

from torch import nn

from preceptor.core.batch import Directive, EpochEnd
from preceptor.core.cohort import Cohort
from preceptor.core.errors import RecipeError


class GoodEnough(nn.Module):
    """Ends the training when the tune score has reached a value: for trials that ask whether something is learnt at all.

    Scores have no shape and the unit of the recipe's tune score; epochs that were not scored do not count.

    Args:
        score: What is enough: at least that where higher is better, at most that where lower is.

    Returns:
        From `after_epoch`: a `Directive` to stop, or None.

    Raises:
        RecipeError: No case has the role "tune", so there would be no score to watch.

    Source: own.

    Example:
        >>> method = GoodEnough(score=0.9)
        >>> [method.after_epoch(EpochEnd(i, s, True, s, {})) is None for i, s in enumerate([0.5, None, 0.9])]
        [True, True, False]
    """

    needs_roles = ("tune",)

    def __init__(self, score: float) -> None:
        super().__init__()
        self.score = score

    @classmethod
    def example(cls) -> GoodEnough:
        return cls(score=0.9)

    def setup(self, network: Any, cohort: Cohort) -> None:
        if not cohort.with_role("tune"):
            raise RecipeError(
                "good_enough has no tune cases to watch",
                where="methods.good_enough",
                expected="cases with the role 'tune'",
                remedy="give `split` a tune share",
                code="good_enough_blind",
            )

    def after_epoch(self, end: EpochEnd) -> Directive | None:
        if end.score is None:
            return None
        enough = end.score >= self.score if end.higher_is_better else end.score <= self.score
        return Directive(stop=True) if enough else None
