"""``preceptor selfcheck RECIPE``"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from . import console


def selfcheck(
    recipe: Path,
    *,
    out: Path | None = None,
    cases: int = 160,
    steps: int = 300,
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    fresh: Annotated[bool, Parameter(negative="")] = False,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative="")] = (),
    as_json: console.Json = False,
) -> int:
    """Try a recipe's parts on data that anything solves, and on data that nothing does.

    Exit code 4 where a model fails on the first (a bug), or succeeds on the second (a leak).

    Parameters
    ----------
    recipe
        A YAML file.
    out
        Folder for both studies; by default runs/STUDY-selfcheck-HASH.
    cases
        In each study.
    steps
        Of the optimizer in each training, at least.
    device
        Where to compute.
    fresh
        Start anew where an earlier selfcheck lies.
    set_
        Change one setting of the recipe, as in --set network=cnn; may be repeated.
    """
    from preceptor import api

    found = api.selfcheck(
        recipe, out, cases=cases, steps=steps, device=device, fresh=fresh, set=set_, stream=sys.stderr
    )
    rows = [(trial.study, "holds" if trial.passed else "DOES NOT HOLD", trial.sentence) for trial in found.trials]
    verdict = "passed" if found.passed else "not passed"
    record = {"passed": found.passed, "trials": [asdict(trial) for trial in found.trials]}
    console.result(f"{console.columns(rows, '')}\n{verdict}", record, as_json)
    return 0 if found.passed else 4
