"""``preceptor run RECIPE``"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from . import console

if TYPE_CHECKING:
    from preceptor.core.evidence import Finding


def run(
    recipe: Path,
    *,
    out: Path = Path("runs"),
    rehearse: Annotated[bool, Parameter(negative="")] = False,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative="")] = (),
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    fresh: Annotated[bool, Parameter(negative="")] = False,
    root: Annotated[tuple[Path, ...], Parameter(negative="")] = (),
    track: Annotated[tuple[Literal["tensorboard", "mlflow"], ...], Parameter(negative="")] = (),
    as_json: console.Json = False,
) -> None:
    """Prepare, train, evaluate and report what a recipe says.

    The same command again goes on where it stopped.

    Parameters
    ----------
    recipe
        A YAML file; `preceptor new recipe` writes one.
    out
        Folder in which the run's own folder is made.
    rehearse
        Try every step with two cases and one epoch.
    set_
        Change one setting, as in --set train.epochs=5; may be repeated.
    device
        Where to compute.
    fresh
        Delete what is there of this run and start anew.
    root
        Refuse a recipe whose paths leave this folder; may be repeated.
    track
        Also write for TensorBoard or MLflow.
    """
    from preceptor import api

    done = api.run(
        recipe,
        out,
        rehearse=rehearse,
        set=set_,
        device=device,
        fresh=fresh,
        roots=root or None,
        trackers=track,
        stream=sys.stderr,
    )
    evidence = done.evidence
    rows = [(name, *measured(finding)) for name, finding in evidence.items()]
    gates = [
        (verdict.gate, "holds" if verdict.passed else "does not hold", verdict.sentence)
        for verdict in evidence.verdicts
    ]
    text = [str(done.folder), console.columns(rows), console.columns(gates)]
    record = {
        "folder": str(done.folder),
        "report": str(done.folder / "report.html"),
        "passed": evidence.passed,
        "findings": {name: {"value": f.value, "interval": f.interval} for name, f in evidence.items()},
        "gates": {verdict.gate: verdict.passed for verdict in evidence.verdicts},
    }
    console.result("\n".join(filter(None, text)), record, as_json)


def measured(finding: Finding) -> tuple[str, str]:
    """A finding's number and interval, as text."""
    interval = finding.interval
    bounds = f"{finding.level:.0%} interval {interval[0]:.3f} to {interval[1]:.3f}" if interval else ""
    return f"{finding.value:.3f} {finding.unit}".strip(), bounds
