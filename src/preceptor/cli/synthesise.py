"""``preceptor synthesise KIND OUT``"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from . import console


def synthesise(
    kind: str | None = None,
    out: Path | None = None,
    *,
    cases: int | None = None,
    format: Literal["nifti", "png", "dicom"] = "nifti",  # noqa: A002
    seed: int = 0,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative="")] = (),
    burned_text: float = 0.0,
    text_height_px: tuple[int, int] = (8, 20),
    text_contrast: tuple[float, float] = (0.2, 1.0),
    from_: Annotated[Path | None, Parameter(name="--from", negative="")] = None,
    label: str | None = None,
    patient: str | None = None,
    leave_out: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    workers: int = 1,
    fresh: Annotated[bool, Parameter(negative="")] = False,
    show: Annotated[Path | None, Parameter(negative="")] = None,
    list_: Annotated[bool, Parameter(name="--list", negative="")] = False,
    as_json: console.Json = False,
) -> None:
    """Draw a study of phantoms whose truth is known, and the table that says it; or make up a clinical table.

    The same command again goes on where it stopped. One seed makes the same bytes, whatever the number of workers.
    `synthesise table OUT --from real.csv` makes up rows that look like those of a real table and are nobody's.

    Parameters
    ----------
    kind
        A kind that --list shows; `preceptor show phantoms/KIND` tells its settings. Or `table`.
    out
        The study's folder: images, masks, cohort.csv and synthesis.yaml; of a table, table.csv and synthesis.json.
    cases
        How many: 200 if not told, rows of a table as many as it was learnt from.
    format
        NIfTI, PNG (two axes), or DICOM: a series for each volume.
    seed
        Everything drawn follows from it.
    set_
        One setting of the kind, as in --set size=[64,64]; may be repeated.
    burned_text
        Share of the cases with a made-up name burned into their pixels.
    text_height_px
        Smallest and largest height of its letters.
    text_contrast
        Least and most difference to what lies beneath (the full range is 1).
    from_
        The real table: CSV, TSV or Parquet.
    label
        Its column of classes: tells how well models trained on the made-up rows foretell it for real ones.
    patient
        Its column that says whose row it is.
    leave_out
        One of its columns to leave out; may be repeated.
    workers
        Processes that draw.
    fresh
        Delete the study that lies there and start anew.
    show
        Write a sheet of the first cases with their truth to this PNG instead of a study.
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
    if kind == "table":
        _table(from_, out, label, patient, cases, seed, leave_out, fresh, as_json)
        return
    if from_ is not None:
        raise RecipeError(
            "only a table is made up from real rows",
            expected="`preceptor synthesise table OUT --from real.csv`",
            code="nothing_to_synthesise",
        )
    if kind is None or (out is None and show is None):
        raise RecipeError(
            "nothing to draw",
            expected="a kind and a folder, such as `preceptor synthesise shepp_logan heads`",
            remedy="`preceptor synthesise --list` shows the kinds",
            code="nothing_to_synthesise",
        )
    from preceptor import api

    cases = 200 if cases is None else cases
    burned: dict[str, Any] = {
        "burned_text": burned_text,
        "text_height_px": text_height_px,
        "text_contrast": text_contrast,
    }
    if show is not None:
        sheet = api.show_phantoms(kind, show, cases=cases, seed=seed, set=set_, **burned)
        console.result(str(sheet), {"sheet": str(sheet)}, as_json)
        return
    assert out is not None  # asked for above
    made = api.synthesise(
        kind,
        out,
        cases=cases,
        format=format,
        seed=seed,
        set=set_,
        workers=workers,
        fresh=fresh,
        progress=console.bar("drawing"),
        **burned,
    )
    table = made.table()
    truth = [column for column in table if str(column).startswith("label:") or column in made.cases[0].fields]
    record = {"folder": str(made.root), "cohort": str(made.root / "cohort.csv"), "cases": len(made), "truth": truth}
    text = f"{len(made)} cases in {made.root}; the truth stands in cohort.csv: {', '.join(truth) or 'the masks'}"
    console.result(text, record, as_json)


def _table(
    source: Path | None,
    out: Path | None,
    label: str | None,
    patient: str | None,
    rows: int | None,
    seed: int,
    leave_out: tuple[str, ...],
    fresh: bool,
    as_json: bool,
) -> None:
    from preceptor import api
    from preceptor.core.errors import RecipeError

    if source is None:
        raise RecipeError(
            "there is no table to learn from",
            expected="`preceptor synthesise table OUT --from real.csv`",
            code="nothing_to_synthesise",
        )
    made = api.synthesise_table(
        source,
        out or Path("synthetic-table"),
        label=label,
        patient=patient,
        rows=rows,
        seed=seed,
        leave_out=leave_out,
        fresh=fresh,
    )
    record, near = made.record, made.record["privacy"]
    counts = record["rows"]
    lines = [
        f"{counts['made']} rows in {made.path}, learnt from {counts['training']} and tried on {counts['holdout']} others",
        f"nearer to a training record than to a held-out one: {near['share']:.0%} (half is chance, p = {near['p_value']:.2f})",
        f"copies of a training row: none ({record['copies']['redrawn']} drawn anew)",
    ]
    lines += [f"left out: {name}, {reason}" for name, reason in record["left_out"].items()]
    for model, found in (record["utility"] or {}).items():
        real, synthetic, apart = (found[each] for each in ("real", "synthetic", "difference"))
        lines.append(
            f"{label} foretold by {model}: AUROC {synthetic['auroc']:.3f} trained on made-up rows, "
            f"{real['auroc']:.3f} on real ones; difference {_ends(apart['interval'])}"
        )
    shown = {key: value for key, value in record.items() if key != "columns"}
    console.result("\n".join(lines), {"table": str(made.path), **shown}, as_json)


def _ends(interval: list[float] | None) -> str:
    return "without an interval" if interval is None else f"{interval[0]:+.3f} to {interval[1]:+.3f} (95 %)"
