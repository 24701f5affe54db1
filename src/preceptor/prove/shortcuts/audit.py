"""The audit: every trial in turn, corrected together; it names what may be a shortcut, or stays silent."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core.errors import CohortError
from preceptor.core.files import write_aside
from preceptor.core.plain import finite

from .alone import alone_trials
from .altered import Fill, alterations, altered_trials, answers
from .fields import Field, fields_of, probe
from .material import Asked, Material
from .mean_images import MeanImage, mean_images
from .patches import patch_trials
from .suspicion import Suspicion, Trial, judge, trial_json
from .target import target_trials
from .within import within

#: Labels of a multi-label task whose pixels are audited: each costs as many passes of the network as a task of its own.
MOST_LABELS = 5


@dataclass(frozen=True, eq=False)
class Audit:
    """What the audit found.

    Args:
        suspicions: What may be a shortcut; empty where nothing was found.
        trials: Everything that was asked, with its answer.
        notes: What could not be asked, and why.
        means: Mean images by site and class.
        level: The chance that the audit of a clean model names anything.
    """

    suspicions: tuple[Suspicion, ...]
    trials: tuple[Trial, ...]
    notes: tuple[str, ...]
    means: tuple[MeanImage, ...]
    level: float

    def __getitem__(self, name: str) -> Trial:
        """A trial by its name."""
        return next(each for each in self.trials if each.name == name)

    @property
    def sentence(self) -> str:
        """The whole audit in one sentence."""
        judged = sum(bool(np.isfinite(each.p)) for each in self.trials)
        if not self.suspicions:
            return f"Nothing was found that would be a shortcut, in {judged} trials corrected together."
        named = ", ".join(each.about for each in self.suspicions)
        return f"{len(self.suspicions)} possible shortcut{'s' if len(self.suspicions) > 1 else ''}: {named}."

    def write(self, folder: Path, *, fresh: bool = False) -> Path:
        """Write ``audit.json``, and ``audit_means.npz`` where there are mean images, aside and renamed.

        Args:
            folder: The run's.
            fresh: Replace an earlier audit.

        Raises:
            CohortError: There is an audit already: nothing is overwritten unasked.
        """
        path = folder / "audit.json"
        if path.exists() and not fresh:
            raise CohortError(
                "the run was audited already",
                where=path.name,
                remedy="`preceptor audit RUN --fresh` makes it anew",
                code="audit_exists",
            )
        record = {
            "sentence": self.sentence,
            "level": self.level,
            "suspicions": [each.to_json() for each in self.suspicions],
            "trials": [trial_json(each) for each in self.trials],
            "notes": list(self.notes),
            "means": [
                {"group": each.group, "label": each.label, "view": each.view, "patients": each.patients}
                for each in self.means
            ],
        }
        if self.means:
            with write_aside(folder / "audit_means.npz") as aside, aside.open("wb") as stream:
                np.savez_compressed(stream, *(each.pixels for each in self.means))
        with write_aside(path) as aside:
            aside.write_text(json.dumps(finite(record), indent=1, ensure_ascii=False), encoding="utf-8")
        return path


def audit_shortcuts(
    material: Material,
    *,
    fields: Sequence[str] | None = None,
    target: Mapping[str, Mapping[str, float]] | None = None,
    level: float = 0.05,
    seed: int = 0,
    tell: Callable[[str], None] = lambda text: None,
) -> Audit:
    """Ask every question that the material allows, and correct all answers together.

    Args:
        material: A run's answers, pixels, features and model, or stored answers alone.
        fields: Fields of the cohort to suspect; None takes sex, age, site, scanner, view and quality.
        target: ``{field: {group: share}}`` of the population that the model is meant for.
        level: The chance that a clean model is accused of anything.
        seed: Of folds, shuffles and donors.
        tell: Told what is being asked.
    """
    trials: list[Trial] = []
    notes: list[str] = []
    known: list[Field] = []
    for asked in material.asked or (None,):
        known = fields_of(material, asked, fields, seed)
        trials += _fields(material, asked, known, seed, notes, tell)
    for one in material.asked:
        trials += [
            each for two in material.asked if two is not one and (each := _together(material, one, two)) is not None
        ]
    means: list[MeanImage] = []
    if material.shown is None:
        notes.append("stored predictions alone: neither pixels nor features were looked at")
    elif not material.asked:
        notes.append("the task has no classes: parts of the image are not tried by themselves")
    else:
        trials += _pixels(material, seed, notes, tell)
    if material.shown is not None:
        means = _means(material, known)
    if target:
        trials += target_trials(material.cohort, target)
    told, suspicions = judge(trials, level)
    return Audit(tuple(suspicions), tuple(told), tuple(dict.fromkeys(notes)), tuple(means), level)


def _fields(
    material: Material,
    asked: Asked | None,
    known: Sequence[Field],
    seed: int,
    notes: list[str],
    tell: Callable[[str], None],
) -> list[Trial]:
    trials = []
    if not known:
        notes.append("no field of the cohort divides its cases: neither site nor sex nor scanner can be asked about")
    for field in known:
        tell(f"asking about {field.name}")
        if material.shown is not None:
            read = probe(material.shown, field, asked, material.clusters, seed)
            if read is None:
                notes.append(
                    f"{field.name} was not sought in features: the network names none, or too few cases have it"
                )
            else:
                suffix = f".{asked.name}" if asked is not None and asked.name else ""
                trials.append(replace(read, name=read.name + suffix))
        if asked is not None and (lost := within(asked, field.name, field.value, material.clusters)) is not None:
            trials.append(lost)
    return trials


def _together(material: Material, one: Asked, two: Asked) -> Trial | None:
    """Whether the answer for one label is owed to another that travels with it."""
    value = np.array(["" if code < 0 else two.classes[code] for code in two.truth])
    return within(one, two.name, value, material.clusters, of=f"state of {two.name}")


def _pixels(material: Material, seed: int, notes: list[str], tell: Callable[[str], None]) -> list[Trial]:
    assert material.shown is not None
    shown = material.shown
    if len(shown) < len(material.predictions):
        notes.append(f"pixels of {len(shown)} of {len(material.predictions)} test cases were looked at")
    fill = Fill(shown)
    changed: dict[str, Any] = {}
    for name, change in alterations(shown, fill).items():
        tell(f"asking the model: {name}")
        changed[name] = answers(shown, change)
    thumbnails = shown.thumbnails()
    trials = []
    for asked in material.asked[:MOST_LABELS]:
        trials += altered_trials(shown, asked, changed, material.clusters, seed)
        trials += alone_trials(shown, asked, thumbnails, material.clusters, seed)
        tell("pasting patches")
        trials += patch_trials(shown, asked, material.clusters, seed)
    if len(material.asked) > MOST_LABELS:
        notes.append(f"pixels were tried for the first {MOST_LABELS} of {len(material.asked)} labels")
    return trials


def _means(material: Material, known: Sequence[Field]) -> list[MeanImage]:
    assert material.shown is not None
    asked = material.asked[0] if len(material.asked) == 1 else None
    by = next((each for each in known if each.name in ("site", "scanner")), None)
    return mean_images(material.shown, material.shown.thumbnails(), asked, by, material.clusters)
