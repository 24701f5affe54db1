"""The survey: every image of a cohort is opened once and shown to every check."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preceptor.core.cohort import Case, Cohort, Sample
from preceptor.core.errors import PreceptorError, PrepareError, Problem
from preceptor.core.plugins import Check, Task

from .duplicates import Pair, merge_duplicates
from .read import open_case

__all__ = ["Survey", "check_sample", "merge_duplicates", "survey"]


@dataclass(frozen=True)
class Survey:
    """What was seen, and what the checks make of it.

    Args:
        cohort: As it was when its images were opened.
        checks: In order.
        task: What is asked of the images, or None.
        facts: ``{check: {case key: fact}}``, JSON.
        pairs: Images that are one picture, as the checks that look for them found.
    """

    cohort: Cohort
    checks: tuple[Check, ...]
    task: Task | None
    facts: Mapping[str, Mapping[str, Any]]
    pairs: tuple[Pair, ...] = ()

    @property
    def problems(self) -> list[Problem]:
        """Every problem of every check."""
        return self.problems_of(self.cohort)

    def problems_of(self, cohort: Cohort) -> list[Problem]:
        """Every problem of every check, of the same cases in their present roles and groups; errors first."""
        problems = [problem for check in self.checks for problem in check(cohort, self.facts[name(check)], self.task)]
        return sorted(problems, key=lambda problem: problem.severity != "error")


def survey(
    cohort: Cohort,
    checks: Sequence[Check],
    task: Task | None = None,
    *,
    workers: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Survey:
    """Open each case once and show it to every check. A case that can't be read is shown as that, and ends nothing.

    Args:
        cohort: The cases.
        checks: What to look for.
        task: What is asked, for the checks that look at labels.
        workers: Threads that read ahead.
        progress: Told ``(done, total)``.

    Returns:
        The facts; nothing is judged yet, so roles may still be dealt.
    """
    facts: dict[str, dict[str, Any]] = {name(check): {} for check in checks}
    reading = any(check.reads != "nothing" for check in checks)

    def look(case: Case) -> tuple[Case, list[Any]]:
        sample, error = _open(cohort.root, case) if reading else (None, None)
        return case, [check.look(case, sample, error) for check in checks]

    for done, (case, seen) in enumerate(_each(look, cohort.cases, workers), start=1):
        for check, fact in zip(checks, seen, strict=True):
            facts[name(check)][case.key] = fact
        if progress is not None:
            progress(done, len(cohort))
    pairs = [pair for check in checks if hasattr(check, "pairs") for pair in check.pairs(facts[name(check)])]
    return Survey(cohort, tuple(checks), task, facts, tuple(pairs))


def check_sample(sample: Sample, checks: Sequence[Check], task: Task | None = None) -> list[Problem]:
    """Every problem of one opened case, as when a model is asked about it: the same checks that guard training.

    Args:
        sample: The case as it was read.
        checks: Fitted ones with their state.
        task: What is asked.
    """
    case = Case(
        sample.key,
        images=dict.fromkeys(sample.images, ""),
        masks=dict.fromkeys(sample.masks, ""),
        labels=sample.labels,
        fields=sample.fields,
    )
    alone = Cohort((case,), Path())
    return [problem for check in checks for problem in check(alone, {case.key: check.look(case, sample, None)}, task)]


def name(check: Check) -> str:
    """A check's name: that of its file."""
    return type(check).__module__.rpartition(".")[2]


def _each(look: Callable[[Case], Any], cases: Sequence[Case], workers: int) -> Iterator[Any]:
    if workers < 1:
        yield from map(look, cases)
        return
    with ThreadPoolExecutor(workers) as pool:
        # Only facts wait in the queue: an opened case is let go as soon as it has been looked at.
        yield from pool.map(look, cases)


def _open(root: Path, case: Case) -> tuple[Sample | None, Exception | None]:
    try:
        return open_case(root, case), None
    except PreceptorError as error:
        return None, error
    except Exception as error:  # a decoder failed in a way nobody foresaw: one case more that can't be read
        kind = type(error).__name__
        return None, PrepareError(
            f"the image can't be read ({kind})",
            where=f"case {case.key}",
            remedy="export the image again, or exclude the case",
            code="unreadable",
        )
