"""Who sits in which role. Whole clusters are dealt (one person, merged identities included), never single images.

Dealing is greedy and stratified: the rarest class first, each cluster to the role that still lacks most of that class
among those that are not yet full (Sechidis et al. 2011, with clusters in place of rows). The result depends on the
cases and the seed, not on the order of the rows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from preceptor.core.cohort import Case, Cohort
from preceptor.core.errors import CohortError

from .columns import day_of, number_of
from .sheet import plain, same

SHARES = ("train", "tune", "calibrate", "test")
_HELD_OUT = ("external", "adapt")  # where both claim a person, the first keeps them

#: A message lists a column's values where they are few and each has several cases, as sites do: others may be names.
_MOST_SHOWN = 10
_FEWEST_OF_EACH = 3
_MOST_CLASSES = 20


def split(cohort: Cohort, settings: Mapping[str, Any], seed: int) -> Cohort:
    """Give every case its role.

    Args:
        cohort: Roles it may have are dealt anew, unless ``given``.
        settings: ``{train, tune, calibrate, test}`` shares of the cases; ``stratify`` a label or field; ``external``
            and ``adapt`` as ``{field: [values]}``: cases with such a value get that role, and the other cases of the
            same people are excluded and counted; ``by`` patient, image or a field such as site, which then is dealt
            whole; ``time`` a field of dates or numbers, in whose order the shares are cut; ``given: true`` keeps the
            roles as they are.
        seed: Of the dealing.

    Returns:
        The cohort with roles. No cluster has two.

    Raises:
        CohortError: A split by image would part a patient's images, given roles do, a held-out value or a column does
            not occur, a time is missing or can't be read, or there are fewer clusters (or values, or times) than roles.

    Source: Sechidis, Tsoumakas & Vlahavas 2011, On the stratification of multi-label data.
    """
    if settings.get("by", "patient") == "image":
        _refuse_parting(cohort)
    if settings.get("given"):
        refuse_leak(cohort)
        return cohort
    cohort = cohort.with_cases(replace(case, role=None) for case in cohort)
    cohort = _hold_out(cohort, {role: settings.get(role) or {} for role in _HELD_OUT})
    shares = {role: float(settings.get(role) or 0) for role in SHARES}
    free = [case for case in cohort if case.role is None]
    if settings.get("time"):
        return _cut_by_time(cohort, free, shares, str(settings["time"]))
    by = settings.get("by", "patient")
    if by not in ("patient", "image") and all(_value(case, by) is None for case in free):
        known = ", ".join(sorted({name for case in cohort for name in (*case.labels, *case.fields)}))
        raise CohortError(
            f"no case has '{by}', by which the split is to be dealt",
            expected=f"patient or image{f', or one of {known}' if known else ''}",
            code="by_absent",
        )
    units = _units(free, None if by in ("patient", "image") else by)
    roles = _deal(units, shares, seed, _classes(cohort, free, settings.get("stratify")))
    return _with_roles(cohort, roles)


def folds(cohort: Cohort, folds: int, seed: int, stratify: str | None = None, by: str = "patient") -> list[Cohort]:
    """Deal the cases into `folds` parts of which each is the test set once.

    Of the others the shares of train, tune and calibrate stay in the proportion the cohort has; external and adapt
    cases keep their role.

    Args:
        cohort: With or without roles.
        folds: How many.
        seed: Of the dealing.
        stratify: Label or field whose values are spread evenly.
        by: ``patient``; or a field such as ``site``, so that no value of it stands on two sides either (cases without
            a value count as one more value).

    Raises:
        CohortError: There are fewer clusters (or values of `by`) than folds.
    """
    if by == "image":
        _refuse_parting(cohort)
    free = [case for case in cohort if case.role not in _HELD_OUT]
    units = _units(free, None if by in ("patient", "image") else by)
    parts = {str(number): 1 / folds for number in range(folds)}
    classes = _classes(cohort, free, stratify)
    dealt = _deal(units, parts, seed, classes)
    made = []
    for part in parts:
        tested = [case for case in free if dealt[case.key] == part]
        rest = [case for case in free if dealt[case.key] != part]
        roles = {case.key: "test" for case in tested}
        roles |= _deal(_units(rest), _proportion(cohort), seed * 1009 + int(part) + 1, classes)
        made.append(_with_roles(cohort, roles))
    return made


def leave_one_out(cohort: Cohort, by: str, seed: int = 0) -> list[tuple[Any, Cohort]]:
    """One cohort for each value of a field, with that value's cases as the test set.

    Args:
        cohort: With or without roles; external and adapt cases keep theirs.
        by: Field such as ``site``. Cases without a value count as one more value, ``None``.
        seed: Of dealing the others into train, tune and calibrate, in the proportion the cohort has.

    Returns:
        ``[(value, cohort)]``, values in order. A person who has cases of other values too is tested and not trained
        on: those cases are excluded and counted.

    Raises:
        CohortError: No case has the field, or all have the same value.
    """
    free = [case for case in cohort if case.role not in _HELD_OUT]
    values = sorted({_value(case, by) for case in free}, key=lambda value: (value is None, str(value)))
    if len(values) < 2:
        raise CohortError(
            f"'{by}' has {len(values)} value: nothing is left to train on",
            expected="two values or more",
            remedy="name another field",
            code="leave_one_out",
        )
    made = []
    for value in values:
        tested = {case.cluster for case in free if _value(case, by) == value}
        crossing = {case.key for case in free if case.cluster in tested and _value(case, by) != value}
        part = _without(cohort, crossing, f"seen under another {by} too")
        rest = [case for case in part if case.role not in _HELD_OUT and case.cluster not in tested]
        roles = {case.key: "test" for case in part if case.role not in _HELD_OUT and case.cluster in tested}
        roles |= _deal(_units(rest), _proportion(cohort), seed, {})
        made.append((value, _with_roles(part, roles)))
    return made


def refuse_leak(cohort: Cohort) -> None:
    """Refuse a cohort in which one person stands on two sides.

    Raises:
        CohortError: With the keys of the cases concerned.
    """
    roles: dict[str, set[str | None]] = defaultdict(set)
    for case in cohort:
        roles[case.cluster].add(case.role)
    parted = [case.key for case in cohort if len(roles[case.cluster] - {None}) > 1]
    if parted:
        raise CohortError(
            f"{len(parted)} cases are of people who stand in two roles at once: {', '.join(parted[:5])}",
            expected="every image of a person in one role",
            remedy="deal the roles by patient: leave `given` out",
            code="leak",
        )


def _refuse_parting(cohort: Cohort) -> None:
    """A split by image is a split by patient where each has one; anywhere else it leaks."""
    named = Counter(case.patient for case in cohort if case.patient is not None)
    several = {patient for patient, number in named.items() if number > 1}
    if several:
        keys = [case.key for case in cohort if case.patient in several]
        raise CohortError(
            f"a split by image would part the images of {len(several)} patients: {', '.join(keys[:5])}",
            expected="every image of a patient on one side, else the score is of the patient's likeness to themselves",
            remedy="split `by: patient`",
            code="leak",
        )


def _hold_out(cohort: Cohort, wanted: Mapping[str, Mapping[str, Iterable[Any]]]) -> Cohort:
    """Give held-out values their role; the same people's other cases may not be trained on and are excluded."""
    roles: dict[str, str] = {}
    for role in reversed(_HELD_OUT):
        for field, values in wanted[role].items():
            for value in values:
                found = [case.key for case in cohort if same(_value(case, field), value)]
                if not found:
                    there = sorted({str(_value(case, field)) for case in cohort})
                    raise CohortError(
                        f"no case has {field} '{value}', which the split gives to {role}",
                        expected=_choice(there, len(cohort)),
                        code="held_out_absent",
                    )
                roles |= dict.fromkeys(found, role)
    taken: dict[str, str] = {}
    for role in reversed(_HELD_OUT):
        taken |= {case.cluster: role for case in cohort if roles.get(case.key) == role}
    crossing = {case.key for case in cohort if taken.get(case.cluster, roles.get(case.key)) != roles.get(case.key)}
    cohort = _without(cohort, crossing, "the same person is held out under another value")
    return cohort.with_cases(replace(case, role=roles.get(case.key)) for case in cohort)


