"""``preceptor texture RECIPE``"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from . import console


def texture(
    recipe: Path,
    *,
    cases: int = 8,
    strength: float = 0.3,
    least_kept: float = 0.8,
    set_: Annotated[list[str] | None, Parameter(name="--set", negative="")] = None,
    as_json: console.Json = False,
) -> None:
    """Plant fine and coarse grain in training images and tell which step of a recipe wipes the difference out.

    Parameters
    ----------
    recipe
        Its prepare and augment are tried.
    cases
        How many training cases to look at, 4 or more.
    strength
        Of the grain, as a share of the foreground's own deviation.
    least_kept
        A step that keeps a smaller share of the difference is named.
    set_
        A change to the recipe, such as prepare=[zscore]; may be given several times.
    """
    from preceptor import api

    found = api.audit_texture(
        recipe, cases=cases, strength=strength, least_kept=least_kept, set=set_ or (), stream=sys.stderr
    )
    width = max(len(row.step) for row in found.rows)
    lines = [f"{'step':{width}}  section  AUROC   kept  by chance"]
    for row in found.rows:
        line = f"{row.step:{width}}  {row.section}  {row.auroc:5.2f}  {row.kept:5.0%}       {row.control:4.2f}"
        lines.append(f"{line}  wiped" if row.wiped else line)
    console.result("\n".join([*lines, "", found.sentence]), found.to_json(), as_json)
