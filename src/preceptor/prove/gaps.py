"""Gaps between groups: each with an interval over resampled patients and the chance that it is chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from preceptor.core.evidence import Finding
from preceptor.maths.comparison import holm
from preceptor.maths.group_fairness import CRITERIA, Equality, equality, margin, spread
from preceptor.maths.intervals import Bootstrap, bootstrap

from .divisions import Division
from .group_measures import Called, Measure
from .measuring import Measuring

#: Patients that a single rate or ranking needs on each side: fewer say nothing that would hold for the next ones.
FEWEST = 5


@dataclass(frozen=True)
class Gap:
    """A finding and its p before any correction."""

    finding: Finding
    p: float


@dataclass(frozen=True, eq=False)
class Comparing:
    """Compares groups, each value of each group measured once.

    Args:
        measuring: The rows with their resamples.
        fewest: Patients that a number needs on each side.
    """

    measuring: Measuring
    fewest: int
    _known: dict[tuple[str, bytes], Bootstrap] = field(default_factory=dict, repr=False)

    def groups(self, division: Division, measure: Measure) -> tuple[list[Gap], int]:
        """Every group less everyone else whose group is known.

        Of two groups without any other, one is held against the other, once.

        Returns:
            The gaps, and how many groups have too few patients for this measure.
        """
        gaps, few = [], 0
        only_two = len(division.groups) == 2 and not division.small[0]
        for name in division.groups[:1] if only_two else division.groups:
            inside = division.of(name)
            outside = division.known & ~inside
            if min(measure.patients(inside), measure.patients(outside)) < self.fewest:
                few += 1
                continue
            against = division.groups[1] if only_two else "everyone else"
            gaps.append(self._gap(f"{division.name}={name}", measure, [inside, outside], [name, against]))
        return gaps, few

    def criterion(self, division: Division, called: Called, criterion: str) -> Gap | None:
        """The largest gap between any two groups in the rates that a definition of fairness asks to be equal.

        Returns:
            None where fewer than two groups have enough patients.
        """
        widest: tuple[float, Measure, list[str], int, int] | None = None
        tests = []
        for name in CRITERIA[criterion]:
            measure = called.measures[name]
            groups = [each for each in division.groups if measure.patients(division.of(each)) >= self.fewest]
            if len(groups) < 2:
                return None
            masks = [division.of(each) for each in groups]
            found = spread([self._of(measure, mask).value for mask in masks])
            tests.append(self._equality(measure, masks).p)
            if widest is None or found.gap > widest[0]:
                widest = (found.gap, measure, groups, found.highest, found.lowest)
        assert widest is not None  # every definition names a rate
        _, measure, groups, high, low = widest
        pair = [groups[high], groups[low]]
        gap = self._gap(
            f"{called.prefix}{division.name}.{criterion}",
            measure,
            [division.of(each) for each in pair],
            pair,
            bare=True,
        )
        # The pair was chosen for being furthest apart, so its own test would find too much: all groups are tested
        # together, and several rates by the smallest of their p times their number.
        p = float(np.min(tests)) * len(tests)
        note = f"{pair[0]} and {pair[1]} are the furthest apart of {len(groups)} groups"
        told = replace(gap.finding, higher_is_better=False, notes=(note, *gap.finding.notes))
        return Gap(told, min(p, 1.0))

    def _gap(
        self, name: str, measure: Measure, masks: Sequence[np.ndarray], groups: Sequence[str], *, bare: bool = False
    ) -> Gap:
        both = [self._of(measure, mask) for mask in masks]
        tested = self._equality(measure, masks)
        value = both[0].value - both[1].value
        half = margin(tested, 0, 1, self.measuring.level)
        interval = (value - half, value + half) if np.isfinite(half) else None
        if interval is not None and measure.is_share:
            interval = (max(interval[0], -1.0), min(interval[1], 1.0))
        entered = measure.entered & (masks[0] | masks[1])
        clusters = self.measuring.clusters(entered)
        sizes = [self.measuring.clusters(measure.entered & mask) for mask in masks]
        unit = self.measuring.unit
        told = [
            f"{groups[0]} {both[0].value:.3f} ({sizes[0]} {unit}s), {groups[1]} {both[1].value:.3f} ({sizes[1]} {unit}s)"
        ]
        if interval is None:
            told.append("no interval: a value is undefined, or the same in every resample")
        finding = Finding(
            name=f"group_gaps.{name}" if bare else f"group_gaps.{name}.{measure.name}",
            value=value,
            definition=f"{groups[0]} less {groups[1]}: {measure.definition}",
            interval=interval,
            level=self.measuring.level,
            method=f"bootstrap of {clusters} {unit}s, {self.measuring.resamples.number} resamples, Welch",
            cases=int(entered.sum()),
            clusters=clusters,
            unit=measure.unit,
            higher_is_better=None,
            notes=tuple(told),
        )
        return Gap(finding, tested.p)

    def _equality(self, measure: Measure, masks: Sequence[np.ndarray]) -> Equality:
        drawn = [self._of(measure, mask) for mask in masks]
        return equality(
            np.array([each.value for each in drawn]),
            np.array([each.values for each in drawn]),
            np.array([measure.patients(mask) for mask in masks]),
            measure.is_share or measure.is_performance and not measure.unit,
        )

    def _of(self, measure: Measure, mask: np.ndarray) -> Bootstrap:
        key = (measure.name, np.packbits(mask).tobytes())
        if key not in self._known:
            self._known[key] = bootstrap(measure.of(mask), self.measuring.resamples, accelerated=False)
        return self._known[key]


def corrected(gaps: Sequence[Gap], family: str) -> Mapping[str, Finding]:
    """The findings by the end of their name, each with its p and the p that Holm makes of the whole family.

    Args:
        gaps: Of one family of tests.
        family: What it is called in the definition.
    """
    known = [gap for gap in gaps if np.isfinite(gap.p)]
    adjusted = dict(zip((gap.finding.name for gap in known), holm(np.array([gap.p for gap in known])), strict=True))
    told = {}
    for gap in gaps:
        each = gap.finding
        if each.name in adjusted:
            p, after = gap.p, float(adjusted[each.name])
            parts = {
                "p": _told_p(each, "p", p, "chance of such a gap between equal groups", "Wald test"),
                "adjusted_p": _told_p(each, "adjusted_p", after, f"p corrected for {len(known)} {family}", "Holm"),
            }
            said = f"p {p:.3g}, {after:.3g} corrected for {len(known)} {family}"
            each = replace(each, notes=(*each.notes, said), parts=parts)
        told[each.name.removeprefix("group_gaps.")] = each
    return told


def _told_p(gap: Finding, name: str, value: float, definition: str, method: str) -> Finding:
    return Finding(
        f"{gap.name}.{name}",
        value,
        definition,
        method=method,
        cases=gap.cases,
        clusters=gap.clusters,
        higher_is_better=None,
    )