def _cut_by_time(cohort: Cohort, free: Sequence[Case], shares: Mapping[str, float], field: str) -> Cohort:
    """Train first, then tune, calibrate and test, in the order of time; equal times stay together.

    A person keeps the role of their first case. Later cases of the same person in a later role are excluded: in a
    prospective study those tested are people the model has not met.
    """
    times = {case.key: _moment(_value(case, field)) for case in free}
    unknown = [key for key, time in times.items() if time is None]
    if unknown:
        raise CohortError(
            f"{len(unknown)} cases have no '{field}' that can be read as a date or a number: {', '.join(unknown[:5])}",
            expected="a date such as 2021-03-04, or a number, for every case",
            remedy="fill the column, or leave these cases out of the cohort",
            code="time_unknown",
        )
    moments = np.array(sorted(time for time in times.values() if time is not None))
    wanted = [role for role in SHARES if shares[role] > 0]
    ends = np.cumsum([shares[role] for role in wanted]) / sum(shares[role] for role in wanted) * len(moments)
    # A share ends between two moments, never within one.
    limits = [float(moments[min(int(round(end)), len(moments)) - 1]) for end in ends]
    roles = {key: wanted[int(np.searchsorted(limits, time))] for key, time in times.items() if time is not None}
    if set(roles.values()) != set(wanted):
        raise CohortError(
            f"the times in '{field}' are too few to be cut into {len(wanted)} parts ({', '.join(wanted)})",
            expected="different times on the two sides of each cut",
            remedy="name a finer column, or ask for fewer parts",
            code="too_few_times",
        )
    first: dict[str, str] = {}
    for case in sorted(free, key=lambda case: (times[case.key], case.key)):
        first.setdefault(case.cluster, roles[case.key])
    again = {case.key for case in free if roles[case.key] != first[case.cluster]}
    return _with_roles(_without(cohort, again, "seen before, in an earlier role"), roles)


