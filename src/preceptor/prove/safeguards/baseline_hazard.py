"""Baseline hazard: from a risk that ranks to the share without the event at each time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import numpy as np

from preceptor.core.cohort import Sample
from preceptor.core.errors import Refusal
from preceptor.core.evidence import Predictions, Question
from preceptor.core.plugins import Prediction
from preceptor.maths.survival_curves import Steps, breslow, survival_of


class BaselineHazard:
    """Gives a risk its survival curve: Breslow's cumulative baseline hazard, fitted once and sealed.

    A model trained with `cox` answers a log hazard ratio, which says who comes first and not when. The hazard of a case
    with ratio 1 is estimated on cases whose follow-up is known; the survival at a time is then
    ``exp(-baseline(time) * exp(risk))`` at each of the task's `times`. Curves that an objective of discrete time gave are
    replaced.

    A network knows its training cases better than others: it spreads their risks further, and curves fitted on them
    promise too much. Where calibration cases can be spared, fit on those.

    Args:
        fit_role: Whose follow-up the baseline is estimated on.

    Raises:
        Refusal: At the fit, where none of these cases had the event.

    Source: Breslow 1972, contribution to the discussion of Cox 1972.

    Example:
        >>> fitted = BaselineHazard().with_state({"time": np.array([1.0, 3.0]), "hazard": np.array([0.1, 0.5])})
        >>> question = Question("survival", "death", ("death",), exclusive=False, times=(2.0,))
        >>> round(float(fitted(Prediction("a", question, np.array([0.0]))).survival[0]), 4)
        0.9048
    """

    gives_curves = True

    def __init__(self, fit_role: Literal["train", "tune", "calibrate"] = "train") -> None:
        self.fit_role = fit_role
        self.baseline: Steps | None = None

    @classmethod
    def example(cls) -> BaselineHazard:
        return cls()

    def suits(self, question: Question) -> bool:
        return question.task == "survival"

    def fit(self, predictions: Predictions, samples: Callable[[], Iterator[Sample]]) -> dict[str, Any]:
        """The steps of the cumulative baseline hazard.

        Args:
            predictions: Of the cases with the role that it is fitted on.
            samples: Not looked at.
        """
        table = predictions.table[["truth_time", "truth_event", "answer"]].astype(float).dropna()
        time, event, risk = (table[name].to_numpy() for name in table)
        if not (event == 1).any():
            raise Refusal(
                f"no {self.fit_role} case had the event: there is no hazard to estimate",
                where="safeguards.baseline_hazard",
                expected=f"cases with the role '{self.fit_role}' whose follow-up ended with the event",
                remedy="deal the roles anew, or fit on another role: {baseline_hazard: {fit_role: train}}",
                code="no_event",
            )
        steps = breslow(time, event == 1, risk)
        return {"time": steps.time, "hazard": steps.value}

    def with_state(self, state: Mapping[str, Any]) -> BaselineHazard:
        fitted = BaselineHazard(self.fit_role)
        time, hazard = (np.asarray(state[name], dtype=float) for name in ("time", "hazard"))
        fitted.baseline = Steps(time, hazard, 0.0)
        return fitted

    def __call__(self, prediction: Prediction) -> Prediction:
        if prediction.probability is not None and self.baseline is not None:
            risk = np.asarray(prediction.probability, dtype=float)[:1]
            prediction.survival = survival_of(self.baseline, risk, np.array(prediction.question.times))[0]
        return prediction
