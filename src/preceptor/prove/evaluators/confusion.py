"""Which answers are taken for which: the confusion matrix and what is read from it."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Lt

from preceptor.core.cohort import Cohort
from preceptor.core.evidence import Finding, Predictions, Question
from preceptor.maths.intervals import Statistic, average_of, ratio_statistic
from preceptor.prove.labelled import answer_matrix
from preceptor.prove.measuring import Measuring, by_field, noted, refused

_PARTS = {
    "sensitivity": "cases with {name} that were answered so, over all cases with it",
    "specificity": "cases without {name} that were answered so, over all cases without it",
    "positive_predictive_value": "cases with {name}, over all that were answered so",
    "negative_predictive_value": "cases without {name}, over all that were answered so",
}


class Confusion:
    """Balanced accuracy: the mean over the classes of the share of their cases that is answered right.

    Reads the stored answers, not the probabilities. Of independent labels: the mean over them of the mean of
    sensitivity and specificity; an unlabelled entry enters nothing.

    Args:
        resamples: Of patients, for the intervals.
        level: Of the intervals.
        seed: Of the resamples.
        by: Fields of the cohort to divide by: a part for each value.

    Returns:
        A `Finding` in 0..1 with the parts ``accuracy`` and, per class (per label; of two classes the second alone),
        sensitivity, specificity and predictive values.

    Source: Brodersen 2010 (balanced accuracy).

    Example:
        >>> Confusion().suits(Question("classification", "finding", ("absent", "present")))
        True
    """

    def __init__(
        self,
        resamples: Annotated[int, Ge(100)] = 2000,
        level: Annotated[float, Gt(0), Lt(1)] = 0.95,
        seed: Annotated[int, Ge(0)] = 0,
        by: list[str] | None = None,
    ) -> None:
        self.resamples = resamples
        self.level = level
        self.seed = seed
        self.by = by

    @classmethod
    def example(cls) -> Confusion:
        return cls()

    def suits(self, question: Question) -> bool:
        return not question.dense and not question.is_regression

    def __call__(self, predictions: Predictions, cohort: Cohort) -> Finding:
        return by_field(self._measure(predictions, cohort), self.by, predictions, cohort, self._measure)

    def _measure(self, predictions: Predictions, cohort: Cohort) -> Finding:
        measuring = Measuring.of(predictions, self.resamples, self.level, self.seed)
        question = predictions.question
        truth, answer = predictions.truth_matrix(), answer_matrix(predictions)
        known = ~np.isnan(truth) & ~np.isnan(answer)
        right = np.where(known, truth == answer, False)
        asked = (1,) if question.exclusive and len(question.classes) == 2 else tuple(range(len(question.classes)))
        parts: dict[str, Finding] = {}
        whole = known.all(1) if question.exclusive else known.any(1)
        shares = right.all(1) if question.exclusive else right.sum(1)
        entries = whole if question.exclusive else known.sum(1)
        parts["accuracy"] = measuring.finding(
            "confusion.accuracy",
            "right answers over all" + ("" if question.exclusive else " labelled entries"),
            ratio_statistic(np.where(whole, shares, 0), entries, measuring.resamples),
            whole,
            trials=measuring.clusters(whole),
        )
        for at in asked:
            prefix = "" if len(asked) == 1 else f"{question.classes[at]}."
            parts |= self._of_class(prefix, question.classes[at], truth[:, at], answer[:, at], measuring)
        balanced, missing = _balanced(truth, answer, known, question, measuring)
        return measuring.finding(
            "confusion",
            "balanced accuracy: mean over the "
            + (
                "classes of their share answered right"
                if question.exclusive
                else "labels' sensitivities and specificities"
            ),
            balanced,
            whole,
            trials=measuring.clusters(whole),
            parts=parts,
            notes=(
                *(f"no case is {each}: it does not enter the mean" for each in missing),
                *noted(int(np.isnan(truth).all(1).sum()), "case{s} without a truth, not measured"),
                *noted(
                    int((~np.isnan(truth) & np.isnan(answer)).any(1).sum()), "case{s} without an answer, not measured"
                ),
                *refused(predictions),
            ),
        )

    def _of_class(
        self, prefix: str, name: str, truth: np.ndarray, answer: np.ndarray, measuring: Measuring
    ) -> dict[str, Finding]:
        found = {}
        for part, (hits, trials) in _rates(truth, answer).items():
            found[prefix + part] = measuring.finding(
                f"confusion.{prefix}{part}",
                _PARTS[part].format(name=name),
                ratio_statistic(hits, trials, measuring.resamples),
                trials > 0,
                trials=measuring.clusters(trials > 0),
            )
        return found


def _rates(truth: np.ndarray, answer: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Hits and trials ``(row,)`` of every rate; NaN compares as false, so what is unknown is in neither."""
    has, has_not, said, denied = truth == 1, truth == 0, answer == 1, answer == 0
    labelled = has | has_not
    return {
        "sensitivity": (has & said, has & (said | denied)),
        "specificity": (has_not & denied, has_not & (said | denied)),
        "positive_predictive_value": (has & said, labelled & said),
        "negative_predictive_value": (has_not & denied, labelled & denied),
    }


def _balanced(
    truth: np.ndarray, answer: np.ndarray, known: np.ndarray, question: Question, measuring: Measuring
) -> tuple[Statistic, list[str]]:
    """The mean of the rates of all classes that occur, and the names of those that do not."""
    statistics, missing = [], []
    for at, name in enumerate(question.classes):
        rates = _rates(np.where(known[:, at], truth[:, at], np.nan), answer[:, at])
        for part in ("sensitivity",) if question.exclusive else ("sensitivity", "specificity"):
            if rates[part][1].any():
                statistics.append(ratio_statistic(*rates[part], measuring.resamples))
            else:
                missing.append(name if part == "sensitivity" else f"without {name}")
    return average_of(statistics), missing
