"""``preceptor compare RUN RUN`` or ``preceptor compare RUN RUN RUN …``"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from . import console

if TYPE_CHECKING:
    from preceptor.core.evidence import Finding


def compare(
    *sources: Path,
    measure: Annotated[list[str] | None, Parameter(negative="")] = None,
    margin: float | None = None,
    level: float = 0.95,
    out: Annotated[Path | None, Parameter(alias="-o")] = None,
    as_json: console.Json = False,
) -> None:
    """Compare two models on the cases that both answered; of three or more trainings, tell the spread over seeds.

    Parameters
    ----------
    sources
        Folders of runs or evaluations, or tables of predictions (.csv, .parquet).
    measure
        An evaluator, such as roc or dice; may be given several times. The first one leads.
    margin
        The largest difference of the leading measure that does not matter, named before looking.
    level
        Of the intervals.
    out
        A file for the comparison as JSON.
    """
    from preceptor import api

    found = api.compare(*sources, measures=measure, margin=margin, level=level)
    record = found.to_json()
    if out is not None:
        import json

        out.write_text(json.dumps(record, indent=1, ensure_ascii=False), encoding="utf-8")
    two = found.name == "comparison"
    text = console.columns(_differences(found) if two else _trainings(found))
    notes = [f"  {name}: {note}" for name, each in found.parts.items() if two for note in each.notes]
    notes = notes or [f"  {note}" for note in found.notes]
    console.result("\n".join([text, *notes]), record, as_json)


def _differences(found: Finding) -> list[tuple[str, ...]]:
    """A row a measure: the first, the second, their difference with its interval."""
    rows: list[tuple[str, ...]] = [("measure", "first", "second", "difference")]
    for name, each in found.parts.items():
        if "first" in each.parts:
            values = (f"{each.parts[side].value:.3f}" for side in ("first", "second"))
            rows.append((name, *values, _said(each)))
    return rows


def _trainings(found: Finding) -> list[tuple[str, ...]]:
    rows = [(name, _said(each)) for name, each in found.parts.items()]
    return [("mean over seeds", _said(found)), *rows]


def _said(finding: Finding) -> str:
    interval = finding.interval
    bounds = "" if interval is None else f"  {finding.level:.0%} interval {interval[0]:.3f} to {interval[1]:.3f}"
    return f"{finding.value:.3f} {finding.unit}".rstrip() + bounds
