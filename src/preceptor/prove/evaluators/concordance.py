"""Concordance: does the case with the higher risk have the event sooner?"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt, Lt

from preceptor.core.cohort import Cohort
from preceptor.core.evidence import Finding, Predictions, Question
from preceptor.maths.concordance import antolini_statistic, concordance_statistic
from preceptor.prove.measuring import Measuring, by_field
from preceptor.prove.survival import Followed


class Concordance:
    """Harrell's C: of two cases, does the one with the higher predicted risk have the event sooner?

    Pairs are compared where one case had the event while the other was still followed; equal risks count one half.
    One half is chance. Censoring decides which pairs can be compared, so Harrell's C moves with it; the part ``uno``
    weighs each pair by the inverse chance to be followed so long and does not. Where whole curves are stored, the part
    ``antolini`` compares them at the time of each event: that is what to read where curves cross.

    Args:
        until: Events from this time on are no first of a pair in ``uno``, whose weights explode where hardly anybody is
            followed; None takes the time to which a tenth of the cases is followed.
        resamples: Of patients, for the intervals.
        level: Of the intervals.
        seed: Of the resamples.
        by: Fields of the cohort to divide by: a part for each value.

    Returns:
        A `Finding` in 0..1 with the parts ``uno`` and, where curves are stored, ``antolini``.

    Raises:
        CohortError: A column is missing, or a case with follow-up has no prediction.

    Source: Harrell 1982; Uno 2011; Antolini 2005.

    Example:
        >>> Concordance().suits(Question("survival", "death", ("death",), exclusive=False, unit="months"))
        True
    """

    def __init__(
        self,
        until: Annotated[float, Gt(0)] | None = None,
        resamples: Annotated[int, Ge(100)] = 2000,
        level: Annotated[float, Gt(0), Lt(1)] = 0.95,
        seed: Annotated[int, Ge(0)] = 0,
        by: list[str] | None = None,
    ) -> None:
        self.until = until
        self.resamples = resamples
        self.level = level
        self.seed = seed
        self.by = by

    @classmethod
    def example(cls) -> Concordance:
        return cls()

    def suits(self, question: Question) -> bool:
        return question.task == "survival"

    def __call__(self, predictions: Predictions, cohort: Cohort) -> Finding:
        return by_field(self._measure(predictions, cohort), self.by, predictions, cohort, self._measure)

    def _measure(self, predictions: Predictions, cohort: Cohort) -> Finding:
        measuring = Measuring.of(predictions, self.resamples, self.level, self.seed)
        followed = Followed.of(measuring, cohort)
        time, event, resamples = followed.time, followed.event, followed.resamples
        until = self.until or (float(np.quantile(time, 0.9)) if len(time) else 0.0)
        happened = followed.rows.copy()
        happened[followed.rows] = event
        shared: dict[str, Any] = {
            "entered": followed.rows,
            "accelerated": False,
            "trials": measuring.clusters(happened),
        }
        parts = {
            "uno": measuring.finding(
                "concordance.uno",
                f"concordant share of comparable pairs whose first event is before {followed.told(until)}, each pair "
                "weighted by the inverse squared chance to be followed until its first event",
                concordance_statistic(
                    time, event, followed.risk, resamples, weighted=True, censoring=followed.censoring, until=until
                ),
                **shared,
            )
        }
        if len(followed.times):
            parts["antolini"] = measuring.finding(
                "concordance.antolini",
                "concordant share of comparable pairs, by the predicted survival at the time of the first event",
                antolini_statistic(time, event, followed.survival, followed.times, resamples),
                **shared,
            )
        return measuring.finding(
            "concordance",
            "share of comparable pairs in which the case with the earlier event has the higher risk, ties one half",
            concordance_statistic(time, event, followed.risk, resamples),
            notes=followed.notes,
            parts=parts,
            **shared,
        )
