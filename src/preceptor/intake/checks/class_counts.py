"""How many cases of each class there are, in each role."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any

from annotated_types import Ge

from preceptor.core.cohort import Case, Cohort, Sample
from preceptor.core.errors import Problem
from preceptor.core.plugins import Task
from preceptor.intake.masks import count_values


class ClassCounts:
    """Classes that are absent, constant or rare, by role.

    A class that no training case shows can't be learnt, and one class alone is no question: errors. A class that the
    test or tune cases lack can't be measured there, and one with few people gives wide intervals: warnings.

    Args:
        few: People (or images where no patient is named) of a class below which a role is said to have few.

    Raises: nothing; it returns `Problem` records.

    Source: own.

    Example:
        >>> ClassCounts()(Cohort((), Path()), {}, None)
        []
    """

    reads = "pixels"

    def __init__(self, few: Annotated[int, Ge(1)] = 5) -> None:
        self.few = few

    @classmethod
    def example(cls) -> ClassCounts:
        return cls()

    def look(self, case: Case, sample: Sample | None, error: Exception | None) -> Any:
        return None if sample is None else {name: sorted(count_values(mask)) for name, mask in sample.masks.items()}

    def __call__(self, cohort: Cohort, facts: Mapping[str, Any], task: Task | None) -> list[Problem]:
        if task is None or task.question.is_regression or len(cohort) < 2:
            return []
        shown = {case.key: _classes_of(case, facts.get(case.key), task) for case in cohort}
        asked = task.question.classes[1:] if task.question.dense else task.question.classes
        problems = _overall(cohort, shown, asked, task)
        roles = [role for role in ("train", "tune", "calibrate", "test", "external") if cohort.with_role(role)]
        for role in roles:
            people: dict[str, set[str]] = {name: set() for name in asked}
            for case in cohort.with_role(role):
                for name in shown[case.key] & people.keys():
                    people[name].add(case.cluster)
            problems += self._in_role(role, {name: len(each) for name, each in people.items()}, problems)
        return problems

    def _in_role(self, role: str, people: Mapping[str, int], so_far: list[Problem]) -> list[Problem]:
        absent = [name for name, number in people.items() if number == 0]
        rare = {name: number for name, number in people.items() if 0 < number < self.few}
        found = []
        if absent and not any(problem.code == "class_never" for problem in so_far):
            learnt = role == "train"
            remedy = (
                "stratify the split by the label" if learnt else "stratify the split, or read the measures with care"
            )
            found.append(
                Problem(
                    f"no {role} case shows {' or '.join(absent)}",
                    f"role {role}",
                    "cases of every class",
                    remedy,
                    "class_absent",
                    severity="error" if learnt else "warning",
                )
            )
        if rare:
            found.append(
                Problem(
                    f"few {role} cases show {', '.join(f'{name} ({number})' for name, number in rare.items())}",
                    f"role {role}",
                    f"{self.few} people or more of each class",
                    "more cases, or fewer roles; intervals will be wide",
                    "class_rare",
                    severity="warning",
                )
            )
        return found


def _overall(cohort: Cohort, shown: Mapping[str, set[str]], asked: tuple[str, ...], task: Task) -> list[Problem]:
    number = Counter(name for classes in shown.values() for name in classes)
    labelled = sum(bool(classes) for classes in shown.values())
    counted = ", ".join(f"{name} {number[name]}" for name in asked)
    if not labelled and not task.question.dense:
        return [
            Problem(
                "no case is labelled",
                f"label {task.question.target}",
                f"a label out of {', '.join(asked)}",
                "look at the label's column, and at how its values are written",
                "class_never",
            )
        ]
    never = [name for name in asked if not number[name]]
    if never and (task.question.exclusive or task.question.dense):
        return [
            Problem(
                f"no case shows {' or '.join(never)} ({counted})",
                f"label {task.question.target}",
                "cases of every class",
                "take the class out of the recipe, or look at how its value is written",
                "class_never",
            )
        ]
    return []


def _classes_of(case: Case, fact: Any, task: Task) -> set[str]:
    """The classes that a case shows."""
    question = task.question
    if question.dense:
        held = set((fact or {}).get(task.mask, ()))
        if question.numbered:
            held = {str(min(int(float(value)), 1)) for value in held}
        return {name for name, value in zip(question.classes, question.values, strict=True) if str(value) in held}
    target = task.encode(case)[question.target]
    if question.exclusive:
        return {question.classes[int(target)]} if int(target) >= 0 else set()
    return {name for name, value in zip(question.classes, target, strict=True) if value == 1}
