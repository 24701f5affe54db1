"""The same recipe with other seeds: how far a measure spreads, and how many patients change sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core.cohort import Cohort
from preceptor.core.errors import CohortError
from preceptor.core.evidence import Finding, Predictions
from preceptor.core.slots import build, spec
from preceptor.maths.intervals import wilson
from preceptor.maths.seeds import spread
from preceptor.prove.comparing.compare import suiting
from preceptor.prove.comparing.pairing import paired
from preceptor.prove.measuring import Measuring


def seed_spread(several: Sequence[Predictions], measure: Any = None, *, level: float = 0.95) -> Finding:
    """Mean and spread of a measure over trainings that differ by their seed, on the cases that all of them answered.

    One training is one draw. The interval is of the mean over seeds on these cases; the interval over patients stands
    in each part.

    Args:
        several: Predictions of two trainings or more.
        measure: An evaluator, as a recipe names it; by default what leads for this question.
        level: Of the intervals.

    Returns:
        A `Finding` ``seed_spread`` with a part for each training, ``deviation`` (``n - 1``), and for answers that are
        classes ``disagreement``: the share of patients on whom the trainings do not all agree.

    Raises:
        CohortError: There is one training alone, they share no case, or the measure is undefined for one of them.
    """
    if len(several) < 2:
        raise CohortError("the spread over seeds needs two trainings or more", code="one_seed")
    sides = paired(several)
    each = measure if measure is not None else suiting(sides[0].question)[0]
    name, _ = spec(each)
    found = [build("evaluators", each)(side, Cohort((), Path())) for side in sides]
    if not all(np.isfinite(one.value) for one in found):
        raise CohortError(f"{name} is undefined for one of the trainings", code="seed_undefined")
    over = spread([one.value for one in found], level)
    common = {"cases": found[0].cases, "clusters": found[0].clusters, "level": level}
    parts = {
        f"training {number}": replace(one, name=f"seed_spread.{number}", parts={}, curves={})
        for number, one in enumerate(found, 1)
    }
    parts["deviation"] = Finding(
        "seed_spread.deviation",
        over.deviation,
        f"standard deviation (n - 1) of {name} over {over.number} seeds",
        method=f"{over.number} trainings",
        unit=found[0].unit,
        higher_is_better=False,
        **common,
    )
    if not sides[0].question.dense and not sides[0].question.is_regression:
        parts["disagreement"] = _disagreement(sides, level)
    interval = over.interval
    return Finding(
        "seed_spread",
        over.mean,
        f"mean over {over.number} trainings that differ by their seed: {found[0].definition}",
        None if interval is None else (interval.lower, interval.upper),
        method=f"Student's t over {over.number} trainings, on these cases",
        unit=found[0].unit,
        higher_is_better=found[0].higher_is_better,
        parts=parts,
        notes=(
            f"standard deviation {over.deviation:.4f}, lowest {over.lowest:.4f}, highest {over.highest:.4f}",
            *((parts["disagreement"].notes[0],) if "disagreement" in parts else ()),
        ),
        **common,
    )


def _disagreement(sides: Sequence[Predictions], level: float) -> Finding:
    """Multi-label answers are compared as they are written: any label that differs is a difference."""
    answers = np.array([side.table["answer"].astype(str).to_numpy() for side in sides])
    differs = (answers != answers[0]).any(0)
    measuring = Measuring.of(sides[0], 100, level, 0)
    having, whole = measuring.clusters(differs), measuring.clusters(np.ones(len(differs), dtype=bool))
    interval = wilson(having, whole, level)
    return Finding(
        "seed_spread.disagreement",
        having / whole,
        f"{measuring.unit}s on whom the trainings do not all give the same answer, over all",
        (interval.lower, interval.upper),
        level,
        f"Wilson interval of {whole} {measuring.unit}s",
        len(differs),
        whole,
        higher_is_better=False,
        per_case=dict(zip(sides[0].table["key"].astype(str), differs.astype(float).tolist(), strict=True)),
        notes=(f"{having} of {whole} {measuring.unit}s change sides with the seed",),
    )
