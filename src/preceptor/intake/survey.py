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

from .case import open_case
from .copies.duplicates import Pair
from .stored_facts import FactStore

#: Facts of more cases than this go to disk.
IN_MEMORY = 5000


@dataclass(frozen=True)
class Survey:
    """What was seen, and what the checks make of it.

    Args:
        cohort: As it was when its images were opened.
        checks: In order.
        task: What is asked of the images, or None.
        facts: ``{check: {case key: fact}}``, JSON; of very many cases they lie on disk and are read when asked for.
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
    comparing: Callable[[int, int], None] | None = None,
    keep: Path | None = None,
) -> Survey:
    """Open each case once and show it to every check. A case that can't be read is shown as that, and ends nothing.

    Args:
        cohort: The cases.
        checks: What to look for.
        task: What is asked, for the checks that look at labels.
        workers: Threads that read ahead.
        progress: Told ``(done, total)`` of the images.
        comparing: Told ``(done, total)`` while images are compared with each other, where there are very many.
        keep: Folder to keep the survey in, so that one that was stopped goes on where it was; it holds the images in
            small. Without it the facts of more than 5,000 cases lie in a temporary folder.

    Returns:
        The facts; nothing is judged yet, so roles may still be dealt.

    Raises:
        CohortError: The folder to keep the survey in holds something else.
    """
    facts: dict[str, Any] = {name(check): {} for check in checks}
    store = None
    if keep is not None or len(cohort) > IN_MEMORY:
        store = FactStore(keep, {name(check): _settings(check) for check in checks}, cohort.root, cohort.cases)
    begun = 0 if store is None else store.seen
    reading = any(check.reads != "nothing" for check in checks)

    def look(case: Case) -> tuple[Case, list[Any]]:
        sample, error = _open(cohort.root, case) if reading else (None, None)
        return case, [check.look(case, sample, error) for check in checks]

    try:
        for done, (case, seen) in enumerate(_each(look, cohort.cases[begun:], workers), start=begun + 1):
            told = dict(zip(facts, seen, strict=True))
            if store is not None:
                store.add(told)
            else:
                for each, fact in told.items():
                    facts[each][case.key] = fact
            if progress is not None:
                progress(done, len(cohort))
    finally:
        if store is not None:
            store.close()
    if store is not None:
        facts = dict(store.facts())
    pairs = [pair for check in checks if hasattr(check, "pairs") for pair in check.pairs(facts[name(check)], comparing)]
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


def _settings(check: Check) -> dict[str, Any]:
    return {key: value for key, value in vars(check).items() if not key.startswith("_")}


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
