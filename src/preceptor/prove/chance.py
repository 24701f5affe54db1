"""What answers reach on test cases, and what somebody reaches who never looks."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from preceptor.core.cohort import Cohort
from preceptor.core.errors import CohortError
from preceptor.core.evidence import Predictions
from preceptor.core.plugins import Task
from preceptor.core.slots import build

from .labelled import answer_matrix

#: Two-sided 95 % of a normal distribution, and room for several looks.
_MARGIN = 1.5 * 1.96


class Reached(NamedTuple):
    """A score beside chance.

    Args:
        measure: What it is.
        score: On the test cases.
        chance: What is reached without looking.
        beyond: How far above it luck may go.
    """

    measure: str
    score: float
    chance: float
    beyond: float


def reached(predictions: Predictions, cohort: Cohort, task: Task) -> Reached:
    """Score the test cases of stored predictions.

    Args:
        predictions: Of any role.
        cohort: With the training cases, from which a constant answer to a dense question is taken.
        task: What was asked.

    Raises:
        CohortError: No test case was predicted.
    """
    tested, question = predictions.role("test"), predictions.question
    number = len(tested)
    if not number:
        raise CohortError("no test case was predicted", expected="a few cases", code="no_test_cases")
    if question.dense:
        found = build("evaluators", "dice")(tested, cohort)
        return Reached("mean Dice", float(found.value), _best_constant(cohort, task), 0.1)
    if question.task == "survival":
        return _concordance(tested)
    if question.is_regression:
        truth, answer = (tested.table[column].to_numpy(float) for column in ("truth", "answer"))
        explained = 1 - float(np.mean((answer - truth) ** 2) / np.var(truth))
        return Reached("explained variance", explained, 0.0, _MARGIN / math.sqrt(number))
    return _exclusive(tested) if question.exclusive else _several(tested)


def _exclusive(tested: Predictions) -> Reached:
    right = (tested.table["answer"] == tested.table["truth"]).to_numpy(float)
    truth = tested.table["truth"].to_numpy()
    recalls = [right[truth == name].mean() for name in sorted(set(truth))]
    chance = 1 / len(tested.question.classes)
    spread = math.sqrt(chance * (1 - chance) / len(tested))
    return Reached("balanced accuracy", float(np.mean(recalls)), chance, _MARGIN * spread)


def _several(tested: Predictions) -> Reached:
    said, there = answer_matrix(tested), tested.truth_matrix()
    recalls = [np.mean(said[there[:, k] == v, k] == v) for k in range(there.shape[1]) for v in (0, 1)]
    spread = math.sqrt(0.25 / (len(tested) * there.shape[1]))
    return Reached("balanced accuracy", float(np.nanmean(recalls)), 0.5, _MARGIN * spread)


def _concordance(tested: Predictions) -> Reached:
    """Harrell's C; its spread by luck is that of Kendall's tau among as many cases as had the event (Kendall 1938)."""
    from preceptor.maths.concordance import harrell

    time, event, risk = (tested.table[name].to_numpy(float) for name in ("truth_time", "truth_event", "answer"))
    number = max(int(event.sum()), 2)
    spread = math.sqrt(2 * (2 * number + 5) / (9 * number * (number - 1))) / 2
    return Reached("concordance", harrell(time, event == 1, risk), 0.5, _MARGIN * spread)


def _best_constant(cohort: Cohort, task: Any) -> float:
    """Mean Dice of the best answer that never looks: the region where the structure lies in most training cases."""
    from preceptor.intake.case import open_case

    def truths(role: str) -> np.ndarray:
        opened = (open_case(cohort.root, case, masks=(task.mask,)) for case in cohort.with_role(role))
        return np.stack([task.encode_mask(sample.masks[task.mask].array)[0] for sample in opened])

    train, test = truths("train"), truths("test")
    best = []
    for index in range(1, len(task.question.classes)):
        share, there = (train == index).mean(axis=0), test == index
        scores = [0.0]
        for least in np.unique(np.quantile(share, np.linspace(0.5, 0.999, 12))):
            said = share > least
            overlap = 2 * (there & said).reshape(len(test), -1).sum(1)
            scores.append(float(np.mean(overlap / np.maximum(there.reshape(len(test), -1).sum(1) + said.sum(), 1))))
        best.append(max(scores))
    return float(np.mean(best))
