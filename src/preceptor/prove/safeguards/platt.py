"""Platt scaling: a line through the log-odds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Annotated, Any

import torch
from annotated_types import Ge
from torch import Tensor

from preceptor.core.cohort import Sample
from preceptor.core.evidence import Predictions, Question
from preceptor.core.plugins import Prediction
from preceptor.maths.calibration import FLOOR
from preceptor.maths.recalibration import fit_platt, log_odds
from preceptor.prove.calibrating import one_by_one, put_to_each, unfit, yes_or_no_cases


class Platt:
    """Recalibrates with a line through the log-odds, one for every question of yes or no.

    ``sigmoid(slope * z + intercept)``: the slope takes away overconfidence as a temperature does, the intercept a
    shift, such as another prevalence. The intercept moves the point where the answer changes; the ranking, and with it
    the AUROC, stays (the slope is above 0, or it is refused). Answers per voxel are recalibrated as they stream by.

    Args:
        least_cases: Labelled calibration cases that each class needs (voxels, of dense answers).

    Shapes: ``recalibrate`` takes and gives ``(batch, class, *space)``.

    Raises:
        Refusal: Too few calibration cases are labelled, a class never occurs, or the higher the probability the rarer
            the class.

    Source: Platt 1999; targets a little short of 0 and 1: section 2.2; Lin 2007.

    Example:
        >>> fitted = Platt().with_state({"slope": [0.5], "intercept": [-0.25], "exclusive": True})
        >>> fitted.recalibrate(torch.tensor([[0.5, 0.5]]))
        tensor([[0.5622, 0.4378]])
    """

    fit_role = "calibrate"
    keeps_answer = False

    def __init__(self, least_cases: Annotated[int, Ge(2)] = 50) -> None:
        self.least_cases = least_cases
        self.slope = [1.0]
        self.intercept = [0.0]
        self.exclusive = True

    @classmethod
    def example(cls) -> Platt:
        return cls(least_cases=10)

    def suits(self, question: Question) -> bool:
        return one_by_one(question)

    def fit(self, predictions: Predictions, samples: Callable[[], Iterator[Sample]]) -> dict[str, Any]:
        """The lines of the calibration cases.

        Args:
            predictions: Of the calibration cases.
            samples: Not looked at.
        """
        lines = []
        for which, yes, no, truth in yes_or_no_cases(predictions, "platt", self.least_cases):
            line = fit_platt(log_odds(yes, no), truth)
            if line is None:
                raise unfit("platt", which, "always or never occurs among the calibration cases", "both, several times")
            if line.slope <= 0:
                raise unfit("platt", which, "is the rarer the higher its probability", "a model that ranks it")
            lines.append(line)
        return {
            "slope": [line.slope for line in lines],
            "intercept": [line.intercept for line in lines],
            "exclusive": predictions.question.exclusive,
        }

    def with_state(self, state: Mapping[str, Any]) -> Platt:
        fitted = Platt(self.least_cases)
        fitted.slope = [float(each) for each in state["slope"]]
        fitted.intercept = [float(each) for each in state["intercept"]]
        fitted.exclusive = bool(state["exclusive"])
        return fitted

    def recalibrate(self, probability: Tensor) -> Tensor:
        """Probabilities ``(batch, class, *space)`` on the fitted lines."""
        maps = [partial(_on_line, slope, shift) for slope, shift in zip(self.slope, self.intercept, strict=True)]
        return put_to_each(probability, self.exclusive, maps)

    def __call__(self, prediction: Prediction) -> Prediction:
        return prediction


def _on_line(slope: float, intercept: float, yes: Tensor, no: Tensor) -> Tensor:
    return torch.sigmoid(slope * (yes.clamp_min(FLOOR).log() - no.clamp_min(FLOOR).log()) + intercept)
