"""The one number that early stopping and search look at, by the kind of question."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from preceptor.core.evidence import Question
from preceptor.core.plugins import Prediction

_FLOOR = 1e-7


def tuning_score(question: Question) -> tuple[Callable[[Sequence[Prediction], Sequence[Any]], float], bool]:
    """The score of the tune cases and whether higher is better.

    Dense answers: mean Dice over structures and cases on the prepared grid, a structure absent from both counting 1.
    Regression: mean absolute error. Survival: negative log partial likelihood per event, over the tune cases as one risk
    set. Otherwise: mean negative log-likelihood of what is labelled, which moves before
    a ranking does where tune cases are few.
    """
    if question.dense:
        return _mean_dice(len(question.classes)), True
    if question.task == "survival":
        return _partial_likelihood, False
    if question.is_regression:
        return _mean_absolute_error, False
    return (_likelihood if question.exclusive else _binary_likelihood), False


def score_name(question: Question) -> str:
    """What `tuning_score` measures, for the axis of a chart."""
    if question.dense:
        return "mean Dice"
    if question.task == "survival":
        return "negative log partial likelihood"
    return "mean absolute error" if question.is_regression else "negative log-likelihood"


def _mean_dice(classes: int) -> Callable[[Sequence[Prediction], Sequence[Any]], float]:
    def mean_dice(predictions: Sequence[Prediction], truths: Sequence[Any]) -> float:
        scores = []
        for prediction, truth in zip(predictions, truths, strict=True):
            label, truth = np.asarray(prediction.label), np.asarray(truth)
            known = truth >= 0
            for index in range(1, classes):
                said, is_there = (label == index) & known, truth == index
                size = said.sum() + is_there.sum()
                scores.append(1.0 if size == 0 else 2.0 * (said & is_there).sum() / size)
        return float(np.mean(scores))

    return mean_dice


def _likelihood(predictions: Sequence[Prediction], truths: Sequence[Any]) -> float:
    terms = [
        -np.log(max(float(np.asarray(prediction.probability)[int(truth)]), _FLOOR))
        for prediction, truth in zip(predictions, truths, strict=True)
        if int(truth) >= 0
    ]
    return float(np.mean(terms)) if terms else 0.0


def _binary_likelihood(predictions: Sequence[Prediction], truths: Sequence[Any]) -> float:
    probability = np.clip(np.array([prediction.probability for prediction in predictions]), _FLOOR, 1 - _FLOOR)
    truth = np.array(truths, dtype=float)
    terms = np.where(np.isnan(truth), np.nan, -(truth * np.log(probability) + (1 - truth) * np.log1p(-probability)))
    return float(np.nanmean(terms)) if np.isfinite(terms).any() else 0.0


def _mean_absolute_error(predictions: Sequence[Prediction], truths: Sequence[Any]) -> float:
    terms = [abs(float(np.asarray(p.probability)[0]) - float(t[0])) for p, t in zip(predictions, truths, strict=True)]
    return float(np.nanmean(terms)) if terms else 0.0


def _partial_likelihood(predictions: Sequence[Prediction], truths: Sequence[Any]) -> float:
    import torch

    from preceptor.maths.survival_losses import cox

    risk = torch.tensor(np.array([np.asarray(each.probability)[0] for each in predictions]), dtype=torch.float64)
    followed = torch.tensor(np.array(truths, dtype=float))
    known = ~followed.isnan().any(1)
    if not (followed[known, 1] == 1).any():
        return 0.0
    terms = cox(risk[known], followed[known, 0], followed[known, 1] == 1, "efron")
    return float(terms.sum() / (followed[known, 1] == 1).sum())
