"""Area under the ROC curve at a time of follow-up."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Lt

from preceptor.core.cohort import Cohort
from preceptor.core.evidence import Finding, Predictions, Question
from preceptor.maths.intervals import average_of
from preceptor.maths.survival_measures import auc_statistic
from preceptor.prove.measuring import Measuring, by_field
from preceptor.prove.survival import Followed


class SurvivalAuc:
    """AUC at a time: do those with the event by then score above those still without it?

    Cases are those with the event by the time, controls those followed beyond it; each case is weighted by the inverse
    chance to be followed until its event. Who left before, without the event, is neither. Ties count one half. Where
    curves are stored the risk is 1 - the predicted survival at that time, else the one risk score.

    Args:
        times: To measure at, in the question's unit; None takes those of the stored curves (a dozen at most), or the
            quartiles of the times of events.
        resamples: Of patients, for the intervals.
        level: Of the intervals.
        seed: Of the resamples.
        by: Fields of the cohort to divide by: a part for each value.

    Returns:
        A `Finding` in 0..1, the mean over the times, with a part for each, and the curve by time.

    Raises:
        CohortError: A column is missing, or a case with follow-up has no prediction.

    Source: Uno 2007; Hung & Chiang 2010; the plain mean over times, unlike Lambert & Chevret 2016.

    Example:
        >>> SurvivalAuc(times=[12.0]).suits(Question("survival", "death", ("death",), exclusive=False))
        True
    """

    def __init__(
        self,
        times: list[Annotated[float, Gt(0)]] | None = None,
        resamples: Annotated[int, Ge(100)] = 2000,
        level: Annotated[float, Gt(0), Lt(1)] = 0.95,
        seed: Annotated[int, Ge(0)] = 0,
        by: list[str] | None = None,
    ) -> None:
        self.times = times
        self.resamples = resamples
        self.level = level
        self.seed = seed
        self.by = by

    @classmethod
    def example(cls) -> SurvivalAuc:
        return cls()

    def suits(self, question: Question) -> bool:
        return question.task == "survival"

    def __call__(self, predictions: Predictions, cohort: Cohort) -> Finding:
        return by_field(self._measure(predictions, cohort), self.by, predictions, cohort, self._measure)

    def _measure(self, predictions: Predictions, cohort: Cohort) -> Finding:
        measuring = Measuring.of(predictions, self.resamples, self.level, self.seed)
        followed = Followed.of(measuring, cohort)
        times = followed.chosen(self.times)
        definition = "chance that a case with the event by a time has a higher risk than one still without it"
        statistics = [
            auc_statistic(
                followed.time,
                followed.event,
                followed.risk_at(time),
                float(time),
                followed.resamples,
                followed.censoring,
            )
            for time in times
        ]
        parts, trials = {}, []
        for time, statistic in zip(times, statistics, strict=True):
            cases, controls = followed.event & (followed.time <= time), followed.time > time
            trials.append(min(len(np.unique(followed.resamples.cluster[side])) for side in (cases, controls)))
            parts[f"at_{time:g}"] = measuring.finding(
                f"survival_auc.at_{time:g}",
                f"{definition}, at {followed.told(time)}",
                statistic,
                followed.rows,
                accelerated=False,
                trials=trials[-1],
                notes=(f"{int(cases.sum())} with the event by then, {int(controls.sum())} followed beyond",),
            )
        ends = [part.interval or (float("nan"),) * 2 for part in parts.values()]
        curve = {
            f"time{f' ({followed.unit})' if followed.unit else ''}": times.tolist(),
            "auc": [part.value for part in parts.values()],
            "lower": [low for low, _ in ends],
            "upper": [high for _, high in ends],
        }
        missing = () if len(times) else ("no time that anybody was followed to",)
        return measuring.finding(
            "survival_auc",
            f"{definition}; the mean over {len(times)} time{'s' if len(times) != 1 else ''}",
            average_of(statistics),
            followed.rows,
            accelerated=False,
            trials=min(trials, default=None),
            notes=(*followed.notes, *followed.beyond(self.times), *missing),
            parts=parts,
            curves={"auc": curve} if len(times) > 1 else {},
        )
