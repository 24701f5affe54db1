"""What went wrong in each case, as one number: what the uncertainty of an answer is held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from preceptor.core.errors import CohortError, RecipeError
from preceptor.core.evidence import Predictions, Question
from preceptor.maths.overlap import dice, overlap

from .labelled import answer_matrix
from .maps import pairs

#: A label map whose mean Dice is below this has failed, where nothing else is said.
FAILED_DICE = 0.7


@dataclass(frozen=True, eq=False)
class CaseLosses:
    """The loss of every row.

    Args:
        values: ``(row,)``, 0 for a right answer; NaN where nobody knows the truth.
        meaning: What the loss is.
        unit: Of a regressed quantity; empty for a share.
    """

    values: np.ndarray
    meaning: str
    unit: str = ""

    def failed(self, limit: float) -> np.ndarray:
        """``(row,)`` 1 where the loss is above a limit, 0 where not, NaN where it is not known."""
        return np.where(np.isnan(self.values), np.nan, (self.values > limit).astype(float))


def has_losses(question: Question) -> bool:
    """Whether a case's answer can be right or wrong by one number."""
    if question.dense:
        return question.task != "instances" and not question.is_regression
    return question.task == "regression" or not question.is_regression


def case_losses(predictions: Predictions) -> CaseLosses:
    """The loss of every row by what was asked.

    Classes that exclude each other: 1 where the answer is wrong. Independent labels: the share of a case's labelled ones
    that are answered wrongly. A quantity: the absolute error. Label maps: one minus the mean Dice of the structures, a
    structure that truth and answer both lack counting as found.

    Raises:
        CohortError: A stored map is missing or can't be read as one.
    """
    question = predictions.question
    if question.dense:
        return CaseLosses(_of_maps(predictions), "1 - mean Dice over the structures")
    if question.is_regression:
        numbers = predictions.table[["truth", "answer"]].to_numpy(dtype=float)
        return CaseLosses(np.abs(numbers[:, 0] - numbers[:, 1]), "absolute error", question.unit)
    truth, answer = predictions.truth_matrix(), answer_matrix(predictions)
    known = ~np.isnan(truth + answer)
    differs = np.where(known, truth != answer, False)
    if question.exclusive:
        return CaseLosses(np.where(known.all(1), differs.any(1), np.nan), "wrong answers (1) and right ones (0)")
    number = known.sum(1)
    share = np.divide(differs.sum(1), number, out=np.full(len(number), np.nan), where=number > 0)
    return CaseLosses(share, "share of a case's labels answered wrongly")


def failure_limit(question: Question, limit: float | None, evaluator: str) -> float:
    """The loss above which a case has failed.

    Args:
        question: What was asked.
        limit: As the recipe says it; None takes any error, or a Dice below 0.7.
        evaluator: Its name in a recipe.

    Raises:
        RecipeError: The question asks for a quantity, and nothing says which error is a failure.
    """
    if limit is not None:
        return limit
    if question.is_regression:
        raise RecipeError(
            f"{evaluator} does not know which error in {question.classes[0]} is a failure",
            where="evaluate",
            expected=f"a limit in {question.unit or 'its unit'}",
            remedy=f"{{{evaluator}: {{limit: ...}}}}",
            code="failure_unsaid",
        )
    return 1 - FAILED_DICE if question.dense else 0.0


def score_column(predictions: Predictions, name: str) -> np.ndarray:
    """``(row,)`` a stored number by its name: ``uncertainty``, a part such as ``epistemic``, or any numeric column.

    Raises:
        CohortError: There is no such column, or it holds no number at all.
    """
    for column in (name, f"part:{name}", f"field:{name}"):
        if column in predictions.table:
            values = predictions.table[column].to_numpy(dtype=float)
            if not np.isnan(values).all():
                return values
    known = [each.removeprefix("part:") for each in predictions.table if str(each).startswith("part:")]
    remedy = "name another one, or add the safeguard that leaves it"
    if name == "uncertainty" and predictions.question.is_number:
        remedy = "train with the objective `gaussian`, which foretells the noise, or several networks (`ensemble`)"
    raise CohortError(
        f"the predictions hold no number called '{name}'",
        where="the table of predictions",
        expected=f"'uncertainty' or one of {', '.join(known)}" if known else "'uncertainty'",
        remedy=remedy,
        code="score_missing",
    )


def names_of(scores: Sequence[str] | None) -> list[str]:
    """The stored numbers that a recipe names; the uncertainty where it names none."""
    return list(scores) if scores else ["uncertainty"]


def _of_maps(predictions: Predictions) -> np.ndarray:
    losses = np.full(len(predictions), np.nan)
    for pair in pairs(predictions):
        found = dice(overlap(pair.truth, pair.answer, len(predictions.question.classes)))[1:]
        losses[pair.row] = 1 - np.where(np.isnan(found), 1.0, found).mean()
    return losses
