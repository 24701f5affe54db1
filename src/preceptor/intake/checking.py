"""From a built cohort to one fit for use: look at every image once, merge identities, split, check the split."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from preceptor.core.cohort import Cohort
from preceptor.core.errors import Problem
from preceptor.core.plugins import Task
from preceptor.core.slots import build

from .split import split
from .survey import merge_duplicates, survey


def check_cohort(
    cohort: Cohort,
    checks: Sequence[Any],
    settings: Mapping[str, Any] | None,
    seed: int,
    task: Task | None,
    *,
    progress: Callable[[str, int, int], None] | None = None,
) -> tuple[Cohort, list[Problem]]:
    """Run the checks and split.

    Pairs of images that the `duplicates` check finds across patients become one group before the split, so that
    one person under two ids stays on one side; the split is checked afterwards.

    Args:
        cohort: As built.
        checks: The recipe's `checks` section.
        settings: The recipe's `split` section; None leaves the roles as they are.
        seed: Of the split.
        task: What is asked, for the checks that look at labels.
        progress: Told ``(label, done, total)``.

    Returns:
        The cohort with groups and roles, and every problem of every check.
    """
    plugins = [build("checks", each) for each in checks]
    told = None if progress is None else lambda done, total: progress("checking", done, total)
    surveyed = survey(cohort, plugins, task, progress=told)
    cohort = merge_duplicates(cohort, surveyed.pairs)
    if settings is not None:
        cohort = split(cohort, dict(settings), seed)
    return cohort, surveyed.problems_of(cohort)


def write_problems(path: Path, problems: Sequence[Problem]) -> None:
    path.write_text(json.dumps([asdict(problem) for problem in problems], indent=1), encoding="utf-8")


def read_problems(path: Path) -> list[Problem]:
    records = json.loads(path.read_text(encoding="utf-8"))
    return [Problem(**record | {"cases": tuple(record["cases"])}) for record in records]
