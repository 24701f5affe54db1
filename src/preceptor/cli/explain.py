"""``preceptor explain RUN --occlude NAME=mask:MASK | --streams | --table``"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from . import console

if TYPE_CHECKING:
    from preceptor.core.evidence import Finding
    from preceptor.prove.explaining.tabular_importance import TabularImportance


def explain(
    run: Path,
    *,
    occlude: Annotated[list[str] | None, Parameter(negative="")] = None,
    streams: Annotated[bool, Parameter(negative="")] = False,
    table: Annotated[bool, Parameter(negative="")] = False,
    field: Annotated[list[str] | None, Parameter(negative="")] = None,
    margin: int = 2,
    fill: Literal["mean", "minimum", "zero"] = "mean",
    cases: int = 300,
    device: str = "auto",
    fresh: Annotated[bool, Parameter(negative="")] = False,
    as_json: console.Json = False,
) -> None:
    """Ask a finished run what its answers rest on; the report shows it beside the maps that the recipe asked for.

    Parameters
    ----------
    run
        Folder that `preceptor run` made.
    occlude
        A region to cover in every test case, once for each, covered one after the other: lesion=mask:lesion,
        corner=box:0-0.2,0-0.2 (shares of each side), heart=boxes:boxes.csv (a box for each case, in voxels) or
        lobe=atlas:atlas.nii.gz:3,4 (codes). A model that still works without them reads something else.
    streams
        Share the performance out among the views: what each adds on average over every order of adding them.
    table
        Which fields of the cohort tell of the truth: mutual information, permutation, Shapley values, a tree.
    field
        For --table: a field, once for each; by default all.
    margin
        Voxels by which masks and atlas regions are grown.
    fill
        What covers a region: the mean or the minimum of the image outside it, or zero.
    cases
        How many test cases to ask.
    device
        auto, cpu, cuda or mps.
    fresh
        Replace what was found before.
    """
    from preceptor import api

    found = api.explain(
        run,
        occlude=occlude or (),
        streams=streams,
        table=table,
        fields=field or (),
        margin_voxels=margin,
        fill=fill,
        most_cases=cases,
        device=device,
        fresh=fresh,
        tell=console.say,
    )
    lines: list[str] = []
    record: dict[str, Any] = {"report": str(run / "report.html")}
    for name in ("serial_occlusion", "stream_shares"):
        if name in found:
            lines += [*_finding(found[name]), ""]
            record[name] = found[name].to_json()
    for name, each in found.get("table", {}).items():
        lines += [*_table(name, each), ""]
        record.setdefault("table", {})[name] = each.to_json()
    console.result("\n".join([*lines, f"report: {run / 'report.html'}"]), record, as_json)


def _finding(found: Finding) -> list[str]:
    width = max(len(name) for name in found.parts)
    lines = [f"{found.name}: {found.value:.3f}  {found.definition}"]
    for name, part in found.parts.items():
        interval = "" if part.interval is None else f" [{part.interval[0]:.3f}, {part.interval[1]:.3f}]"
        lines.append(f"  {name:<{width}}  {part.value:.3f}{interval}  {part.definition}")
    return lines + [f"  note: {note}" for note in found.notes]


def _table(name: str, found: TabularImportance) -> list[str]:
    scores = ", ".join(f"{each} {score:.3f}" for each, score in found.scores.items())
    lines = [f"{name}, from {found.cases} cases of {found.clusters} patients (held out: {scores})"]
    lines.append(f"  {'column':<24}  shapley  shuffled  mutual information")
    for each in sorted(found.names, key=lambda column: -found.shapley[column]):
        kept = "  kept by CFS" if each in found.selected else ""
        lines.append(
            f"  {each:<24}  {found.shapley[each]:>7.3f}  {found.permutation[each][0]:>8.3f}  "
            f"{found.mutual_information[each]:>8.3f}{kept}"
        )
    return lines + ["  a tree says:", *(f"    {line}" for line in found.rules.splitlines())]
