"""How objectives read an answer, and how they refuse a question that they were not made for."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from preceptor.core.errors import RecipeError
from preceptor.core.evidence import Question
from preceptor.core.plugins import Decoded


def probabilities(output: Tensor, question: Question) -> Decoded:
    """Logits ``(batch, class, *space)`` as probabilities: softmax where classes exclude each other, else sigmoid."""
    return Decoded(output.softmax(1) if question.exclusive else output.sigmoid())


def misfit(objective: str, question: Question, expected: str, remedy: str) -> RecipeError:
    """The error of an objective that does not fit what the task asks.

    Args:
        objective: Its name in a recipe.
        question: What the task asks.
        expected: What the objective needs.
        remedy: Which objective to take instead.
    """
    return RecipeError(
        f"the objective '{objective}' does not fit the task '{question.task}'",
        where="objective",
        expected=expected,
        remedy=remedy,
        code="objective_misfit",
    )


def one_each(objective: str, question: Question, parameter: str, weights: Sequence[float] | None) -> None:
    """Refuse weights that are not one for each class.

    Raises:
        RecipeError: There are more or fewer weights than classes.
    """
    if weights is not None and len(weights) != len(question.classes):
        raise RecipeError(
            f"{objective}.{parameter} has {len(weights)} numbers for {len(question.classes)} classes",
            where="objective",
            expected=f"one number each for {', '.join(question.classes)}",
            remedy="write one number for each class, in this order",
            code="weights_number",
        )
