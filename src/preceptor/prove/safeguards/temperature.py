"""Temperature scaling: probabilities that mean what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from preceptor.core.cohort import Sample
from preceptor.core.errors import Refusal
from preceptor.core.evidence import Predictions, Question
from preceptor.core.plugins import Prediction
from preceptor.maths.calibration import FLOOR, fit_temperature


class Temperature:
    """Recalibrates with one temperature, fitted on the calibration cases; which class is on top never changes.

    Fitted by maximum likelihood on ``(case, class)`` probabilities (dense answers: on the stored sample of voxels),
    between 0.05 and 20, since a calibration set that is told apart without error would drive it to 0. Applied voxel by
    voxel, to ``(batch, class, *space)``: ``p^(1/T)``, normalised over classes that exclude each other; log-odds
    divided by T where they do not.

    Raises:
        Refusal: No calibration case is labelled.

    Source: Guo 2017 (arXiv:1706.04599), section 4.2.

    Example:
        >>> Temperature().with_state({"temperature": 2.0, "exclusive": True}).recalibrate(torch.tensor([[0.8, 0.2]]))
        tensor([[0.6667, 0.3333]])
    """

    fit_role = "calibrate"

    def __init__(self) -> None:
        self.temperature = 1.0
        self.exclusive = True

    @classmethod
    def example(cls) -> Temperature:
        return cls().with_state({"temperature": 1.5, "exclusive": True})

    def suits(self, question: Question) -> bool:
        return not question.is_regression

    def fit(self, predictions: Predictions, samples: Callable[[], Iterator[Sample]]) -> dict[str, Any]:
        """The temperature of the calibration cases.

        Args:
            predictions: Of the calibration cases.
            samples: Not looked at.
        """
        question = predictions.question
        if question.dense:
            voxels = predictions.voxels
            columns = [f"probability_{name}" for name in question.classes]
            probability, truth = None, None
            if voxels is not None and len(voxels):
                probability, truth = voxels[columns].to_numpy(dtype=float), voxels["truth"].to_numpy()
        else:
            probability = predictions.probabilities()
            truth = predictions.truth_index() if question.exclusive else predictions.truth_matrix()
        try:
            if probability is None or truth is None:
                raise ValueError("no voxel of a calibration case is stored")
            found = fit_temperature(probability, truth, question.exclusive)
        except ValueError as error:
            raise Refusal(
                "there is nothing to calibrate on: no calibration case is labelled",
                where="safeguards.temperature",
                expected="cases with the role 'calibrate' and a truth",
                remedy="give `split` a calibrate share of labelled cases, or leave temperature out",
                code="calibrate_unlabelled",
            ) from error
        return {"temperature": found, "exclusive": question.exclusive}

    def with_state(self, state: Mapping[str, Any]) -> Temperature:
        fitted = Temperature()
        fitted.temperature = float(state["temperature"])
        fitted.exclusive = bool(state["exclusive"])
        return fitted

    def recalibrate(self, probability: Tensor) -> Tensor:
        """Probabilities ``(batch, class, *space)`` at the fitted temperature."""
        kept = probability.clamp_min(FLOOR)
        if self.exclusive:
            return torch.softmax(kept.log() / self.temperature, 1)
        return torch.sigmoid((kept.log() - torch.log1p(-probability.clamp_max(1 - 1e-7))) / self.temperature)

    def __call__(self, prediction: Prediction) -> Prediction:
        return prediction