def _units(cases: Sequence[Case], field: str | None = None) -> list[list[Case]]:
    """What is dealt as one: a cluster, or clusters that share a value of `field`. In an order of their own."""
    leader: dict[str, str] = {}

    def first(name: str) -> str:
        while leader.setdefault(name, name) != name:
            name = leader[name]
        return name

    for case in cases:
        one = first(f"cluster {case.cluster}")
        if field is not None:
            leader[first(f"value {_value(case, field)!r}")] = one
    units: dict[str, list[Case]] = defaultdict(list)
    for case in sorted(cases, key=lambda case: case.key):
        units[first(f"cluster {case.cluster}")].append(case)
    return list(units.values())


def _deal(
    units: Sequence[list[Case]], shares: Mapping[str, float], seed: int, classes: Mapping[str, Any]
) -> dict[str, str]:
    """``{key: role}`` of units dealt by shares; `classes` is ``{key: class}`` to be spread evenly."""
    names = [role for role, share in shares.items() if share > 0]
    if not names or not units:
        return {}
    if len(units) < len(names):
        raise CohortError(
            f"{len(units)} patients or groups can't fill {len(names)} parts ({', '.join(names)})",
            expected="at least one for each",
            remedy="gather more cases, or ask for fewer parts",
            code="too_few_clusters",
        )
    rng = np.random.default_rng([seed, len(units)])
    shuffled = [units[i] for i in rng.permutation(len(units))]
    contents = [Counter(classes.get(case.key) for case in unit) for unit in shuffled]
    totals: Counter[Any] = sum(contents, Counter())
    weights = np.array([shares[name] for name in names]) / sum(shares[name] for name in names)
    lacking = {kind: weights * number for kind, number in totals.items()}
    room = weights * sum(totals.values())
    chosen: dict[int, int] = {}

    def give(number: int, role: int) -> None:
        chosen[number] = role
        for kind, count in contents[number].items():
            lacking[kind][role] -= count
        room[role] -= sum(contents[number].values())

    for kind in sorted(totals, key=lambda kind: (totals[kind], str(kind))):
        for number in [i for i, content in enumerate(contents) if kind in content and i not in chosen]:
            open_roles = [role for role in range(len(names)) if room[role] > 1e-9] or list(range(len(names)))
            need = {
                role: (round(float(lacking[kind][role]), 9), round(float(room[role]), 9), -role) for role in open_roles
            }
            give(number, max(need, key=need.__getitem__))
    _fill_empty(chosen, contents, len(names))
    return {case.key: names[chosen[number]] for number, unit in enumerate(shuffled) for case in unit}


