"""Studies of phantoms and tables whose truth is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.cohort import Cohort

if TYPE_CHECKING:
    from ..intake.synthesis.synthetic_table import SyntheticTable


def synthesise(
    kind: str,
    out: str | Path,
    *,
    cases: int = 200,
    format: str = "nifti",  # noqa: A002  the command line's own word
    seed: int = 0,
    set: Sequence[str] = (),  # noqa: A002
    burned_text: float = 0.0,
    text_height_px: tuple[int, int] = (8, 20),
    text_contrast: tuple[float, float] = (0.2, 1.0),
    workers: int = 1,
    fresh: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Cohort:
    """Draw a study of phantoms whose truth is known.

    Args:
        kind: A name that `preceptor list phantoms` shows.
        out: The study's folder; begun before, it goes on where it stopped.
        cases: How many.
        format: ``nifti``, ``png`` or ``dicom``.
        seed: Everything drawn follows from it.
        set: The kind's settings, each ``name=value``.
        burned_text: Share of the cases with a made-up name burned into their pixels; the field ``burned_text`` says
            where.
        text_height_px: Smallest and largest height of its letters.
        text_contrast: Least and most difference to what lies beneath, in units of the full range.
        workers: Processes that draw; the bytes are the same with any number.
        fresh: Start anew where an earlier study of phantoms lies.
        progress: Told ``(done, total)``.

    Returns:
        The cohort, whose table is ``cohort.csv`` in the folder.

    Raises:
        RecipeError: There is no such kind or setting, or the format can't hold its images.
        CohortError: The folder holds something else.
    """
    from ..intake.burned_in.planted_text import BurnedText
    from ..intake.synthesis.drawn_study import Order, forget, synthesise
    from ..recipe.settings import named_settings

    text = BurnedText(burned_text, text_height_px, text_contrast) if burned_text else None
    order = Order(named_settings("phantoms", kind, set), cases, format, seed, text)  # type: ignore[arg-type]
    if fresh:
        forget(Path(out))
    return synthesise(order, Path(out), workers=workers, progress=progress)


def synthesise_table(
    source: str | Path,
    out: str | Path,
    *,
    label: str | None = None,
    patient: str | None = None,
    rows: int | None = None,
    seed: int = 0,
    leave_out: Sequence[str] = (),
    fresh: bool = False,
) -> SyntheticTable:
    """Make up a clinical table that looks like a real one and holds nobody's row, and measure both.

    Args:
        source: CSV, TSV or Parquet of real rows.
        out: The folder of ``table.csv`` and ``synthesis.json``.
        label: Column of classes; models trained on either table foretell it for real rows that neither holds.
        patient: Column that says whose row it is; patients stay on one side.
        rows: How many; by default as many as the generator was fitted on.
        seed: Everything drawn follows from it.
        leave_out: Columns to leave out.
        fresh: Start anew where an earlier table lies.

    Returns:
        ``.path`` of the table, and ``.record`` with ``utility``, ``privacy``, ``copies`` and ``left_out``.

    Raises:
        CohortError: The source holds too little, or the folder something else.
        Refusal: The rows repeat real ones, or keep too near to those they were learnt from.
    """
    from ..intake.synthesis.synthetic_table import forget_table, synthesise_table

    if fresh:
        forget_table(Path(out))
    return synthesise_table(
        Path(source), Path(out), label=label, patient=patient, rows=rows, seed=seed, leave_out=leave_out
    )


def show_phantoms(
    kind: str,
    path: str | Path,
    *,
    cases: int = 200,
    seed: int = 0,
    set: Sequence[str] = (),  # noqa: A002
    burned_text: float = 0.0,
    text_height_px: tuple[int, int] = (8, 20),
    text_contrast: tuple[float, float] = (0.2, 1.0),
) -> Path:
    """Draw the first cases that `synthesise` would write, with their truth, on one sheet.

    Args:
        kind, cases, seed, set, burned_text, text_height_px, text_contrast: As in `synthesise`.
        path: A PNG file; one that is there is replaced.

    Returns:
        The path.

    Raises:
        RecipeError: There is no such kind or setting.
    """
    from ..intake.burned_in.planted_text import BurnedText
    from ..intake.synthesis.contact_sheet import write_contact_sheet
    from ..intake.synthesis.drawn_study import Order
    from ..recipe.settings import named_settings

    text = BurnedText(burned_text, text_height_px, text_contrast) if burned_text else None
    order = Order(named_settings("phantoms", kind, set), cases, "nifti", seed, text)
    return write_contact_sheet(order, Path(path))
