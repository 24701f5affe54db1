"""``preceptor checklist RUN --name NAME``"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from . import console


def checklist(
    runs: list[Path],
    *,
    name: str,
    answers: Path | None = None,
    out: Annotated[Path | None, Parameter(alias="-o")] = None,
    as_json: console.Json = False,
) -> None:
    """Fill a reporting checklist, a model card or a data sheet from a run's own record.

    Parameters
    ----------
    runs
        A run's folder; several for the flow of 'prisma'.
    name
        charms, claim_2024, consort_ai, mi_claim, probast, tripod_ai, model_card, data_sheet or prisma.
    answers
        A YAML file of what only its authors can say: lines such as "3a: the text".
    out
        The file to write (.md, .html or .csv); without it the text is printed.
    """
    from preceptor import api

    if name == "prisma":
        flow = api.flow_of_runs(runs, out)
        text = str(out) if out else flow.as_markdown()
        boxes = [{"stage": stage, "what": what, "number": number} for stage, what, number in flow.boxes()]
        console.result(text.rstrip("\n"), {"file": out, "flow": boxes}, as_json)
        return
    filled = api.checklist(runs, name, out, answers=answers)
    text = f"{out}\n  {filled.summary}" if out else filled.as_markdown().rstrip("\n")
    record = {"file": out, "title": filled.title, "summary": filled.summary}
    console.result(text, record | {"items": [asdict(item) for item in filled.items]}, as_json)
