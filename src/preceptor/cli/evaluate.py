"""``preceptor evaluate BUNDLE COHORT`` or ``preceptor evaluate --predictions FILE``"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from . import console


def evaluate(
    bundle: Path | None = None,
    cohort: Path | None = None,
    *,
    predictions: Path | None = None,
    out: Annotated[Path, Parameter(alias="-o")] = Path("evaluation"),
    as_json: console.Json = False,
) -> None:
    """Measure a bundle on a cohort it never saw, or anyone's stored predictions.

    Parameters
    ----------
    bundle
        What `preceptor seal` wrote.
    cohort
        A cohort with truth (.parquet, .csv), or a recipe whose cohort is meant.
    predictions
        A table with the columns of a run's predictions.parquet, in place of bundle and cohort.
    out
        Folder for evidence.json and report.html.
    """
    from preceptor import api

    evidence = api.evaluate(bundle, cohort, predictions=predictions, out=out)
    from .run import measured

    rows = [(name, *measured(finding)) for name, finding in evidence.items()]
    record = {
        "evidence": str(out / "evidence.json"),
        "findings": {name: {"value": f.value, "interval": f.interval} for name, f in evidence.items()},
    }
    console.result("\n".join([str(out), console.columns(rows)]), record, as_json)
