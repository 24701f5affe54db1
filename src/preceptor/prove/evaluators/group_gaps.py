"""Gaps between groups of people: who is served worse, by how much, and is it chance?"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Lt

from preceptor.core.cohort import Cohort
from preceptor.core.evidence import Finding, Predictions, Question
from preceptor.maths.group_fairness import CRITERIA
from preceptor.prove.divisions import Division, divisions
from preceptor.prove.gaps import FEWEST, Comparing, Gap, corrected
from preceptor.prove.group_measures import measures_of
from preceptor.prove.measuring import Measuring, noted


class GroupGaps:
    """The largest gap in performance between a group of people and everyone else, with every other gap as a part.

    Groups are those of sex, age band, site, scanner, view and quality, and of two of these at once. Compared are
    performance (AUROC, Dice, or the distance from the truth), calibration (mean probability less what came true) and
    errors (true and false positive rates); and, between the two groups furthest apart, what demographic parity, equal
    opportunity, equalised odds and predictive parity ask to be equal. Every gap has an interval over resampled patients
    and a p, corrected by Holm among all gaps and among all definitions.

    Groups with fewer patients than `smallest` are counted in the notes and not shown.

    Args:
        fields: What to divide by; None takes the six above where the cohort has them. Numbers of many values are cut
            into thirds, ages into bands.
        intersections: Whether to divide by every two fields at once too.
        smallest: Patients that a group needs. A rate or a ranking needs five of its own on each side, or as many as
            this where it is less.
        resamples: Of patients.
        level: Of the intervals.
        seed: Of the resamples.

    Returns:
        A `Finding`: the largest gap without its sign. Parts: ``sex=F.roc`` and the like (group less everyone else) and
        ``sex.equal_opportunity`` and the like (highest group less lowest), each with the parts ``p`` and
        ``adjusted_p``.

    Raises:
        CohortError: A labelled case has no probability, or a stored map can't be read.

    Source: Hardt 2016 (arXiv:1610.02413); Chouldechova 2017 (arXiv:1610.07524); Holm 1979.

    Example:
        >>> GroupGaps(fields=["sex"]).suits(Question("classification", "finding", ("absent", "present")))
        True
    """

    def __init__(
        self,
        fields: list[str] | None = None,
        intersections: bool = True,
        smallest: Annotated[int, Ge(2)] = 10,
        resamples: Annotated[int, Ge(100)] = 2000,
        level: Annotated[float, Gt(0), Lt(1)] = 0.95,
        seed: Annotated[int, Ge(0)] = 0,
    ) -> None:
        self.fields = fields
        self.intersections = intersections
        self.smallest = smallest
        self.resamples = resamples
        self.level = level
        self.seed = seed

    @classmethod
    def example(cls) -> GroupGaps:
        return cls(smallest=2)

    def suits(self, question: Question) -> bool:
        return question.is_number or (not question.is_regression and (question.exclusive or not question.dense))

    def __call__(self, predictions: Predictions, cohort: Cohort) -> Finding:
        measuring = Measuring.of(predictions, self.resamples, self.level, self.seed)
        measures, called = measures_of(predictions, measuring)
        found, absent = divisions(
            predictions, cohort, self.fields, smallest=self.smallest, intersections=self.intersections
        )
        comparing = Comparing(measuring, min(self.smallest, FEWEST))
        gaps: list[Gap] = []
        performance: list[Gap] = []
        criteria: list[Gap] = []
        few = 0
        for division in found:
            for measure in measures:
                compared, too_few = comparing.groups(division, measure)
                gaps, few = gaps + compared, few + too_few
                performance += compared if measure.is_performance else []
            for each in called:
                told = [comparing.criterion(division, each, name) for name in CRITERIA]
                criteria += [gap for gap in told if gap is not None]
        parts = {**corrected(gaps, "gaps"), **corrected(criteria, "definitions of fairness")}
        notes = (*_held_back(found, self.smallest, measuring.unit), *noted(few, "group{s} with too few for a measure"))
        notes += tuple(f"no field '{name}' to divide by" for name in absent)
        return self._headline(performance, parts, measuring, notes)

    def _headline(
        self, performance: list[Gap], parts: dict[str, Finding], measuring: Measuring, notes: tuple[str, ...]
    ) -> Finding:
        definition = "largest gap in performance between a group and everyone else, without its sign"
        measured = [gap.finding for gap in performance if np.isfinite(gap.finding.value)]
        if not measured:
            why = "no two groups are large enough to be compared"
            return Finding(
                "group_gaps", float("nan"), definition, method="no interval", parts=parts, notes=(why, *notes)
            )
        largest = max(measured, key=lambda each: abs(each.value))
        named = largest.name.removeprefix("group_gaps.")
        interval = largest.interval
        if interval is not None and largest.value < 0:
            interval = (-interval[1], -interval[0])
        chosen = "chosen for being the largest: its interval is too kind, the corrected p of the part is not"
        return replace(
            parts[named],
            name="group_gaps",
            value=abs(largest.value),
            definition=f"{definition}: {named}",
            interval=interval,
            higher_is_better=False,
            parts=parts,
            notes=(*parts[named].notes, chosen, *notes),
        )


def _held_back(found: list[Division], smallest: int, unit: str) -> tuple[str, ...]:
    """Which groups are not shown, and how many persons they are."""
    return tuple(
        f"{each.name}: {each.small[0]} group{'s' if each.small[0] != 1 else ''} of fewer than {smallest} {unit}s "
        f"({each.small[1]} {unit}s in all) not shown"
        for each in found
        if each.small[0]
    )
