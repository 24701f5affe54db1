"""Rows and files that found no partner when the cohort was built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from preceptor.core.cohort import Case, Cohort, Sample
from preceptor.core.errors import Problem
from preceptor.core.plugins import Task
from preceptor.intake.naming import IMAGE_ABSENT


class LostRows:
    """Rows of a table, or entries of a list, whose image is not there.

    They are left out when the cohort is built, and are told here because a folder that was copied in part looks like a
    smaller study, and its missing rows are seldom missing at random.

    Raises: nothing; it returns `Problem` records of severity ``warning``.

    Source: own.

    Example:
        >>> cohort = Cohort((), Path(), exclusions=((IMAGE_ABSENT, 3),))
        >>> [problem.code for problem in LostRows()(cohort, {}, None)]
        ['rows_without_image']
    """

    reads = "nothing"

    @classmethod
    def example(cls) -> LostRows:
        return cls()

    def look(self, case: Case, sample: Sample | None, error: Exception | None) -> Any:
        return None

    def __call__(self, cohort: Cohort, facts: Mapping[str, Any], task: Task | None) -> list[Problem]:
        lost = sum(number for reason, number in cohort.exclusions if reason.startswith(IMAGE_ABSENT))
        if not lost:
            return []
        return [
            Problem(
                f"{lost} row{'s name' if lost > 1 else ' names'} an image that is not there, and {len(cohort)} remain",
                "cohort",
                "an image for each row",
                "fetch the images, or drop the rows and say why",
                "rows_without_image",
                severity="warning",
            )
        ]
