"""Labels of a case as numbers."""

from __future__ import annotations

import math

from preceptor.core.cohort import Case, Sample
from preceptor.core.errors import CohortError


def label_number(case: Case | Sample, label: str) -> float:
    """A case's label as a number; NaN where it is unlabelled.

    Raises:
        CohortError: It is labelled with something that is no number.
    """
    value = case.labels.get(label)
    try:
        return math.nan if value is None else float(value)
    except (TypeError, ValueError):
        raise CohortError(
            f"the label '{label}' of a case is no number",
            where=f"case {case.key}",
            expected="a number, or nothing where it is unlabelled",
            remedy="mend the column, or leave these cells empty",
            code="label_undeclared",
        ) from None
