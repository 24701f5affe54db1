"""Rehearsals: a recipe tried with two cases a role, and phantoms where its data is not here."""

from __future__ import annotations

from collections import defaultdict

from preceptor.core.cohort import Case, Cohort


def few_cases(cohort: Cohort, each: int = 2) -> Cohort:
    """At most `each` cases a role, of different labels where there are such: enough to try every step once."""
    by_role: dict[str | None, list[Case]] = defaultdict(list)
    for case in cohort:
        by_role[case.role].append(case)
    kept = {case.key for cases in by_role.values() for case in _different(cases, each)}
    return cohort.with_cases(case for case in cohort if case.key in kept)


def _different(cases: list[Case], number: int) -> list[Case]:
    chosen: list[Case] = []
    seen: set[str] = set()
    for case in cases:
        labels = repr(sorted((name, str(value)) for name, value in case.labels.items()))
        if labels not in seen:
            seen.add(labels)
            chosen.append(case)
    rest = [case for case in cases if case not in chosen]
    return (chosen + rest)[:number]
