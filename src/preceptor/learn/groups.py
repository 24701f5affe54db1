"""Groups of cases by a field: site, scanner, sex."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from preceptor.core.batch import Batch
from preceptor.core.cohort import Cohort
from preceptor.core.errors import RecipeError


def group_names(cohort: Cohort, field: str, method: str) -> tuple[str, ...]:
    """Every value that a field takes among the cases that are learnt from, in alphabetical order.

    Args:
        cohort: With roles.
        field: The column.
        method: Who asks, for the message.

    Raises:
        RecipeError: There are fewer than two groups.
    """
    cases = cohort.with_role("train", "adapt")
    names = sorted({name for case in cases if (name := _name(case.fields.get(field))) is not None})
    if len(names) < 2:
        known = sorted({column for case in cases for column in case.fields})
        raise RecipeError(
            f"{method} finds {len(names)} groups in the field '{field}' of the training cases",
            where=f"methods.{method}.field",
            expected="two or more",
            remedy=f"name another field: the cases have {', '.join(known) or 'none'}",
            code="groups_few",
        )
    return tuple(names)


def group_index(batch: Batch, field: str, names: Sequence[str]) -> Tensor:
    """``(batch,)`` long: which of `names` each sample belongs to, -1 where its field is missing or none of them."""
    position = {name: index for index, name in enumerate(names)}
    values: Sequence[Any] = batch.fields.get(field, [None] * len(batch))
    values = values.tolist() if isinstance(values, Tensor) else values
    return torch.tensor([position.get(_name(value) or "", -1) for value in values], device=batch.rows.device)


def _name(value: Any) -> str | None:
    """A value as text: tables turn 1 into 1.0 as soon as one value is missing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return f"{value:g}" if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)
