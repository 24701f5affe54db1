"""Truth and probabilities of the classes, as evaluators of ranking and calibration read them."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from preceptor.core.errors import CohortError
from preceptor.core.evidence import Predictions


@dataclass(frozen=True, eq=False)
class Labelled:
    """What was true and what was said, per row of the predictions.

    Args:
        classes: Names.
        truth: ``(row, class)`` 0 or 1; NaN where unlabelled.
        probability: ``(row, class)``.
        asked: Positions of the classes that are measured: the last alone where two exclude each other, else all.
    """

    classes: tuple[str, ...]
    truth: np.ndarray
    probability: np.ndarray
    asked: tuple[int, ...]

    @classmethod
    def of(cls, predictions: Predictions) -> Labelled:
        """Read the table.

        Raises:
            CohortError: A row with a truth has no finite probability.
        """
        question = predictions.question
        truth, probability = predictions.truth_matrix(), predictions.probabilities()
        absent = (~np.isnan(truth) & ~np.isfinite(probability)).any(1)
        if absent.any():
            raise CohortError(
                f"{absent.sum()} of {len(absent)} predictions hold no probability",
                where="the columns probability_<class>",
                expected="a number for every class",
                remedy="predict these cases anew, or leave them out of the table",
                code="probability_missing",
            )
        pair = question.exclusive and len(question.classes) == 2
        return cls(question.classes, truth, probability, (1,) if pair else tuple(range(len(question.classes))))

    @property
    def unlabelled(self) -> int:
        """Rows without any truth."""
        return int(np.isnan(self.truth).all(1).sum())

    def known(self, at: int) -> np.ndarray:
        """``(row,)`` where the class is labelled."""
        return ~np.isnan(self.truth[:, at])


def answer_matrix(predictions: Predictions) -> np.ndarray:
    """``(row, class)`` 0 or 1 as stored, NaN where there is no answer: one-hot where classes exclude each other."""
    classes = predictions.question.classes
    if predictions.question.exclusive:
        index = predictions.answer_index()
        return np.where((index >= 0)[:, None], np.eye(len(classes))[np.maximum(index, 0)], np.nan)
    rows = [json.loads(text) for text in predictions.table["answer"]]
    return np.array([[np.nan if row.get(name) is None else float(row[name]) for name in classes] for row in rows])
