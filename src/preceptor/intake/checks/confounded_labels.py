"""Labels that can be told without looking at the image: by the site, the scanner, the date or the file's name."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt, Le

from preceptor.core.cohort import Case, Cohort, Sample
from preceptor.core.errors import Problem
from preceptor.core.plain import is_missing
from preceptor.core.plugins import Task
from preceptor.intake.columns import day_of, file_name, levels_of, number_in, number_of
from preceptor.maths.roc import auroc

#: More values than this, of a label or of a field that is no number, are no classes and no levels.
_MOST_CLASSES, _MOST_LEVELS = 10, 30

_PARTS = 5


class ConfoundedLabels:
    """Fields, and the names of files, from which a label can be foretold.

    Where all cases of one class came from one hospital, a network learns the hospital. Every field is asked how well
    it alone tells each class of each label: the share of the class among other people with the same value (numbers and
    dates: in the same tenth) is the score, and its area under the ROC curve is taken. File names are asked twice: the
    number in them, and the letters before it.

    Args:
        least_area: Area from which it is told.
        least_people: People of the class, and of the others, below which nothing is said.

    Raises: nothing; it returns `Problem` records of severity ``warning``.

    Source: Zech et al. 2018, doi:10.1371/journal.pmed.1002683 (networks that learn the hospital); cross-fitted by
        person.

    Example:
        >>> ConfoundedLabels()(Cohort((), Path()), {}, None)
        []
    """

    reads = "nothing"

    def __init__(
        self, least_area: Annotated[float, Gt(0.5), Le(1)] = 0.9, least_people: Annotated[int, Ge(5)] = 10
    ) -> None:
        self.least_area = least_area
        self.least_people = least_people

    @classmethod
    def example(cls) -> ConfoundedLabels:
        return cls()

    def look(self, case: Case, sample: Sample | None, error: Exception | None) -> Any:
        return None

    def __call__(self, cohort: Cohort, facts: Mapping[str, Any], task: Task | None) -> list[Problem]:
        part = _parts(cohort)
        clues = _clues(cohort)
        problems = []
        for label in dict.fromkeys(name for case in cohort for name in case.labels):
            values = [case.labels.get(label) for case in cohort]
            kinds = Counter(str(value) for value in values if not is_missing(value))
            if not 2 <= len(kinds) <= _MOST_CLASSES:
                continue
            for clue, levels in clues.items():
                areas = {kind: self._area(cohort, values, kind, levels, part) for kind in kinds}
                kind = max(areas, key=areas.__getitem__)
                if areas[kind] >= self.least_area:
                    problems.append(_problem(label, kind, clue, areas[kind]))
        return problems

    def _area(
        self,
        cohort: Cohort,
        values: Sequence[Any],
        kind: str,
        levels: Sequence[Hashable | None],
        part: Mapping[str, int],
    ) -> float:
        """How well the level alone tells the class, each person judged by the others; 0 where too few are known."""
        known = [place for place, level in enumerate(levels) if level is not None and not is_missing(values[place])]
        truth = np.array([str(values[place]) == kind for place in known])
        people = [cohort.cases[place].cluster for place in known]
        positive = {name for name, is_one in zip(people, truth, strict=True) if is_one}
        negative = {name for name, is_one in zip(people, truth, strict=True) if not is_one}
        if min(len(positive), len(negative)) < self.least_people:
            return 0.0
        score = np.zeros(len(known))
        fold = np.array([part[name] for name in people])
        for number in range(_PARTS):
            counted: dict[Hashable | None, list[bool]] = defaultdict(list)
            others = np.flatnonzero(fold != number)
            for place in others:
                counted[levels[known[place]]].append(bool(truth[place]))
            usual = float(truth[others].mean()) if len(others) else 0.5
            for place in np.flatnonzero(fold == number):
                seen = counted.get(levels[known[place]], [])
                score[place] = (sum(seen) + usual) / (len(seen) + 1)
        return auroc(truth.astype(int), score)


def _parts(cohort: Cohort) -> dict[str, int]:
    names = sorted({case.cluster for case in cohort})
    order = np.random.default_rng(0).permutation(len(names))
    return {names[place]: number % _PARTS for number, place in enumerate(order)}


def _clues(cohort: Cohort) -> dict[str, list[Any]]:
    """``{what: its level in each case}``: every field that has levels, and the names of the files."""
    clues: dict[str, list[Any]] = {}
    for field in dict.fromkeys(name for case in cohort for name in case.fields):
        values = [None if is_missing(value := case.fields.get(field)) else value for case in cohort]
        held = [value for value in values if value is not None]
        for read in (number_of, day_of):
            numbers = [read(value) for value in values]
            if (
                held
                and sum(number is not None for number in numbers) > 0.9 * len(held)
                and len(set(held)) > _MOST_CLASSES
            ):
                clues[f"the field '{field}'"] = levels_of(numbers)
                break
        else:
            if 2 <= len({str(value) for value in held}) <= min(_MOST_LEVELS, len(held) / 5):
                clues[f"the field '{field}'"] = [None if value is None else str(value) for value in values]
    names = [file_name(case) for case in cohort]
    clues["the number in the file's name"] = levels_of([number_in(name) for name in names])
    letters = [None if name is None else re.split(r"\d", name)[0].casefold() for name in names]
    if 2 <= len({each for each in letters if each is not None}) <= min(_MOST_LEVELS, len(names) / 5):
        clues["the letters of the file's name"] = letters
    return clues


def _problem(label: str, kind: str, clue: str, area: float) -> Problem:
    return Problem(
        f"{clue} alone tells '{label}' {kind[:40]} from the rest with an area under the ROC curve of {area:.2f}",
        f"label {label}",
        "classes that come from the same places, devices and times",
        "gather both classes everywhere; else hold out by that field (split, external) and balance it (methods), and "
        "measure within its values",
        "label_confounded",
        severity="warning",
    )
