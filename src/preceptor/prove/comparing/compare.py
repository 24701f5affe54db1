"""Two sets of predictions of the same cases, compared in pairs: better, alike, or no worse, and who changes sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core.cohort import Cohort
from preceptor.core.errors import RecipeError
from preceptor.core.evidence import Finding, Predictions, Question
from preceptor.core.slots import build, parameters, plugin, spec
from preceptor.maths.comparison import holm
from preceptor.maths.intervals import Bootstrap, paired_difference
from preceptor.maths.margins import claims
from preceptor.maths.sample_size import clusters_for_difference
from preceptor.prove.comparing.changed_sides import changed_sides
from preceptor.prove.comparing.pair_tests import p_of_difference
from preceptor.prove.comparing.pairing import paired
from preceptor.prove.measuring import Measuring

#: What is compared where nobody asks for other measures, those that suit; the first of them leads.
MEASURES = ("roc", "average_precision", "confusion", "calibration", "dice", "surface_distance", "mean_absolute_error")


def compare(
    first: Predictions,
    second: Predictions,
    *,
    measures: Sequence[Any] | None = None,
    margin: float | Mapping[str, float] | None = None,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Finding:
    """Hold two models against each other on the cases that both answered.

    The same patients are drawn for both in every resample, so what the two share cancels out. Beside the interval of
    each difference stands a test: by exchanging the two answers patient by patient where the measure is a mean over
    cases or the AUROC of two classes, else from the resamples; several measures are corrected together (Holm).

    Args:
        first, second: Predictions of the same question and, in part at least, of the same cases.
        measures: Evaluators, as a recipe names them; by default those of `MEASURES` that suit. The first one leads.
        margin: The largest difference that does not matter, named before looking: of the leading measure, or
            ``{measure: margin}``.
        resamples: Of patients.
        level: Of the intervals.
        seed: Of the resamples.

    Returns:
        A `Finding` ``comparison``: the leading measure's difference, first minus second, with a part for each measure
        (parts ``first``, ``second``, ``p``) and ``changed_sides`` for answers that are classes.

    Raises:
        CohortError: They share no case, were asked different questions, or hold different truths.
        RecipeError: No measure suits, or one gives no resamples to pair.
    """
    one, two = paired([first, second])
    chosen = list(measures) if measures else suiting(one.question)
    margins = _margins(margin, [spec(each)[0] for each in chosen])
    found: dict[str, Finding] = {}
    for each in chosen:
        name, _ = spec(each)
        sides = _measured(each, (one, two), resamples=resamples, level=level, seed=seed)
        found[name] = _difference(name, (one, two), sides, margins.get(name), level, seed)
    found = _corrected(found)
    lead = next(iter(found.values()))
    parts: dict[str, Finding] = dict(found)
    notes = list(lead.notes)
    if not one.question.dense and not one.question.is_regression:
        parts["changed_sides"] = changed_sides(one, two, level=level)
        notes.append(parts["changed_sides"].notes[0])
    return replace(lead, name="comparison", parts=parts, notes=tuple(notes))


def compare_auroc(
    first: Predictions, second: Predictions, *, resamples: int = 2000, level: float = 0.95, seed: int = 0
) -> Finding:
    """AUROC of the first minus AUROC of the second on the cases that both answered, with a paired interval.

    Args:
        first, second: Of the same cases and the same two classes (or the mean over classes).
        resamples: Of patients.
        level: Of the interval.
        seed: Of the resamples.

    Raises:
        CohortError: They share no case, or were asked different questions.
    """
    found = compare(first, second, measures=["roc"], resamples=resamples, level=level, seed=seed).parts["roc"]
    return replace(found, name="auroc_difference")


# ---------------------------------------------------------------- one measure


def suiting(question: Question) -> list[str]:
    """Those of `MEASURES` that suit a question, what leads first."""
    return [name for name in MEASURES if build("evaluators", name).suits(question)]


def _margins(margin: float | Mapping[str, float] | None, chosen: Sequence[str]) -> dict[str, float]:
    if margin is None or not chosen:
        return {}
    given = dict(margin) if isinstance(margin, Mapping) else {chosen[0]: float(margin)}
    wrong = [name for name, value in given.items() if name not in chosen or not value > 0]
    if wrong:
        raise RecipeError(
            f"the margin of '{wrong[0]}' can't be used",
            expected=f"a number above 0 for one of {', '.join(chosen)}",
            code="comparison_margin",
        )
    return given


def _measured(each: Any, sides: Sequence[Predictions], **settings: Any) -> list[Finding]:
    """The same measure of both, on the same resamples."""
    name, given = spec(each)
    takes = parameters(plugin("evaluators", name))
    evaluator = build("evaluators", {name: {**{k: v for k, v in settings.items() if k in takes}, **given}})
    if not evaluator.suits(sides[0].question):
        raise RecipeError(f"{name} does not suit the question that was asked", code="does_not_suit")
    found = [evaluator(side, Cohort((), Path())) for side in sides]
    if not all(isinstance(side.bootstrap, Bootstrap) for side in found):
        raise RecipeError(f"{name} gives no resamples to pair", remedy="leave it out", code="comparison_unpaired")
    return found


def _difference(
    name: str,
    sides: Sequence[Predictions],
    found: Sequence[Finding],
    margin: float | None,
    level: float,
    seed: int,
) -> Finding:
    one, two = found
    drawn = paired_difference(one.bootstrap, two.bootstrap)
    interval = drawn.interval(level)
    clusters, unit = one.clusters, Measuring.of(sides[0], 100, level, 0).unit
    p, how = p_of_difference(name, sides, found, drawn, seed)
    notes = [f"p {p:.3g} ({how})" if np.isfinite(p) else "no test: one of the two is undefined"]
    if margin is not None and one.higher_is_better is not None:
        claimed = claims(drawn, margin, higher_is_better=one.higher_is_better, level=level)
        if claimed is not None:
            low, high = claimed.narrow.lower, claimed.narrow.upper
            notes.append(
                f"margin {margin:g} {one.unit}".rstrip() + f": {claimed.sentence} "
                f"({claimed.narrow.level:.0%} interval {low:.3f} to {high:.3f} for equivalence)"
            )
    notes += _plan(drawn, margin, clusters, unit, level)
    notes += [f"first: {note}" for note in one.notes if note not in two.notes]
    notes += [f"second: {note}" for note in two.notes if note not in one.notes]
    notes += [note for note in one.notes if note in two.notes]
    tested = Finding(
        f"comparison.{name}.p", p, "how often chance alone brings as large a difference", method=how, level=level,
        cases=one.cases, clusters=clusters, higher_is_better=None,
    )  # fmt: skip
    return Finding(
        name=f"comparison.{name}",
        value=drawn.value,
        definition=f"the first minus the second on the same cases: {one.definition}",
        interval=None if interval is None else (interval.lower, interval.upper),
        level=level,
        method=f"paired bootstrap of {clusters} {unit}s, {len(drawn.values)} resamples"
        + (f", {interval.method}" if interval else ""),
        cases=one.cases,
        clusters=clusters,
        unit=one.unit,
        higher_is_better=None,
        parts={
            "first": replace(one, name=f"comparison.{name}.first", parts={}, curves={}, per_case={}),
            "second": replace(two, name=f"comparison.{name}.second", parts={}, curves={}, per_case={}),
            "p": tested,
        },
        per_case={key: one.per_case[key] - two.per_case[key] for key in one.per_case if key in two.per_case},
        notes=tuple(notes),
        bootstrap=drawn,
    )


def _plan(drawn: Bootstrap, margin: float | None, clusters: int, unit: str, level: float) -> list[str]:
    """How many patients would show a difference of the margin's size."""
    error = float(np.nanstd(drawn.values, ddof=1)) if np.isfinite(drawn.values).sum() > 1 else 0.0
    if margin is None or not error > 0:
        return []
    needed = clusters_for_difference(error, clusters, margin, level=level)
    return [f"to see a difference of {margin:g} four times in five, about {needed:,} {unit}s are needed"]


def _corrected(found: dict[str, Finding]) -> dict[str, Finding]:
    """Several measures of the same two models are several chances to find something."""
    tested = [name for name, each in found.items() if np.isfinite(each.parts["p"].value)]
    if len(tested) < 2:
        return found
    adjusted = holm(np.array([found[name].parts["p"].value for name in tested]))
    for name, p in zip(tested, adjusted, strict=True):
        each = found[name]
        note = f"p {p:.3g} after correction for {len(tested)} measures (Holm)"
        found[name] = replace(each, notes=(each.notes[0], note, *each.notes[1:]))
    return found
