"""Beta calibration: a curve with a slope of its own at either end."""

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
from preceptor.maths.recalibration import fit_beta
from preceptor.prove.calibrating import one_by_one, put_to_each, unfit, yes_or_no_cases


class Beta:
    """Recalibrates with the beta map: overconfident at one end and underconfident at the other is within its reach.

    ``sigmoid(a log p - b log(1 - p) + c)`` with a and b at 0 or above, one map for every question of yes or no. Platt
    scaling is the case a = b; unlike that family this one holds the map that changes nothing, (1, 1, 0), for scores
    that are probabilities already.

    Args:
        least_cases: Labelled calibration cases that each class needs (voxels, of dense answers).

    Shapes: ``recalibrate`` takes and gives ``(batch, class, *space)``.

    Raises:
        Refusal: Too few calibration cases are labelled, a class always or never occurs, or is not ranked at all.

    Source: Kull 2017 (AISTATS, PMLR 54:623), eq. 3.

    Example:
        >>> fitted = Beta().with_state({"a": [1.0], "b": [1.0], "c": [0.0], "exclusive": True})
        >>> fitted.recalibrate(torch.tensor([[0.25, 0.75]]))
        tensor([[0.2500, 0.7500]])
    """

    fit_role = "calibrate"
    keeps_answer = False

    def __init__(self, least_cases: Annotated[int, Ge(2)] = 100) -> None:
        self.least_cases = least_cases
        self.curves = [(1.0, 1.0, 0.0)]
        self.exclusive = True

    @classmethod
    def example(cls) -> Beta:
        return cls(least_cases=10)

    def suits(self, question: Question) -> bool:
        return one_by_one(question)

    def fit(self, predictions: Predictions, samples: Callable[[], Iterator[Sample]]) -> dict[str, Any]:
        """The maps of the calibration cases.

        Args:
            predictions: Of the calibration cases.
            samples: Not looked at.
        """
        found = []
        for which, yes, no, truth in yes_or_no_cases(predictions, "beta", self.least_cases):
            fitted = fit_beta(yes, truth, no)
            if fitted is None:
                told = "always or never occurs among the calibration cases, or is not ranked at all"
                raise unfit("beta", which, told, "both, by a model that ranks")
            found.append(fitted)
        letters = {name: [float(getattr(each, name)) for each in found] for name in ("a", "b", "c")}
        return {**letters, "exclusive": predictions.question.exclusive}

    def with_state(self, state: Mapping[str, Any]) -> Beta:
        fitted = Beta(self.least_cases)
        each = zip(state["a"], state["b"], state["c"], strict=True)
        fitted.curves = [(float(a), float(b), float(c)) for a, b, c in each]
        fitted.exclusive = bool(state["exclusive"])
        return fitted

    def recalibrate(self, probability: Tensor) -> Tensor:
        """Probabilities ``(batch, class, *space)`` on the fitted maps."""
        return put_to_each(probability, self.exclusive, [partial(_on_curve, *curve) for curve in self.curves])

    def __call__(self, prediction: Prediction) -> Prediction:
        return prediction


def _on_curve(a: float, b: float, c: float, yes: Tensor, no: Tensor) -> Tensor:
    return torch.sigmoid(a * yes.clamp_min(FLOOR).log() - b * no.clamp_min(FLOOR).log() + c)
