"""One person under two patient ids, told by what else is known of them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from preceptor.core.cohort import Case, Cohort, Sample
from preceptor.core.errors import Problem
from preceptor.core.plain import is_missing
from preceptor.core.plugins import Task

#: Fields that by their name stand for one person: a hash of name and birth date, a national number.
_PERSON = re.compile(
    r"^(person|patient|identity|name)_?(hash|pseudonym|key|token)$|^(national|insurance)_?(id|number)$"
)
_NAME = re.compile(r"^(patient_?)?name$")
_BORN = re.compile(r"^(patient_?)?(birth_?date|date_?of_?birth|dob|born)$")


class AliasedPatients:
    """Patients who have different ids and are the same person by name and birth date, or by a hash of them.

    Two hospitals number their patients each in their own way, so a person seen in both has two ids, and a split by id
    tests on people it trained on.

    Args:
        identity: Fields that together stand for one person. By default a field called ``person_hash`` or alike, else
            name and birth date where the cohort has both.

    Raises: nothing; it returns `Problem` records of severity ``error``, which name the cases and not the person.

    Source: own.

    Example:
        >>> fields = {"person_hash": "9f3a"}
        >>> cases = (Case("a", {}, patient="1", fields=fields), Case("b", {}, patient="2", fields=fields))
        >>> [problem.code for problem in AliasedPatients()(Cohort(cases, Path()), {}, None)]
        ['patient_aliased']
    """

    reads = "nothing"

    def __init__(self, identity: list[str] | None = None) -> None:
        self.identity = identity

    @classmethod
    def example(cls) -> AliasedPatients:
        return cls()

    def look(self, case: Case, sample: Sample | None, error: Exception | None) -> Any:
        return None

    def __call__(self, cohort: Cohort, facts: Mapping[str, Any], task: Task | None) -> list[Problem]:
        fields = self.identity or _identifying({name for case in cohort for name in case.fields})
        if not fields:
            return []
        people: dict[tuple[str, ...], list[Case]] = defaultdict(list)
        for case in cohort:
            values = [case.fields.get(name) for name in fields]
            if case.patient is not None and not any(is_missing(value) for value in values):
                people[tuple(re.sub(r"[\s^,.-]+", " ", str(value)).strip().casefold() for value in values)].append(case)
        aliased = [
            cases
            for cases in people.values()
            if len({case.patient for case in cases}) > 1 and len({case.cluster for case in cases}) > 1
        ]
        if not aliased:
            return []
        who = f"{len(aliased)} people stand" if len(aliased) > 1 else "1 person stands"
        remedy = "merge the ids, or name that column as the data set's `group`, so that the split keeps them together"
        return [
            Problem(
                f"{who} under two patient ids or more, by {' and '.join(fields)}",
                "patient ids",
                "one id for one person",
                remedy,
                "patient_aliased",
                tuple(case.key for cases in aliased for case in cases),
            )
        ]


def _identifying(names: set[str]) -> list[str]:
    found = sorted(name for name in names if _PERSON.match(name.lower()))
    if found:
        return found[:1]
    both = [next((name for name in sorted(names) if each.match(name.lower())), None) for each in (_NAME, _BORN)]
    return [name for name in both if name is not None] if all(both) else []
