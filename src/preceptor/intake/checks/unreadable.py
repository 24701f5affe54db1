"""Files that can't be read, and pixels that are no numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np

from preceptor.core.cohort import Case, Cohort, Sample
from preceptor.core.errors import PreceptorError, Problem
from preceptor.core.plugins import Task


class Unreadable:
    """Images and masks that are absent, damaged or can't be placed in space, and pixels that are NaN or infinite.

    Cases that fail for the same cause are reported together.

    Raises: nothing; it returns `Problem` records of severity ``error``.

    Source: own; the reader's own refusals (`preceptor.intake.read`).

    Example:
        >>> Unreadable()(Cohort((), Path()), {}, None)
        []
    """

    reads = "pixels"

    @classmethod
    def example(cls) -> Unreadable:
        return cls()

    def look(self, case: Case, sample: Sample | None, error: Exception | None) -> Any:
        if isinstance(error, PreceptorError):
            problem = error.problem
            return {"what": problem.what, "expected": problem.expected, "remedy": problem.remedy, "code": problem.code}
        if sample is None:
            return None
        strange = [name for name, image in (*sample.images.items(), *sample.masks.items()) if _holds_nan(image.array)]
        return {"not_finite": strange} if strange else None

    def __call__(self, cohort: Cohort, facts: Mapping[str, Any], task: Task | None) -> list[Problem]:
        failed: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for case in cohort:
            fact = facts.get(case.key)
            if not fact:
                continue
            if "not_finite" in fact:
                what = f"the pixels of {', '.join(fact['not_finite'])} hold NaN or infinity"
                remedy = "export the image again, or exclude the case; nothing can be learnt from such a value"
                fact = {"what": what, "expected": "finite numbers", "remedy": remedy, "code": "not_finite"}
            failed[fact["what"], fact["expected"], fact["remedy"], fact["code"]].append(case.key)
        return [
            Problem(what, "cohort", expected, remedy, code or "unreadable", tuple(keys))
            for (what, expected, remedy, code), keys in failed.items()
        ]


def _holds_nan(array: np.ndarray) -> bool:
    return array.dtype.kind == "f" and not bool(np.isfinite(array).all())
