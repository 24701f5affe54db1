"""Structures that lie otherwise than in all other cases: labels exchanged, maps flipped."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from itertools import combinations
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt, Lt

from preceptor.core.cohort import Case, Cohort, Sample
from preceptor.core.errors import Problem
from preceptor.core.image import Image
from preceptor.core.plugins import Task

_AXES = ("right of", "anterior to", "superior to"), ("left of", "posterior to", "inferior to")

#: A relation counts where the middle of the distances lies this many robust deviations from none.
_FIRM = 2.5

#: More structures than this are instances, whose numbers mean nothing.
_MOST_STRUCTURES = 40


class LabelAnatomy:
    """How the structures of a label map lie to each other, as learnt from the cohort's own majority.

    Nobody tells a program that the head of the hippocampus is in front of its tail, but 20 maps do. For every two
    structures and each axis of the patient the distance of their centres is taken; where it has one sign in nearly
    all cases, those in which it has the other are told: their labels were exchanged, or the map was flipped. A flip
    that keeps every such relation, left for right with structures on one side, can't be seen in the map.

    Args:
        least_people: People who show both structures, below which nothing is learnt.
        exceptions: Share of the cases that may lie otherwise; with more of them it is no rule.
        confirmed: Keys of cases that were looked at and lie otherwise in truth (situs inversus).

    Raises: nothing; it returns `Problem` records of severity ``error``.

    Source: own. Of 178 hippocampi the anterior part lies in front of and below the posterior part in each.

    Example:
        >>> LabelAnatomy()(Cohort((), Path()), {}, None)
        []
    """

    reads = "pixels"

    def __init__(
        self,
        least_people: Annotated[int, Ge(5)] = 20,
        exceptions: Annotated[float, Gt(0), Lt(0.5)] = 0.1,
        confirmed: list[str] | None = None,
    ) -> None:
        self.least_people = least_people
        self.exceptions = exceptions
        self.confirmed = confirmed

    @classmethod
    def example(cls) -> LabelAnatomy:
        return cls()

    def look(self, case: Case, sample: Sample | None, error: Exception | None) -> Any:
        if sample is None:
            return None
        return {name: centres_mm(mask) for name, mask in sample.masks.items() if mask.has_known_geometry}

    def __call__(self, cohort: Cohort, facts: Mapping[str, Any], task: Task | None) -> list[Problem]:
        if task is not None and getattr(task.question, "numbered", False):
            return []
        names = dict.fromkeys(name for case in cohort for name in facts.get(case.key) or {})
        return [problem for name in names for problem in self._of_mask(cohort, facts, name, task)]

    def _of_mask(self, cohort: Cohort, facts: Mapping[str, Any], mask: str, task: Task | None) -> list[Problem]:
        seen = [(case, (facts.get(case.key) or {}).get(mask) or {}) for case in cohort]
        values = sorted({value for _, centres in seen for value in centres}, key=int)
        if task is not None and task.mask == mask:
            values = [value for value in values if int(value) in task.question.values[1:]]
        told: dict[str, list[str]] = defaultdict(list)
        for one, other in combinations(values[:_MOST_STRUCTURES], 2):
            both = [(case, centres) for case, centres in seen if one in centres and other in centres]
            if len({case.cluster for case, _ in both}) < self.least_people:
                continue
            apart = np.array([np.subtract(centres[one], centres[other]) for _, centres in both])
            for axis in range(3):
                for (case, _), is_odd in zip(both, self._against(apart[:, axis]), strict=True):
                    if is_odd and case.key not in (self.confirmed or ()):
                        words = _AXES[int(np.median(apart[:, axis]) < 0)][axis]
                        told[case.key].append(f"{_called(one, mask, task)} is not {words} {_called(other, mask, task)}")
        if not told:
            return []
        shown = list(dict.fromkeys(text for each in told.values() for text in each))
        who = f"In {len(told)} label maps" if len(told) > 1 else "In 1 label map"
        return [
            Problem(
                f"{who} structures lie otherwise than in the other cases: {'; '.join(shown[:4])}"
                + (f" and {len(shown) - 4} more" if len(shown) > 4 else ""),
                f"mask {mask}",
                "structures that lie to each other as in the others",
                "look whether labels were exchanged or the map flipped; name cases that are so in truth under `confirmed`",
                "label_arrangement",
                tuple(told),
            )
        ]

    def _against(self, distances: np.ndarray) -> np.ndarray:
        """``(case,)`` whether each lies against a rule that nearly all the others follow; none where there is no rule."""
        middle = float(np.median(distances))
        spread = 1.4826 * float(np.median(np.abs(distances - middle)))
        odd = distances * np.sign(middle) < 0
        # Median and spread of few cases are unsure: a rule that 22 of them seem to follow may be none.
        sure = _FIRM * (1 + 4 / np.sqrt(len(distances)))
        firm = abs(middle) > sure * spread and float(odd.mean()) <= self.exceptions
        return odd if firm else np.zeros_like(odd)


def centres_mm(mask: Image) -> dict[str, list[float]]:
    """``{value: centre}`` of each structure of a label map, in millimetres to the right, front and top of the patient.

    Args:
        mask: A label map whose place in space is known; 0 is background.

    Returns:
        Nothing where there are more than 40 values: those are instances.
    """
    array = mask.array[0]
    where = np.nonzero(array)
    values, place = np.unique(array[where], return_inverse=True)
    if len(values) > _MOST_STRUCTURES:
        return {}
    number = np.bincount(place)
    index = np.stack([np.bincount(place, each) / number for each in where], axis=1)
    index = np.pad(index, ((0, 0), (0, 3 - index.shape[1])))
    world = index @ mask.affine_mm[:3, :3].T + mask.affine_mm[:3, 3]
    return {str(int(value)): [round(float(each), 4) for each in row] for value, row in zip(values, world, strict=True)}


def _called(value: str, mask: str, task: Task | None) -> str:
    if task is not None and task.mask == mask:
        return dict(zip(map(str, task.question.values), task.question.classes, strict=True)).get(value, value)
    return value
