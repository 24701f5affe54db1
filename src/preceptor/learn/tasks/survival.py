"""Survival: how soon will it happen?"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Gt, MinLen

from preceptor.core.cohort import Case, Sample
from preceptor.core.errors import RecipeError
from preceptor.core.evidence import Question
from preceptor.learn.follow_up import target_of


class Survival:
    """Time to an event, of cases that were followed until it happened or until they were lost from sight.

    The answer is a risk (higher is sooner) and, where the objective or a safeguard gives curves, the share of such cases
    still without the event at each of `times`.

    A case whose time or event is missing is unlabelled. Both columns are best declared among the data set's labels:
    there no network is fed them.

    Args:
        time: Column of the time of follow-up, from 0 on.
        event: Column that says how it ended: 1 with the event, 0 without (lost from sight, or the study was over). It
            names the event in reports (``death_event``: death).
        times: When the survival is asked for, such as one, three and five years: curves are stored at these times, and
            losses of discrete time divide time there.
        unit: Of time, for reports ("months").
        clinical: Columns that a clinician would use without the image: the Cox model that the network is held against
            is given them. The network is not.

    The target is ``(3,)`` float32: time, event (1 or 0) and the interval of `times` that the case speaks of last (see
    `preceptor.learn.follow_up.interval_of`); NaN where unlabelled.

    Raises:
        RecipeError: The same column is to hold the time and the event.
        CohortError: A time is no number or below 0, or an event is neither 0 nor 1.

    Source: the task itself; censoring as in Cox 1972.

    Example:
        >>> task = Survival(time="months", event="death", times=[12, 24])
        >>> task.encode(Case("a", {}, labels={"months": 18, "death": 1}))["death"].tolist()
        [18.0, 1.0, 1.0]
    """

    mask = None
    varies = False

    def __init__(
        self,
        time: str,
        event: str,
        times: Annotated[list[Annotated[float, Gt(0)]], MinLen(1)],
        unit: str = "",
        clinical: list[str] | None = None,
    ) -> None:
        if time == event:
            raise RecipeError(
                f"the column '{time}' is named as the time and as the event",
                where="task.survival",
                expected="a column of times, and one that says how the follow-up ended (1 or 0)",
                code="follow_up_columns",
            )
        self.time = time
        self.event = event
        self.times = times
        self.unit = unit
        self.clinical = clinical
        asked = tuple(sorted({float(each) for each in times}))
        named = event.removesuffix("_event") or event
        self.question = Question(
            "survival", event, (named,), exclusive=False, unit=unit, times=asked, follow_up=(time, event)
        )

    @classmethod
    def example(cls) -> Survival:
        return cls(time="months", event="death", times=[12, 24, 60], unit="months")

    def encode(self, case: Case | Sample) -> dict[str, np.ndarray]:
        return {self.event: target_of(case, self.question)}

    def encode_mask(self, array: np.ndarray) -> np.ndarray:
        raise TypeError("survival has no dense truth")

    decode_mask = encode_mask

    def __call__(self, images, targets, rng):
        return images, targets
