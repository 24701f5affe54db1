"""Affine recalibration: one scale and an offset for every class, as photographs of X-rays need."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Ge
from torch import Tensor

from preceptor.core.cohort import Sample
from preceptor.core.evidence import Predictions, Question
from preceptor.core.plugins import Prediction
from preceptor.maths.calibration import FLOOR
from preceptor.maths.recalibration import fit_affine, fit_line, log_odds
from preceptor.prove.calibrating import calibration_cases, unfit, yes_or_no_cases


class Affine:
    """Recalibrates with one scale and an offset for every class: for images of another kind than those learnt from.

    A telephone's photograph of an X-ray flattens the scores and moves them all one way. A temperature mends the first
    alone; the offset mends the second. Fitted on photographs whose truth is known, of patients that are neither learnt
    from nor tested. The accuracy of ranking that the photograph cost does not come back: with two classes, and with
    independent labels, the AUROC is the same before and after.

    Classes that exclude each other: ``softmax(scale * log p + offset)``, as good for voxels as for cases. Independent
    labels: ``sigmoid(scale * z + offset)``, each with its own.

    Args:
        least_cases: Labelled calibration cases that are needed (of each label; voxels, of dense answers). Fewer than
            about 100 may turn the scale negative.

    Shapes: ``recalibrate`` takes and gives ``(batch, class, *space)``.

    Raises:
        Refusal: Too few calibration cases are labelled, a class never occurs, or the scale is not above 0.

    Source: Kuo 2021 (npj Digital Medicine 4:25); several classes: Alexandari 2020 (arXiv:1901.06852), bias-corrected
        temperature scaling.

    Example:
        >>> fitted = Affine().with_state({"scale": [0.5], "offset": [0.0, -0.25], "exclusive": True})
        >>> fitted.recalibrate(torch.tensor([[0.5, 0.5]]))
        tensor([[0.5622, 0.4378]])
    """

    fit_role = "calibrate"
    keeps_answer = False

    def __init__(self, least_cases: Annotated[int, Ge(2)] = 100) -> None:
        self.least_cases = least_cases
        self.scale = [1.0]
        self.offset = [0.0]
        self.exclusive = True

    @classmethod
    def example(cls) -> Affine:
        return cls(least_cases=10)

    def suits(self, question: Question) -> bool:
        return not question.is_regression

    def fit(self, predictions: Predictions, samples: Callable[[], Iterator[Sample]]) -> dict[str, Any]:
        """The scale and the offsets of the calibration cases.

        Args:
            predictions: Of the calibration cases.
            samples: Not looked at.
        """
        classes = predictions.question.classes
        scale, offset = [], []
        if predictions.question.exclusive:
            probability, truth = calibration_cases(predictions, "affine", self.least_cases)
            known = ~np.isnan(truth).any(1)
            found = fit_affine(probability[known], truth[known].argmax(1))
            if found is None:
                raise _absent(" or ".join(classes))
            scale, offset = [found.scale], found.offset.tolist()
        else:
            for which, yes, no, truth in yes_or_no_cases(predictions, "affine", self.least_cases):
                line = fit_line(log_odds(yes, no), truth)
                if line is None:
                    raise _absent(which)
                scale.append(line.slope)
                offset.append(line.intercept)
        for which, each in zip(classes if len(scale) > 1 else [" or ".join(classes)], scale, strict=True):
            if each <= 0:
                raise unfit("affine", which, "is the rarer the higher its probability", "a scale above 0")
        return {"scale": scale, "offset": offset, "exclusive": predictions.question.exclusive}

    def with_state(self, state: Mapping[str, Any]) -> Affine:
        fitted = Affine(self.least_cases)
        fitted.scale = [float(each) for each in state["scale"]]
        fitted.offset = [float(each) for each in state["offset"]]
        fitted.exclusive = bool(state["exclusive"])
        return fitted

    def recalibrate(self, probability: Tensor) -> Tensor:
        """Probabilities ``(batch, class, *space)`` at the fitted scale and offsets."""
        along = (-1, *(1 for _ in probability.shape[2:]))
        scale, offset = (
            torch.tensor(each, device=probability.device).view(along) for each in (self.scale, self.offset)
        )
        if self.exclusive:
            return torch.softmax(scale * probability.clamp_min(FLOOR).log() + offset, 1)
        odds = probability.clamp_min(FLOOR).log() - (1 - probability).clamp_min(FLOOR).log()
        return torch.sigmoid(scale * odds + offset)

    def __call__(self, prediction: Prediction) -> Prediction:
        return prediction


def _absent(which: str) -> Exception:
    return unfit("affine", which, "never occurs, or always, among the calibration cases", "each several times")
