"""How well readers rank cases: each reader, the average one, against the model, with and without assistance."""

from __future__ import annotations

from typing import Any

import numpy as np

from preceptor.core.errors import CohortError
from preceptor.core.evidence import Finding
from preceptor.maths.reader_study import Left, against_readers, leave_out, leave_out_means
from preceptor.maths.roc import auroc_statistic

from .study import Study


def left_out(study: Study) -> Left:
    """AUROCs ``(arm, reader)``, each patient left out in turn.

    Raises:
        CohortError: There are not two patients with the finding and two without.
    """
    asked = study.readings.asked
    try:
        return leave_out(asked.truth, study.readings.score, asked.patient)
    except ValueError as error:
        raise CohortError(
            "AUROCs of these readers have no variance",
            expected="cases of two patients with the finding and of two without, each scored by every reader",
            code="readers_too_few",
        ) from error


def auroc_of_arms(study: Study, left: Left) -> dict[str, Finding]:
    """``readers.auroc.<arm>``: the average reader's AUROC, with a part for each reader; ``readers.model`` beside."""
    asked, resamples = study.readings.asked, study.measuring.resamples
    area = f"chance that a case with {asked.finding} is scored above one without, ties counting one half"
    found = {
        "readers.model": study.single(
            "readers.model",
            f"the model's AUROC on the cases read: {area}",
            auroc_statistic(asked.truth, asked.score, resamples),
        )
    }
    for at, arm in enumerate(study.readings.arms):
        name = f"readers.auroc.{arm}"
        parts = {
            reader: study.single(
                f"{name}.{reader}", area, auroc_statistic(asked.truth, study.readings.score[at, place], resamples)
            )
            for place, reader in enumerate(study.readings.readers)
        }
        one = Left(left.areas[at], left.without[:, at])
        found[name] = study.average(name, f"AUROC of the average reader, {arm}: {area}", one, parts)
    return found


def model_against_readers(study: Study) -> dict[str, Finding]:
    """``readers.model_minus_<arm>``: the model's AUROC minus the average reader's; who exceeds whom, in its notes."""
    asked, found = study.readings.asked, {}
    if len(study.readings.readers) < 2:
        return {}
    for at, arm in enumerate(study.readings.arms):
        name = f"readers.model_minus_{arm}"
        against = against_readers(asked.truth, asked.score, study.readings.score[at], asked.patient, study.level)
        parts = {
            reader: study.difference(
                f"{name}.{reader}", f"AUROC of the model minus that of {reader}, {arm}", *against.each[place]
            )
            for place, reader in enumerate(study.readings.readers)
        }
        below = sum(part.value > 0 for part in parts.values())
        told = (
            _verdict(against.lower, against.upper, arm),
            f"the model's AUROC lies above that of {below} of {len(parts)} readers",
        )
        definition = f"AUROC of the model minus that of the average reader, {arm}, on the same cases"
        found[name] = study.of_average(name, definition, against, parts, notes=told, higher_is_better=None)
    return found


def assistance(study: Study, left: Left) -> dict[str, Finding]:
    """``readers.assistance``: AUROC assisted minus unaided; parts for these readers, these cases, and each reader."""
    pair = study.readings.pair
    if pair is None or len(study.readings.readers) < 2:
        return {}
    both = Left(left.areas[list(pair)], left.without[:, list(pair)])
    gaps = Left(both.areas[0] - both.areas[1], both.without[:, 0] - both.without[:, 1])
    parts = each_difference(study, "readers.assistance", "AUROC assisted minus unaided, {reader}", gaps)
    finding, _ = study.contrast(
        "readers.assistance", "AUROC assisted minus unaided, mean over readers, on the same cases", both, parts
    )
    return {finding.name: finding}


def operating_points(study: Study) -> dict[str, Finding]:
    """``readers.sensitivity.<arm>`` and ``readers.specificity.<arm>`` of what readers said; the model's beside."""
    if not study.readings.told:
        return {}
    asked, found = study.readings.asked, {}
    kinds = {
        "sensitivity": (1.0, f"cases with {asked.finding} that are found, over all cases with it"),
        "specificity": (0.0, f"cases without {asked.finding} that are called so, over all without it"),
    }
    for kind, (present, definition) in kinds.items():
        of_kind = asked.truth == present
        right = study.share(f"readers.model.{kind}", f"the model: {definition}", asked.said == present, of_kind)
        found[right.name] = right
        if len(np.unique(asked.patient[of_kind])) < 2:
            continue
        for at, arm in enumerate(study.readings.arms):
            name = f"readers.{kind}.{arm}"
            hits = study.readings.said[at] == present
            parts = {
                reader: study.share(f"{name}.{reader}", definition, hits[place], of_kind)
                for place, reader in enumerate(study.readings.readers)
            }
            left = leave_out_means(hits[:, of_kind].astype(float), asked.patient[of_kind])
            told = f"mean over readers, {arm}: {definition}"
            found[name] = study.average(name, told, left, parts, cases=int(of_kind.sum()))
    return found


def each_difference(study: Study, name: str, definition: str, gaps: Left, **more: Any) -> dict[str, Finding]:
    """A part for each reader of a difference between two arms.

    Args:
        study: The readings.
        name: Of the whole finding.
        definition: One sentence with ``{reader}`` in it.
        gaps: Differences ``(reader,)``.
        more: Further fields of `Finding`.
    """
    from scipy.special import ndtri

    half = float(ndtri((1 + study.level) / 2)) * np.sqrt(np.diag(gaps.covariance()))
    return {
        reader: study.difference(
            f"{name}.{reader}",
            definition.format(reader=reader),
            gaps.areas[at],
            gaps.areas[at] - half[at],
            gaps.areas[at] + half[at],
            **more,
        )
        for at, reader in enumerate(study.readings.readers)
    }


def _verdict(lower: float, upper: float, arm: str) -> str:
    if lower > 0:
        return f"the model exceeds the average reader ({arm}) beyond what chance among readers and cases explains"
    if upper < 0:
        return f"the average reader ({arm}) exceeds the model beyond what chance among readers and cases explains"
    return f"neither the model nor the average reader ({arm}) is shown to be better"
