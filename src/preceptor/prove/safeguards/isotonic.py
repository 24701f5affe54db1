"""Isotonic recalibration: any curve that never falls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Ge
from torch import Tensor

from preceptor.core.cohort import Sample
from preceptor.core.evidence import Predictions, Question
from preceptor.core.plugins import Prediction
from preceptor.maths.recalibration import fit_isotonic
from preceptor.prove.calibrating import one_by_one, put_to_each, unfit, yes_or_no_cases


class Isotonic:
    """Recalibrates with the curve that never falls and fits the calibration cases best, one for every yes or no.

    It assumes nothing of the curve's form, and so needs many cases: with fewer than about a thousand a line (`platt`)
    is as a rule nearer to the truth. Level stretches make ties of probabilities that differed, so the AUROC may move a
    little; no pair changes its order. The ends stay off 0 and 1 by ``1 / (cases + 2)``.

    Args:
        least_cases: Labelled calibration cases that each class needs (voxels, of dense answers).

    Shapes: ``recalibrate`` takes and gives ``(batch, class, *space)``.

    Raises:
        Refusal: Too few calibration cases are labelled, or a class always or never occurs.

    Source: Zadrozny & Elkan 2002; how many it needs: Niculescu-Mizil & Caruana 2005.

    Example:
        >>> state = {"at": [np.array([0.0, 1.0])], "value": [np.array([0.2, 0.6])], "exclusive": True}
        >>> Isotonic().with_state(state).recalibrate(torch.tensor([[0.5, 0.5]]))
        tensor([[0.6000, 0.4000]])
    """

    fit_role = "calibrate"
    keeps_answer = False

    def __init__(self, least_cases: Annotated[int, Ge(2)] = 200) -> None:
        self.least_cases = least_cases
        self.curves = [(torch.tensor([0.0, 1.0]), torch.tensor([0.0, 1.0]))]
        self.exclusive = True

    @classmethod
    def example(cls) -> Isotonic:
        return cls(least_cases=10)

    def suits(self, question: Question) -> bool:
        return one_by_one(question)

    def fit(self, predictions: Predictions, samples: Callable[[], Iterator[Sample]]) -> dict[str, Any]:
        """The curves of the calibration cases.

        Args:
            predictions: Of the calibration cases.
            samples: Not looked at.
        """
        found = []
        for which, yes, _, truth in yes_or_no_cases(predictions, "isotonic", self.least_cases):
            steps = fit_isotonic(yes, truth)
            if steps is None:
                told = "always or never occurs among the calibration cases"
                raise unfit("isotonic", which, told, "both, many times")
            found.append(steps)
        return {
            "at": [each.at for each in found],
            "value": [each.value for each in found],
            "exclusive": predictions.question.exclusive,
        }

    def with_state(self, state: Mapping[str, Any]) -> Isotonic:
        fitted = Isotonic(self.least_cases)
        fitted.curves = [(_tensor(at), _tensor(value)) for at, value in zip(state["at"], state["value"], strict=True)]
        fitted.exclusive = bool(state["exclusive"])
        return fitted

    def recalibrate(self, probability: Tensor) -> Tensor:
        """Probabilities ``(batch, class, *space)`` on the fitted curves."""
        return put_to_each(probability, self.exclusive, [partial(_on_steps, *curve) for curve in self.curves])

    def __call__(self, prediction: Prediction) -> Prediction:
        return prediction


def _tensor(values: Any) -> Tensor:
    return torch.as_tensor(np.asarray(values, dtype=np.float64))


def _on_steps(at: Tensor, value: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    """Straight between the points, level beyond them."""
    at, value = at.to(yes), value.to(yes)
    if len(at) == 1:
        return value.expand_as(yes).clone()
    right = torch.searchsorted(at, yes.contiguous()).clamp(1, len(at) - 1)
    left = right - 1
    share = ((yes - at[left]) / (at[right] - at[left]).clamp_min(1e-12)).clamp(0, 1)
    return torch.lerp(value[left], value[right], share)
