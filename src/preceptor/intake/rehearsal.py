"""Rehearsals: a recipe tried with two cases a role, and phantoms where its data is not here."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from preceptor.core.cohort import Case, Cohort
from preceptor.core.evidence import Question
from preceptor.core.slots import build, spec
from preceptor.recipe.resolve import Recipe

from .synthesis.phantom_plan import Plan
from .synthesis.phantom_stain import needs_stain, stain
from .synthesis.phantom_study import make_study

#: Parameters under which plug-ins name a column of the cohort.
_COLUMNS = ("clinical", "field", "fields", "by", "domain", "group", "stratify")

#: What every phantom study says of its cases.
_KNOWN = ("site", "sex", "age", "visit")

#: How the roles go where the recipe leaves them to its data set.
_ROLES = ("train", "train", "tune", "calibrate", "test", "train", "test", "train")


#: What tables write where an event happened.
_HAPPENED = ("1", "1.0", "True", "true")

#: Calibration cases kept in a rehearsal: a conformal set of 95 % can't be promised from fewer than 19. They are only
#: predicted, which is quick.
_TO_CALIBRATE = 24


def stand_in(recipe: Recipe, folder: Path, visits: int = 48) -> Cohort:
    """Phantoms of the same task, views, classes and axes as a recipe whose data is not here.

    Args:
        recipe: What is asked.
        folder: Where the phantoms are written.
        visits: How many cases at least; more where the split's calibrate share asks for them.

    Returns:
        A cohort that the recipe can be tried on, and nothing learnt from; its notes say so.
    """
    sections = recipe.sections()
    question = build("tasks", recipe.task).question
    named = _held_out(sections["split"])
    share = (sections["split"] or {}).get("calibrate") or 1.0
    visits = max(visits, math.ceil(_TO_CALIBRATE / share))
    plan = Plan(
        visits=visits,
        seed=recipe.seed,
        size=size_of(sections),
        views=views_of(sections["cohort"]),
        sites=("north", "south", *named.get("site", ())),
        site_effect=0.5,
        **asked(recipe, question),
    )
    if len(plan.size) == 2:
        plan = replace(plan, format="dicom" if needs_spacing(sections) else "png")
    cohort = make_study(plan, folder, recipe.study)
    if plan.format == "png" and needs_stain(sections):
        cohort = stain(cohort)
    cases = [_with_columns(_followed(case, question), index, sections, named) for index, case in enumerate(cohort)]
    if recipe.split is None:
        cases = [replace(case, role=_ROLES[index % len(_ROLES)]) for index, case in enumerate(cases)]
    return replace(
        cohort, cases=tuple(cases), notes=("stand-in: phantoms in place of the recipe's data", *cohort.notes)
    )


def asked(recipe: Recipe, question: Question) -> dict[str, Any]:
    """Task and classes, as a phantom study's settings."""
    settings = spec(recipe.task)[1]
    if question.dense:
        labels = dict(zip(question.classes[1:], question.values[1:], strict=True))
        return {"task": "segmentation", "labels": labels, "mask": question.target}
    if question.task == "survival":
        # Most have the event by the last time that is asked for, and a few are followed beyond it.
        return {"task": "survival", "label": question.target, "median_time": question.times[-1] / 2, "censored": 0.2}
    if question.is_regression:
        return {"task": "regression", "label": question.target}
    if not question.exclusive:
        return {"task": "multilabel", "classes": question.classes}
    meant = settings.get("classes")
    values = question.classes
    if isinstance(meant, Mapping):  # a value that means the class; "*" is whatever no other class names
        values = tuple(str(next((value for value in each if value != "*"), name)) for name, each in meant.items())
    return {"task": "classification", "classes": values, "label": question.target}


def views_of(cohort: Mapping[str, Any]) -> tuple[str, ...]:
    settings = spec(cohort)[1]
    for key in ("views", "image", "images"):
        if isinstance(settings.get(key), (Mapping, list)):
            return tuple(settings[key])
    return ("image",)


def size_of(sections: Mapping[str, Any]) -> tuple[int, ...]:
    """Voxels of a phantom: room for a patch and a little more."""
    patch = sections["train"]["patch"]
    if patch:
        return tuple(max(round(1.2 * side), side + 4) for side in patch)
    for settings in _mappings(sections["prepare"]):
        for key in ("shape", "size", "spacing_mm"):
            if isinstance(settings.get(key), list):
                return (64, 64) if len(settings[key]) == 2 else (32, 32, 32)
    text = repr(sections["cohort"])
    return (32, 32, 32) if any(suffix in text for suffix in (".nii", "decathlon", "nnunet", "bids")) else (64, 64)


def needs_spacing(sections: Mapping[str, Any]) -> bool:
    return any(settings.get("spacing_mm") is not None for settings in _mappings(sections["prepare"]))


def _held_out(split: Mapping[str, Any] | None) -> dict[str, list[Any]]:
    """Values that the split gives a role of their own, by field."""
    named: dict[str, list[Any]] = defaultdict(list)
    for role in ("adapt", "external"):
        for field, values in ((split or {}).get(role) or {}).items():
            named[field] += values
    return named


def _with_columns(case: Case, index: int, sections: Mapping[str, Any], named: Mapping[str, list[Any]]) -> Case:
    """The case with every column that the recipe speaks of; those that mean nothing to a phantom alternate."""
    columns = {value for settings in _mappings(sections) for key in _COLUMNS for value in _texts(settings.get(key))}
    labels = {*case.labels, "patient", "image"}
    fields = dict(case.fields)
    for column in sorted(columns - labels - set(_KNOWN)):
        fields[column] = "ab"[index % 2]
    for column, values in named.items():
        if column != "site":
            fields[column] = ("other", "another", *values)[index % (len(values) + 2)]
    return replace(case, fields=fields)


def _followed(case: Case, question: Question) -> Case:
    """The case with its follow-up in the columns where the recipe looks for it."""
    phantoms = (f"{question.target}_time", f"{question.target}_event")
    renamed = dict(zip(phantoms, question.follow_up_columns, strict=True)) if question.task == "survival" else {}
    return replace(case, labels={renamed.get(name, name): value for name, value in case.labels.items()})


def _mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every mapping in a tree."""
    if isinstance(value, Mapping):
        yield value
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for each in value:
            yield from _mappings(each)


def _texts(value: Any) -> list[str]:
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)]


def few_cases(cohort: Cohort, each: int = 2, event: str | None = None) -> Cohort:
    """At most `each` cases a role, of different labels where there are such: enough to try every step once.

    More calibration cases are kept, for what they fit promises something of its number of cases.

    Args:
        cohort: With roles.
        each: Cases a role.
        event: Column of survival's events; cases that had it come first, for without an event there is nothing to learn.
    """
    by_role: dict[str | None, list[Case]] = defaultdict(list)

    def without(case: Case) -> bool:
        return event is not None and str(case.labels.get(event, case.fields.get(event))) not in _HAPPENED

    for case in sorted(cohort, key=without):
        by_role[case.role].append(case)
    number = {role: max(each, _TO_CALIBRATE) if role == "calibrate" else each for role in by_role}
    kept = {case.key for role, cases in by_role.items() for case in _different(cases, number[role])}
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
