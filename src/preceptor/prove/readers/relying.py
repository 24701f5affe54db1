"""What advice does to readers: do they follow it where it is wrong, and how long do they take?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from preceptor.core.evidence import Finding
from preceptor.maths.reader_study import Left, leave_out_means

from .ranking import each_difference
from .study import Study


def over_reliance(study: Study) -> dict[str, Finding]:
    """``readers.over_reliance``: agreement with planted wrong advice, assisted minus unaided.

    The same readers saw the same cases without advice: what they got wrong there by themselves is taken away. Above 0,
    readers follow advice that they would not have given.
    """
    return _following(
        study,
        "readers.over_reliance",
        study.readings.planted,
        "agreement with wrong advice that was planted",
        higher_is_better=False,
    )


def sound_reliance(study: Study) -> dict[str, Finding]:
    """``readers.sound_reliance``: agreement with the model's own right advice, assisted minus unaided."""
    asked = study.readings.asked
    right = ~study.readings.planted & (asked.said == asked.truth)
    return _following(study, "readers.sound_reliance", right, "agreement with right advice", higher_is_better=True)


def followed_errors(study: Study) -> dict[str, Finding]:
    """``readers.followed_errors``: agreement with the model's own wrong answers, assisted minus unaided.

    Nobody chose these cases: they may be hard for model and readers alike, which is why advice is planted as well.
    """
    asked = study.readings.asked
    wrong = ~study.readings.planted & (asked.said != asked.truth)
    return _following(
        study,
        "readers.followed_errors",
        wrong,
        "agreement with wrong answers of the model",
        higher_is_better=False,
    )


def reading_time(study: Study) -> dict[str, Finding]:
    """``readers.seconds``: assisted minus unaided; ``readers.seconds.<arm>``: what the average reader takes."""
    readings = study.readings
    if not readings.timed or study.clusters < 2:
        return {}
    found = {}
    left = leave_out_means(readings.seconds, readings.asked.patient)
    told: dict[str, Any] = {"unit": "seconds", "higher_is_better": False}
    for at, arm in enumerate(readings.arms):
        name = f"readers.seconds.{arm}"
        parts = {
            reader: study.measuring.mean(
                f"{name}.{reader}", f"seconds a case, {arm}", readings.seconds[at, place], **told
            )
            for place, reader in enumerate(readings.readers)
        }
        one = Left(left.areas[at], left.without[:, at])
        found[name] = study.average(name, f"seconds a case of the average reader, {arm}", one, parts, **told)
    return found | _difference(study, "readers.seconds", "seconds a case", left, **told)


def _following(study: Study, name: str, cases: np.ndarray, what: str, *, higher_is_better: bool) -> dict[str, Finding]:
    """Agreement with advice on some cases: the model's answer, or its opposite where that was planted."""
    readings = study.readings
    patients = readings.asked.patient[cases]
    if readings.pair is None or not readings.told or len(np.unique(patients)) < 2:
        return {}
    advice = np.where(readings.planted, 1 - readings.asked.said, readings.asked.said)
    agreed = (readings.said == advice)[..., cases].astype(float)
    left = leave_out_means(agreed, patients)
    more = {"cases": int(cases.sum()), "clusters": len(np.unique(patients)), "higher_is_better": higher_is_better}
    found = _difference(study, name, what, left, **more)
    if name in found:
        assisted, unaided = (float(left.areas[at].mean()) for at in readings.pair)
        told = f"{assisted:.0%} agreed assisted, {unaided:.0%} unaided".replace("%", " %")
        found[name] = _noted(found[name], told)
    return found


def _difference(study: Study, name: str, what: str, left: Left, **more: Any) -> dict[str, Finding]:
    pair = study.readings.pair
    if pair is None or len(study.readings.readers) < 2:
        return {}
    both = Left(left.areas[list(pair)], left.without[:, list(pair)])
    gaps = Left(both.areas[0] - both.areas[1], both.without[:, 0] - both.without[:, 1])
    parts = each_difference(study, name, f"{what}, assisted minus unaided, {{reader}}", gaps, **more)
    finding, _ = study.contrast(
        name, f"{what}, assisted minus unaided, mean over readers, on the same cases", both, parts, **more
    )
    return {name: finding}


def _noted(finding: Finding, note: str) -> Finding:
    return replace(finding, notes=(note, *finding.notes))
