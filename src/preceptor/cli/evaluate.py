"""``preceptor evaluate BUNDLE COHORT`` or ``preceptor evaluate --predictions FILE``, or two folders of masks"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from preceptor.core.errors import RecipeError

from . import console


def evaluate(
    bundle: Path | None = None,
    cohort: Path | None = None,
    *,
    predictions: Path | None = None,
    truth: Path | None = None,
    task: Literal["segmentation", "instances", "translation"] = "segmentation",
    label: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    cases: Path | None = None,
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
        A table with the columns of a run's predictions.parquet, in place of bundle and cohort; with --truth a folder of
        masks or images.
    truth
        A folder of true masks or images, with the names of those in --predictions.
    task
        What the two folders hold: structures, an object a number, or images.
    label
        A structure and its value in the masks, as in --label anterior=1; may be repeated. The values found where none.
    cases
        A table with key (a file's name without its ending), patient and any field, so that intervals resample patients.
    out
        Folder for evidence.json and report.html.
    """
    from preceptor import api

    labels = dict(map(_structure, label)) or None
    evidence = api.evaluate(
        bundle, cohort, predictions=predictions, out=out, truth=truth, task=task, labels=labels, cases=cases
    )
    from .run import measured

    rows = [(name, *measured(finding)) for name, finding in evidence.items()]
    record = {
        "evidence": str(out / "evidence.json"),
        "findings": {name: {"value": f.value, "interval": f.interval} for name, f in evidence.items()},
    }
    console.result("\n".join([str(out), console.columns(rows)]), record, as_json)


def _structure(text: str) -> tuple[str, int]:
    name, _, value = text.partition("=")
    if not name or not value.isdigit():
        raise RecipeError(
            f"--label {text} names no structure with its value", expected="--label anterior=1", code="label_option"
        )
    return name, int(value)
