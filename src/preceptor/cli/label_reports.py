"""``preceptor label-reports TABLE --column TEXT --out CSV``"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from . import console

if TYPE_CHECKING:
    from preceptor.intake.reports.rereading import ErrorEstimate


def label_reports(
    table: Path,
    *,
    column: str,
    out: Annotated[Path, Parameter(alias="-o")],
    key: Annotated[str | None, Parameter(negative="")] = None,
    findings: Annotated[Path | None, Parameter(negative="")] = None,
    review: Annotated[int, Parameter(negative="")] = 0,
    seed: int = 0,
    as_json: console.Json = False,
) -> None:
    """Label findings from the text of reports by rules: 1 present, 0 absent, -1 uncertain, empty not mentioned.

    English alone. With --review a sheet is written beside the labels, for a person who reads some reports again; once its
    column `read` is filled, the same command tells how often the rules are wrong.

    Parameters
    ----------
    table
        A table with a report a row (.csv, .tsv, .parquet).
    column
        The column of the reports' text.
    out
        The labels (.csv): a row a report, a column a finding.
    key
        The column that names each report; by default its number, from 1.
    findings
        Your own phrases (YAML or JSON, {finding: [phrases]}); by default 13 findings of chest radiographs.
    review
        Ask a reader of so many reports of each finding and each verdict. The sheet, OUT-review.csv, holds their text.
    seed
        Of the draw.
    """
    from preceptor import api

    made = api.label_reports(table, column, out, key=key, findings=findings, review=review, seed=seed)
    counts = made.labelled.counts()
    lines = [
        str(out),
        console.columns(
            [
                ("finding", *next(iter(counts.values()))),
                *((name, *map(str, row.values())) for name, row in counts.items()),
            ]
        ),
    ]
    record: dict[str, Any] = {"labels": str(out), "reports": len(made.labelled.texts), "counts": counts}
    if made.sheet is not None:
        record |= {"sheet": str(made.sheet), "questions": made.questions, "open": made.still_open}
        lines.append(f"{made.sheet}: {made.questions} questions, {made.still_open} still to be answered")
    if made.errors:
        record["errors"] = {name: None if each is None else _record(each) for name, each in made.errors.items()}
        lines += ["", console.columns([_line(name, each) for name, each in made.errors.items()])]
    console.result("\n".join(lines), record, as_json)


def _line(name: str, found: ErrorEstimate | None) -> tuple[str, ...]:
    if found is None:
        return name, "not every verdict has been read again"
    parts = [
        f"{_SAID[said]} {wrong} of {read} ({low:.1%} to {high:.1%})"
        for said, (wrong, read, _) in found.by_said.items()
        for low, high in [found.exact(said)]
    ]
    return name, f"wrong {found.error:.1%} ({found.low:.1%} to {found.high:.1%}); said {'; '.join(parts)}"


def _record(found: ErrorEstimate) -> dict[str, Any]:
    return {
        "error": found.error,
        "interval": [found.low, found.high],
        "by_verdict": {
            _SAID[said]: {"wrong": wrong, "read": read, "of": number, "interval": list(found.exact(said))}
            for said, (wrong, read, number) in found.by_said.items()
        },
    }


_SAID = {"present": "present", "absent": "absent", "uncertain": "uncertain", "None": "not mentioned"}
