"""``preceptor synthesise KIND OUT``"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from . import console


def synthesise(
    kind: str | None = None,
    out: Path | None = None,
    *,
    cases: int = 200,
    format: Literal["nifti", "png", "dicom"] = "nifti",  # noqa: A002
    seed: int = 0,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative="")] = (),
    workers: int = 1,
    fresh: Annotated[bool, Parameter(negative="")] = False,
    list_: Annotated[bool, Parameter(name="--list", negative="")] = False,
    as_json: console.Json = False,
) -> None:
    """Draw a study of phantoms whose truth is known, and the table that says it.

    The same command again goes on where it stopped. One seed makes the same bytes, whatever the number of workers.

    Parameters
    ----------
    kind
        A kind that --list shows; `preceptor show phantoms/KIND` tells its settings.
    out
        The study's folder: images, masks, cohort.csv and synthesis.yaml.
    cases
        How many.
    format
        NIfTI, PNG (two axes), or DICOM: a series for each volume.
    seed
        Everything drawn follows from it.
    set_
        One setting of the kind, as in --set size=[64,64]; may be repeated.
    workers
        Processes that draw.
    fresh
        Delete the study that lies there and start anew.
    list_
        List the kinds, and draw nothing.
    """
    from preceptor.core.errors import RecipeError

    if list_:
        from preceptor.core.slots import names
        from preceptor.recipe.document import about

        lines = {name: about("phantoms", name) for name in names("phantoms")}
        console.result(console.columns(lines.items(), ""), {"phantoms": lines}, as_json)
        return
    if kind is None or out is None:
        raise RecipeError(
            "nothing to draw",
            expected="a kind and a folder, such as `preceptor synthesise shepp_logan heads`",
            remedy="`preceptor synthesise --list` shows the kinds",
            code="nothing_to_synthesise",
        )
    from preceptor import api

    made = api.synthesise(
        kind,
        out,
        cases=cases,
        format=format,
        seed=seed,
        set=set_,
        workers=workers,
        fresh=fresh,
        progress=_tell,
    )
    table = made.table()
    truth = [column for column in table if str(column).startswith("label:") or column in made.cases[0].fields]
    record = {"folder": str(made.root), "cohort": str(made.root / "cohort.csv"), "cases": len(made), "truth": truth}
    text = f"{len(made)} cases in {made.root}; the truth stands in cohort.csv: {', '.join(truth) or 'the masks'}"
    console.result(text, record, as_json)


def _tell(done: int, total: int) -> None:
    if sys.stderr.isatty():
        end = "\n" if done == total else ""
        print(f"\rdrawing {done}/{total}", end=end, file=sys.stderr, flush=True)
