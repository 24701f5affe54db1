"""Label maps in which nothing is labelled, or everything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from preceptor.core.cohort import Case, Cohort, Sample
from preceptor.core.errors import Problem
from preceptor.core.plugins import Task
from preceptor.intake.masks import count_values


class EmptyMasks:
    """Cases whose label map is background everywhere, or foreground everywhere, and cases that lack one.

    Only the label map that the task asks for is looked at. An empty map may be true (no lesion), so it is a
    ``warning``; one without background is an ``error``.

    Raises: nothing; it returns `Problem` records.

    Source: own.

    Example:
        >>> EmptyMasks()(Cohort((), Path()), {}, None)
        []
    """

    reads = "pixels"

    @classmethod
    def example(cls) -> EmptyMasks:
        return cls()

    def look(self, case: Case, sample: Sample | None, error: Exception | None) -> Any:
        return None if sample is None else {name: count_values(mask) for name, mask in sample.masks.items()}

    def __call__(self, cohort: Cohort, facts: Mapping[str, Any], task: Task | None) -> list[Problem]:
        if task is None or task.mask is None:
            return []
        empty, full, absent = [], [], []
        ignored = {str(value) for value in getattr(task, "unlabelled", None) or ()}
        for case in cohort:
            fact = facts.get(case.key)
            if fact is None:
                continue
            if task.mask not in fact:
                absent.append(case.key)
                continue
            values = set(fact[task.mask]) - ignored
            if values <= {"0"}:
                empty.append(case.key)
            elif "0" not in values and not ignored & set(fact[task.mask]):
                full.append(case.key)
        return [*_problems(empty, full), *_absent(cohort, absent)]


def _problems(empty: list[str], full: list[str]) -> list[Problem]:
    found = []
    if full:
        found.append(
            Problem(
                f"{len(full)} label map{'s' if len(full) > 1 else ''} without background",
                "masks",
                "background around the structures",
                "look whether the map was saved inverted, or the image cropped to the structure",
                "mask_full",
                tuple(full),
            )
        )
    if empty:
        found.append(
            Problem(
                f"{len(empty)} label map{'s' if len(empty) > 1 else ''} in which nothing is labelled",
                "masks",
                "a labelled voxel at least, unless there is nothing to be found",
                "confirm that these are healthy, or list the value under `unlabelled`, or exclude the cases",
                "mask_empty",
                tuple(empty),
                "warning",
            )
        )
    return found


def _absent(cohort: Cohort, absent: list[str]) -> list[Problem]:
    """A prediction has no truth to go by; a cohort in which some cases have one should have it for all."""
    if not absent or len(absent) == len(cohort) == 1:
        return []
    return [
        Problem(
            f"{len(absent)} case{'s have' if len(absent) > 1 else ' has'} no label map",
            "masks",
            "a label map for every case",
            "exclude the cases, or give them the role adapt",
            "mask_absent",
            tuple(absent),
            "error" if len(absent) == len(cohort) else "warning",
        )
    ]
