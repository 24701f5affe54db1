"""From a built cohort to one fit for use: look at every image once, merge identities, split, check the split."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from preceptor.core.cohort import Cohort
from preceptor.core.errors import CohortError, Problem
from preceptor.core.files import write_aside
from preceptor.core.plugins import Task
from preceptor.core.slots import build

from .copies.duplicates import merge_duplicates
from .split import split
from .survey import name, survey


class Checked(NamedTuple):
    """What came of looking at every image once.

    Args:
        cohort: With groups and roles.
        problems: Every problem of every check, errors first.
        facts: ``{check: {case key: fact}}`` of the checks that are fitted.
    """

    cohort: Cohort
    problems: list[Problem]
    facts: Mapping[str, Mapping[str, Any]]


def check_cohort(
    cohort: Cohort,
    checks: Sequence[Any],
    settings: Mapping[str, Any] | None,
    seed: int,
    task: Task | None,
    *,
    progress: Callable[[str, int, int], None] | None = None,
    keep: Path | None = None,
) -> Checked:
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
        keep: Folder to keep what was seen in, so that a survey that was stopped goes on where it was.

    Returns:
        The cohort, the problems, and what `fit_checks` needs. A split that can't be dealt is one of the problems.
    """
    plugins = [build("checks", each) for each in checks]
    looking, comparing = (None if progress is None else partial(progress, label) for label in ("checking", "comparing"))
    surveyed = survey(cohort, plugins, task, progress=looking, comparing=comparing, keep=keep)
    cohort = merge_duplicates(cohort, surveyed.pairs)
    refused: list[Problem] = []
    if settings is not None:
        try:
            cohort = split(cohort, dict(settings), seed)
        except CohortError as error:  # one problem among others: whoever mends the cohort wants to know them all
            refused = [error.problem]
    fitted = {name(check): surveyed.facts[name(check)] for check in plugins if hasattr(check, "fit")}
    return Checked(cohort, refused + surveyed.problems_of(cohort), fitted)


def fit_checks(checks: Sequence[Any], cohort: Cohort, facts: Mapping[str, Mapping[str, Any]]) -> list[Any]:
    """What each check learns from a cohort's training cases; None where it learns nothing.

    Args:
        checks: The recipe's `checks` section.
        cohort: With roles.
        facts: Of every case, as `check_cohort` saw them.
    """
    plugins = [build("checks", each) for each in checks]
    return [check.fit(cohort, facts[name(check)]) if hasattr(check, "fit") else None for check in plugins]


def write_checked(folder: Path, problems: Iterable[Problem], facts: Mapping[str, Any]) -> None:
    """Write problems and facts into a run's folder; the problems last, so that where they are, all is."""
    held = {check: dict(each) for check, each in facts.items()}
    for told, record in (("facts.json", held), ("problems.json", [asdict(problem) for problem in problems])):
        with write_aside(folder / told) as aside:
            aside.write_text(json.dumps(record, indent=None if told == "facts.json" else 1), encoding="utf-8")


def read_problems(folder: Path) -> list[Problem] | None:
    """What `write_checked` wrote; None where it has not."""
    path = folder / "problems.json"
    if not path.exists():
        return None
    records = json.loads(path.read_text(encoding="utf-8"))
    return [Problem(**record | {"cases": tuple(record["cases"])}) for record in records]


def read_facts(folder: Path) -> dict[str, dict[str, Any]]:
    """The facts that `write_checked` wrote."""
    facts: dict[str, dict[str, Any]] = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    return facts
