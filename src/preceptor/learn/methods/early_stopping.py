"""Early stopping: end a training that has stopped getting better."""

from __future__ import annotations

from typing import Annotated, Any

from annotated_types import Ge
from torch import nn

from preceptor.core.batch import Directive, EpochEnd
from preceptor.core.cohort import Cohort
from preceptor.core.errors import RecipeError
from preceptor.maths.stopping import progress_of


class EarlyStopping(nn.Module):
    """Ends the training when the tune score has not got better for a while. The best epoch's weights are kept anyway.

    Scores have no shape and the unit of the recipe's tune score; epochs that were not scored do not count.

    Args:
        patience: Scored epochs to wait for a better score.
        least_gain: What a score must be better by to end the wait. The weights kept are the best scored ones all the
            same, however small their lead.

    Returns:
        From `after_epoch`: a `Directive` to stop, or None.

    Raises:
        RecipeError: No case has the role "tune", so there would be no score to watch.

    Source: Prechelt 1998 (doi 10.1007/3-540-49430-8_3), with patience.

    Example:
        >>> method = EarlyStopping(patience=2)
        >>> [method.after_epoch(EpochEnd(i, s, False, s, {})) is None for i, s in enumerate([0.6, 0.7, 0.8])]
        [True, True, False]
    """

    needs_roles = ("tune",)

    def __init__(self, patience: Annotated[int, Ge(1)] = 10, least_gain: Annotated[float, Ge(0)] = 0.0) -> None:
        super().__init__()
        self.patience = patience
        self.least_gain = least_gain
        self.scores: list[float] = []

    @classmethod
    def example(cls) -> EarlyStopping:
        return cls(patience=2)

    def setup(self, network: Any, cohort: Cohort) -> None:
        if not cohort.with_role("tune"):
            raise RecipeError(
                "early_stopping has no tune cases to watch",
                where="methods.early_stopping",
                expected="cases with the role 'tune'",
                remedy="give `split` a tune share",
                code="early_stopping_blind",
            )

    def after_epoch(self, end: EpochEnd) -> Directive | None:
        if end.score is None:
            return None
        self.scores.append(end.score)
        waited = progress_of(self.scores, self.least_gain, end.higher_is_better).waited
        return Directive(stop=True) if waited >= self.patience else None

    def get_extra_state(self) -> dict[str, Any]:
        return {"scores": self.scores}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.scores = [float(score) for score in state["scores"]]
