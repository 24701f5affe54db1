"""What changed from the cohort a model was tested on to one it never saw: every figure's difference, with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from preceptor.core.evidence import Evidence, Finding, Predictions
from preceptor.maths.intervals import ratio_statistic, wilson
from preceptor.maths.unpaired import unpaired_difference
from preceptor.prove.labelled import Labelled
from preceptor.prove.measuring import Measuring

#: Findings about the change begin so.
CHANGE = "change."


def with_changes(evidence: Evidence, internal: Evidence, predictions: Predictions) -> Evidence:
    """The evidence of an external cohort with the change from the internal one.

    Adds for every figure that both have ``change.<finding>`` (external minus internal, parts alike), for two classes
    ``calibration_in_the_large`` of the external cohort, and ``change.refused``. Gates that ask for a change are judged
    after this.

    Args:
        evidence: Of the external cohort.
        internal: Of the run that the model was sealed with.
        predictions: Of the external cohort.
    """
    findings = {**evidence.findings, **in_the_large(predictions), **changes(evidence, internal)}
    told = {name: finding.to_json() | {"curves": {}, "per_case": {}} for name, finding in internal.items()}
    facts = {**evidence.facts, "internal": {"findings": told, "facts": _counted(internal)}}
    return replace(evidence, findings=findings, facts=facts)


def changes(external: Evidence, internal: Evidence) -> dict[str, Finding]:
    """``change.<finding>`` for what both measured by the same definition, and ``change.refused``.

    Args:
        external, internal: Evidence of two cohorts that share no patient.
    """
    found = {}
    for name, here in external.items():
        there = internal.findings.get(name)
        if there is not None and (change := _change(f"{CHANGE}{name}", here, there)) is not None:
            found[f"{CHANGE}{name}"] = change
    refused = _refused(external, internal)
    return found if refused is None else found | {refused.name: refused}


def changes_within(evidence: Evidence) -> dict[str, Finding]:
    """``change.<finding>`` of a run that kept cases apart as external: ``external.<finding>`` minus ``<finding>``.

    Args:
        evidence: Of the run.
    """
    found = {}
    for name, there in evidence.items():
        here = evidence.findings.get(f"external.{name}")
        if here is not None and (change := _change(f"{CHANGE}{name}", here, there)) is not None:
            found[f"{CHANGE}{name}"] = change
    return found


def in_the_large(
    predictions: Predictions, resamples: int = 2000, level: float = 0.95, seed: int = 0
) -> dict[str, Finding]:
    """``calibration_in_the_large``: how many more cases have the finding than was foretold, of all cases.

    Args:
        predictions: Of two classes that exclude each other; of any other question nothing is found.
        resamples: Of patients.
        level: Of the interval.
        seed: Of the resamples.
    """
    question = predictions.question
    tested = predictions.role("test", "external")
    if question.dense or question.is_regression or len(question.classes) != 2 or not question.exclusive:
        return {}
    labelled = Labelled.of(tested)
    known = labelled.known(1)
    if not known.any():
        return {}
    measuring = Measuring.of(tested, resamples, level, seed)
    gap = np.where(known, np.nan_to_num(labelled.truth[:, 1]) - labelled.probability[:, 1], 0.0)
    finding = measuring.finding(
        "calibration_in_the_large",
        f"share of cases with {question.classes[1]} minus the mean probability of it: 0 is right, above 0 the risk is "
        "foretold too low",
        ratio_statistic(gap, known, measuring.resamples),
        known,
        higher_is_better=None,
    )
    return {finding.name: finding}


def _change(name: str, here: Finding, there: Finding) -> Finding | None:
    """External minus internal; None where they were measured by different definitions or one is undefined."""
    if here.definition != there.definition or here.unit != there.unit:
        return None
    if not np.isfinite(here.value) or not np.isfinite(there.value):
        return None
    interval, notes = None, []
    if here.interval is None or there.interval is None:
        notes.append("no interval: one of the two has none")
    elif here.level != there.level:
        notes.append(f"no interval: one is of {here.level:.0%}, the other of {there.level:.0%}".replace("%", " %"))
    else:
        interval = unpaired_difference(here.value, here.interval, there.value, there.interval)[1:]
        notes.append(_verdict(here, interval))
    parts = {
        part: change
        for part, each in here.parts.items()
        if part in there.parts and (change := _change(f"{name}.{part}", each, there.parts[part])) is not None
    }
    between = f"internal {_told(there)}, external {_told(here)}"
    return Finding(
        name,
        here.value - there.value,
        f"external minus internal: {here.definition}",
        interval,
        here.level,
        "unpaired, from the two intervals (Zou & Donner 2008)" if interval else "",
        cases=here.cases,
        clusters=here.clusters,
        unit=here.unit,
        higher_is_better=None,
        parts=parts,
        notes=(between, *notes),
    )


def _verdict(here: Finding, interval: tuple[float, float]) -> str:
    if interval[0] <= 0 <= interval[1]:
        return "no change is shown"
    if here.higher_is_better is None:
        return "changed beyond chance"
    better = (interval[0] > 0) == here.higher_is_better
    return f"{'better' if better else 'worse'} than internally, beyond chance"


def _told(finding: Finding) -> str:
    between = "" if finding.interval is None else f" ({finding.interval[0]:.3f} to {finding.interval[1]:.3f})"
    return f"{finding.value:.3f}{between} of {finding.cases} cases"


def _refused(external: Evidence, internal: Evidence) -> Finding | None:
    """Share of cases that safeguards refused, external minus internal."""
    here, there = _counted(external), _counted(internal)
    if not here["cases"] or not there["cases"]:
        return None
    first, second = wilson(here["refused"], here["cases"]), wilson(there["refused"], there["cases"])
    shares = here["refused"] / here["cases"], there["refused"] / there["cases"]
    change = unpaired_difference(shares[0], first[:2], shares[1], second[:2])
    return Finding(
        f"{CHANGE}refused",
        change.value,
        "share of cases that a safeguard refused, external minus internal",
        (change.lower, change.upper),
        0.95,
        "Newcombe's interval of two shares; cases are taken as independent",
        cases=here["cases"],
        clusters=here["cases"],
        higher_is_better=None,
        notes=(f"internal {there['refused']} of {there['cases']}, external {here['refused']} of {here['cases']}",),
    )


def _counted(evidence: Evidence) -> Mapping[str, int]:
    facts = evidence.facts
    return {"refused": int(facts.get("refused") or 0), "cases": int(facts.get("predicted", {}).get("test", 0))}
