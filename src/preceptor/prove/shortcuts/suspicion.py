"""`Trial` and `Suspicion`: what the audit asked, and what it came to suspect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from preceptor.maths.weighted_holm import weighted_holm

#: How much more of the chance of a false alarm is spent on hospital and machine than on any other suspect: they are the
#: shortcuts that were found most (Zech 2018, doi 10.1371/journal.pmed.1002683; DeGrave 2021).
USUAL = 4.0


@dataclass(frozen=True)
class Trial:
    """One question of the audit and its answer, whether or not it raises a suspicion.

    Args:
        name: ``features.site``, ``patch.border`` …
        about: What would be the shortcut: ``site``, ``border`` …
        question: What was asked, one sentence.
        answer: What was found, one sentence with its numbers.
        value: The number.
        interval: Of the value at 95 %, patients resampled; None where there is none.
        chance: What the value would be without a shortcut.
        p: One-sided, before correction; NaN where the trial only informs.
        large: Whether the value is far enough from chance to matter, whatever its p.
        cases, clusters: How many cases and patients entered.
        evidence: Further numbers: controls, what was left after reweighting …
        adjusted_p: After Holm, over all trials that have a p; site and scanner have the larger share of the error.
    """

    name: str
    about: str
    question: str
    answer: str
    value: float
    interval: tuple[float, float] | None = None
    chance: float = 0.0
    p: float = float("nan")
    large: bool = False
    cases: int = 0
    clusters: int = 0
    evidence: Mapping[str, Any] = field(default_factory=dict)
    adjusted_p: float = float("nan")

    def suspicious(self, level: float) -> bool:
        """Whether it is both large and no chance."""
        return self.large and self.adjusted_p < level


@dataclass(frozen=True)
class Suspicion:
    """What may be a shortcut, with every trial that says so.

    Args:
        about: Its name.
        sentence: In plain words, the strongest trial first.
        trials: The trials.
    """

    about: str
    sentence: str
    trials: tuple[Trial, ...]

    def to_json(self) -> dict[str, Any]:
        return {"about": self.about, "sentence": self.sentence, "trials": [each.name for each in self.trials]}


def trial_json(trial: Trial) -> dict[str, Any]:
    """A trial as a record."""
    return asdict(trial)


def judge(trials: Sequence[Trial], level: float) -> tuple[list[Trial], list[Suspicion]]:
    """Correct every p by Holm, site and scanner weighing more, and gather what is suspicious by what it is about.

    Args:
        trials: All that was asked.
        level: The chance that an audit of a clean model names anything at all.

    Returns:
        The trials with their corrected p; and the suspicions, fields first, the smallest p first.
    """
    asked = [at for at, each in enumerate(trials) if np.isfinite(each.p)]
    weight = np.array([USUAL if trials[at].about in ("site", "scanner") else 1.0 for at in asked])
    adjusted = dict(zip(asked, weighted_holm(np.array([trials[at].p for at in asked]), weight), strict=True))
    told = [replace(each, adjusted_p=float(adjusted.get(at, np.nan))) for at, each in enumerate(trials)]
    found: dict[str, list[Trial]] = {}
    for each in sorted(told, key=lambda each: (each.adjusted_p, -abs(each.value - each.chance))):
        if each.suspicious(level):
            found.setdefault(each.about, []).append(each)
    suspicions = [Suspicion(about, _said(group), tuple(group)) for about, group in _folded(found).items()]
    # What the cohort knows by name comes before parts of the image: it is often why they differ.
    return told, sorted(suspicions, key=lambda each: not each.trials[0].name.startswith(("features.", "within.")))


def _folded(found: dict[str, list[Trial]]) -> dict[str, list[Trial]]:
    """A part of the image that holds a smaller one under suspicion says nothing more: it speaks for the smaller."""
    folded = {about: list(group) for about, group in found.items()}
    smaller = [about for about in found if about.startswith("corner ")]
    for whole, parts in (("corners", smaller), ("background", [*smaller, "corners", "border"])):
        into = [part for part in parts if part in folded]
        if whole in folded and into:
            folded[into[0]] += folded.pop(whole)
    return folded


def _said(group: Sequence[Trial]) -> str:
    """The strongest trial of each kind, three at most."""
    kinds: dict[str, str] = {}
    for each in group:
        kinds.setdefault(each.name.partition(".")[0], each.answer)
    return " ".join(list(kinds.values())[:3])
