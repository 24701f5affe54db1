"""``preceptor audit RUN``"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from . import console


def audit(
    run: Path,
    *,
    field: Annotated[list[str] | None, Parameter(negative="")] = None,
    target: Path | None = None,
    cases: int = 300,
    predictions_only: Annotated[bool, Parameter(negative="")] = False,
    device: str = "auto",
    fresh: Annotated[bool, Parameter(negative="")] = False,
    as_json: console.Json = False,
) -> None:
    """Seek shortcuts: does the model look at what a clinician would, or at site, scanner, borders and markers?

    Parameters
    ----------
    run
        Folder that `preceptor run` made.
    field
        A field of the cohort to suspect, once for each; by default sex, age, site, scanner, view and quality.
    target
        A YAML file {field: {group: share}} of the population that the model is meant for.
    cases
        How many test cases' pixels to look at.
    predictions_only
        Open neither images nor networks.
    device
        auto, cpu, cuda or mps.
    fresh
        Replace an earlier audit.
    """
    from preceptor import api

    found = api.audit(
        run,
        fields=field,
        target=target,
        most_cases=cases,
        pixels=not predictions_only,
        device=device,
        fresh=fresh,
        tell=console.say,
    )
    lines = [found.sentence]
    lines += [f"\n{each.about}\n  {each.sentence}" for each in found.suspicions]
    lines += [f"\nnote: {each}" for each in found.notes]
    record = {
        "audit": str(run / "audit.json"),
        "sentence": found.sentence,
        "suspicions": [each.to_json() for each in found.suspicions],
        "notes": list(found.notes),
    }
    console.result("\n".join(lines), record, as_json)
