"""What recalibrators share: the cases they are fitted on, and how a map of yes or no is put to every class."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from preceptor.core.errors import Refusal
from preceptor.core.evidence import Predictions, Question

#: Of the probability of yes ``(...)`` and of no ``(...)``, the recalibrated probability of yes.
YesOrNo = Callable[[Tensor, Tensor], Tensor]


def one_by_one(question: Question) -> bool:
    """Whether each answer is a yes or a no: two classes that exclude each other, or independent labels."""
    return not question.is_regression and (not question.exclusive or len(question.classes) == 2)


def calibration_cases(predictions: Predictions, name: str, least: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and truths of the calibration cases; of dense answers, of their stored voxels.

    Args:
        predictions: Of the calibration cases.
        name: Of the safeguard, for the refusal.
        least: Labelled cases (or voxels) that it needs.

    Returns:
        ``(item, class)`` probabilities and ``(item, class)`` truths: 0, 1, NaN where unlabelled.

    Raises:
        Refusal: Fewer are labelled.
    """
    question = predictions.question
    columns = [f"probability_{each}" for each in question.classes]
    classes = len(columns)
    probability, truth = np.empty((0, classes)), np.empty((0, classes))
    if not question.dense:
        probability, truth = predictions.probabilities(), predictions.truth_matrix()
    elif predictions.voxels is not None and len(predictions.voxels):
        probability = predictions.voxels[columns].to_numpy(dtype=np.float64)
        index = predictions.voxels["truth"].to_numpy(dtype=np.int64)
        truth = np.where((index >= 0)[:, None], np.eye(classes)[np.maximum(index, 0)], np.nan)
    labelled = int((~np.isnan(truth)).any(1).sum())
    if labelled < max(least, 1):
        what = "voxel" if question.dense else "case"
        raise Refusal(
            f"too little to calibrate on: {labelled} labelled {what}{'' if labelled == 1 else 's'}",
            where=f"safeguards.{name}",
            expected=f"{max(least, 1)} or more with the role 'calibrate' and a truth",
            remedy=f"give `split` a larger calibrate share, take temperature, or leave {name} out",
            code="calibrate_unlabelled" if not labelled else "calibrate_few",
        )
    return probability, truth


def yes_or_no_cases(
    predictions: Predictions, name: str, least: int
) -> list[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """The calibration cases of every question of yes or no: its class, ``(item,)`` yes, no, and truth.

    Args:
        predictions, name, least: As `calibration_cases`; `least` holds for each class.

    Raises:
        Refusal: Fewer are labelled.
    """
    probability, truth = calibration_cases(predictions, name, least)
    question = predictions.question
    found = []
    for at in (1,) if question.exclusive else range(len(question.classes)):
        known = ~np.isnan(truth[:, at])
        yes = probability[known, at]
        no = probability[known, 0] if question.exclusive else 1 - yes
        if known.sum() < least:
            raise unfit(name, question.classes[at], f"has {known.sum()} labelled calibration cases", f"{least} or more")
        found.append((question.classes[at], yes, no, truth[known, at]))
    return found


def unfit(name: str, which: str, what: str, expected: str) -> Refusal:
    """A refusal to recalibrate a class.

    Args:
        name: Of the safeguard.
        which: The class.
        what: What is wrong with it.
        expected: What would do.
    """
    return Refusal(
        f"{which} {what}",
        where=f"safeguards.{name}",
        expected=expected,
        remedy="more calibration cases, or temperature, which asks for less",
        code="calibrate_unfit",
    )


def put_to_each(probability: Tensor, exclusive: bool, maps: Sequence[YesOrNo]) -> Tensor:
    """Every question of yes or no through its own map.

    Args:
        probability: ``(batch, class, *space)``.
        exclusive: Of two classes, the second is asked and the first has the rest.
        maps: One for each question.
    """
    if exclusive:
        yes = maps[0](probability[:, 1], probability[:, 0])
        return torch.stack([1 - yes, yes], 1)
    return torch.stack([each(probability[:, at], 1 - probability[:, at]) for at, each in enumerate(maps)], 1)