def _fill_empty(chosen: dict[int, int], contents: Sequence[Counter], roles: int) -> None:
    """A role that was asked for gets at least one unit: the smallest of the role that has most of them."""
    for role in range(roles):
        if role not in chosen.values():
            richest = Counter(chosen.values()).most_common(1)[0][0]
            candidates = [number for number, given in chosen.items() if given == richest]
            chosen[min(candidates, key=lambda number: sum(contents[number].values()))] = role


def _classes(cohort: Cohort, cases: Sequence[Case], name: str | None) -> dict[str, Any]:
    """``{key: class}`` of a label or field; numbers of many values are cut at their quintiles."""
    if name is None:
        return {}
    values = {case.key: _value(case, name) for case in cases}
    if all(value is None for value in values.values()):
        known = sorted({each for case in cohort for each in (*case.labels, *case.fields)})
        raise CohortError(
            f"no case has '{name}', by which the split is to be spread",
            expected=f"one of {', '.join(known)}" if known else "a label or a field",
            code="stratify_absent",
        )
    present = [value for value in values.values() if value is not None]
    if len(set(present)) > _MOST_CLASSES and all(isinstance(value, (int, float)) for value in present):
        edges = np.quantile(np.asarray(present, dtype=float), [0.2, 0.4, 0.6, 0.8])
        return {key: None if value is None else int(np.searchsorted(edges, value)) for key, value in values.items()}
    return values


def _proportion(cohort: Cohort) -> dict[str, float]:
    """Shares of train, tune and calibrate as the cohort has them; all for training where it has none."""
    counts = Counter(case.role for case in cohort)
    shares = {role: float(counts[role]) for role in ("train", "tune", "calibrate")}
    return shares if any(shares.values()) else {"train": 1.0}


def _with_roles(cohort: Cohort, roles: Mapping[str, str]) -> Cohort:
    made = cohort.with_cases(replace(case, role=roles.get(case.key, case.role)) for case in cohort)
    refuse_leak(made)
    return made


def _without(cohort: Cohort, keys: Collection[str], reason: str) -> Cohort:
    return cohort.select(lambda case: case.key not in keys, reason)


def _moment(value: Any) -> float | None:
    day = day_of(value)
    return number_of(value) if day is None else day


def _choice(values: Sequence[str], cases: int) -> str:
    """The values of a column, unless they are so many that they might say who each case is of."""
    few = len(values) <= _MOST_SHOWN and len(values) * _FEWEST_OF_EACH <= cases
    return f"one of {', '.join(values)}" if few else f"one of that column's {len(values)} values"


def _value(case: Case, name: str) -> Any:
    """A label or field, None where it is missing."""
    return plain(case.labels.get(name, case.fields.get(name)))
