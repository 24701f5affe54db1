"""Identifiers that name one case each, but for a few that occur twice."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from preceptor.core.cohort import Case, Cohort, Sample
from preceptor.core.errors import Problem
from preceptor.core.plain import is_missing
from preceptor.core.plugins import Task

#: Fields that by their name identify a case; patients and studies may have several.
_CALLED = re.compile(r"^(case|image|scan|sample|record|series(_?instance)?|sop(_?instance)?)_?(id|uid|key|number)$")

#: A field names cases where so much of its values occur once.
_UNIQUE = 0.9

_ENOUGH = 10


class RepeatedIdentifiers:
    """A case's identifier that a second case bears: a row pasted twice, or two images under one name.

    A table's own rows get keys that are never alike, so this looks at the identifiers the data brought along.

    Args:
        identifiers: Fields that name one case each; by default those called so (``case_id``, ``image_uid`` …) whose
            values nearly all occur once.

    Raises: nothing; it returns `Problem` records of severity ``error``, with the keys of the cases and not the
    identifiers.

    Source: own.

    Example:
        >>> cases = (Case("a", {}, fields={"case_id": "7"}), Case("b", {}, fields={"case_id": "7"}))
        >>> [problem.code for problem in RepeatedIdentifiers(["case_id"])(Cohort(cases, Path()), {}, None)]
        ['identifier_twice']
    """

    reads = "nothing"

    def __init__(self, identifiers: list[str] | None = None) -> None:
        self.identifiers = identifiers

    @classmethod
    def example(cls) -> RepeatedIdentifiers:
        return cls()

    def look(self, case: Case, sample: Sample | None, error: Exception | None) -> Any:
        return None

    def __call__(self, cohort: Cohort, facts: Mapping[str, Any], task: Task | None) -> list[Problem]:
        problems = []
        for name in dict.fromkeys(each for case in cohort for each in case.fields):
            if name not in self.identifiers if self.identifiers is not None else not _CALLED.match(name.lower()):
                continue
            held: dict[str, list[str]] = defaultdict(list)
            for case in cohort:
                if not is_missing(case.fields.get(name)):
                    held[str(case.fields[name]).strip().casefold()].append(case.key)
            total = sum(map(len, held.values()))
            twice = [keys for keys in held.values() if len(keys) > 1]
            named = self.identifiers is not None or (total >= _ENOUGH and len(held) >= _UNIQUE * total)
            if twice and named:
                problems.append(
                    Problem(
                        f"{len(twice)} value{'s' if len(twice) > 1 else ''} of '{name}' "
                        f"{'name' if len(twice) > 1 else 'names'} more than one case",
                        f"field {name}",
                        "an identifier of its own for each case",
                        "look which of the rows is right; drop what was entered twice",
                        "identifier_twice",
                        tuple(key for keys in twice for key in keys),
                    )
                )
        return problems
