"""The model beside its baselines, as the page shows it: a row a measure, a column an answerer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from preceptor.core.evidence import Evidence
from preceptor.prove.report.wording import number, title_of


@dataclass(frozen=True)
class Beside:
    """The table.

    Args:
        columns: The model, then every baseline.
        rows: ``(measure, [value and interval of each column])``.
        told: ``(baseline, what it is)``.
        verdict: Whether the model is beyond its baselines by the leading measure, in a sentence.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    told: tuple[tuple[str, str], ...]
    verdict: str


def beside(evidence: Evidence) -> Beside | None:
    """What the fact ``baselines`` holds; None where none was made.

    Args:
        evidence: Of the run.
    """
    facts: Mapping[str, Any] = evidence.facts.get("baselines") or {}
    names = list(facts.get("definitions", ()))
    if not names:
        return None
    rows = []
    for measure, figures in facts["measures"].items():
        finding = evidence.findings.get(measure)
        unit = "" if finding is None else finding.unit
        cells = tuple(_shown(figures.get(name), unit) for name in ("model", *names))
        rows.append((title_of(measure), cells))
    called = tuple(name.replace("_", " ") for name in names)
    told = tuple((name.replace("_", " "), str(facts["definitions"][name])) for name in names)
    return Beside(("model", *called), tuple(rows), told, _verdict(facts.get("beaten", {}), facts["measures"]))


def _shown(figures: Mapping[str, Any] | None, unit: str) -> str:
    if figures is None or figures.get("value") is None:
        return "–"
    said = number(figures["value"], unit)
    if figures.get("interval") is None:
        return said
    low, high = (number(each) for each in figures["interval"])
    return f"{said} [{low} to {high}]"


def _verdict(beaten: Mapping[str, bool], measures: Mapping[str, Any]) -> str:
    leading = title_of(next(iter(measures), ""))
    open_ones = [name.replace("_", " ") for name, won in beaten.items() if not won]
    if not beaten:
        return ""
    if not open_ones:
        return f"By {leading} the model is beyond every baseline: the interval of each difference lies on its side."
    listed = " and ".join(open_ones)
    return f"By {leading} it is not shown that the model is any better than {listed}: the difference may be chance."
