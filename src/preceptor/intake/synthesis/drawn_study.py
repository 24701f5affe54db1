"""A study of one kind of phantom on disk: drawn case by case, in any order, by any number of processes."""

from __future__ import annotations

import json
import multiprocessing
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from preceptor.core.cohort import Case, Cohort
from preceptor.core.drawn import Drawn, Turn
from preceptor.core.errors import CohortError, RecipeError
from preceptor.core.files import write_aside
from preceptor.core.plain import finite
from preceptor.core.slots import build, parameters, plugin, spec

from ..burned_in.planted_text import BurnedText
from .drawn_files import Format, write_drawn, write_truth

#: Changes whenever the same order would make other bytes.
_VERSION = 2

#: Where each finished case leaves its row until the table is written.
_ROWS = ".rows"


@dataclass(frozen=True)
class Order:
    """What a study of phantoms holds.

    Args:
        kind: A phantom as a recipe names it: ``name`` or ``{name: {parameter: value}}``.
        cases: How many.
        format: ``nifti``, ``png`` or ``dicom``.
        seed: Everything drawn follows from it.
        text: How names are burned into the pixels; None burns none.

    Raises:
        RecipeError: No case is asked for.
    """

    kind: str | Mapping[str, Any]
    cases: int
    format: Format = "nifti"
    seed: int = 0
    text: BurnedText | None = None

    def __post_init__(self) -> None:
        if self.cases < 1:
            raise RecipeError(f"{self.cases} cases can't be drawn", expected="one at least", code="no_cases")

    @property
    def record(self) -> dict[str, Any]:
        """Every setting, defaults written out: what the folder was made from."""
        from preceptor.core.plugins import RESERVED

        name, _ = spec(self.kind)
        made = build("phantoms", self.kind)
        given = {key: getattr(made, key) for key in parameters(plugin("phantoms", name)) if key not in RESERVED}
        settings = {key: value for key, value in asdict(self).items() if value is not None}
        return json.loads(json.dumps(settings | {"kind": {name: given}, "version": _VERSION}))


def synthesise(
    order: Order, folder: Path, *, workers: int = 1, progress: Callable[[int, int], None] | None = None
) -> Cohort:
    """Draw a study of phantoms and write its files and ``cohort.csv``, or go on where that was broken off.

    Args:
        order: What it holds.
        folder: Where it goes; a folder that holds another study is refused.
        workers: Processes that draw; the bytes are the same with any number.
        progress: Told ``(done, total)``.

    Returns:
        The cohort, read back from its table.

    Raises:
        CohortError: The folder holds something else.
        RecipeError: The kind or its settings are wrong, or the format can't hold its images.
    """
    from preceptor.recipe.yaml import write_yaml

    folder, settings = Path(folder), Path(folder) / "synthesis.yaml"
    text = write_yaml(order.record)
    if settings.exists():
        _refuse_another(settings, text)
    elif folder.exists() and any(folder.iterdir()):
        raise CohortError(
            "the folder is not empty, and no study of phantoms",
            where=folder.name,
            expected="a new folder, or one that was begun with the same settings",
            remedy="name another folder",
            code="synthesis_folder",
        )
    table = folder / "cohort.csv"
    if not table.exists():
        (folder / _ROWS).mkdir(parents=True, exist_ok=True)
        with write_aside(settings) as aside:
            aside.write_text(text, encoding="utf-8")
        _draw_all(order, folder, workers, progress or (lambda done, total: None))
        rows = [json.loads(_row(folder, index).read_text(encoding="utf-8")) for index in range(order.cases)]
        Cohort(tuple(Case(**row) for row in rows), folder).write(table)
        shutil.rmtree(folder / _ROWS)
    note = "phantoms: drawn by preceptor; nobody was imaged, and nothing follows from them for patients"
    return replace(Cohort.read(table, folder), name=spec(order.kind)[0], notes=(note,))


def draw_case(order: Order, folder: Path, index: int) -> None:
    """Draw one case, write its files, then its row: a pure function of the order and the case's number."""
    path = _row(folder, index)
    if path.exists():
        return
    turn = Turn(order.seed, index, order.cases)
    drawn: Drawn = build("phantoms", order.kind).draw(turn)
    if order.text is not None:
        drawn = order.text.burn(drawn, turn)
    key = f"c{index:05}"
    patient = drawn.patient or f"p{index:05}"
    about = {"sex": "O", "age": 50, "site": "phantom"} | dict(drawn.fields)
    about |= {"patient": patient, "study": key}
    about |= {"body_part": drawn.body_part} if drawn.body_part else {}
    images = {
        view: write_drawn(folder, f"images/{key}-{view}", image, order.format, about | {"series": view, "view": view})
        for view, image in drawn.images.items()
    }
    masks = {name: write_truth(folder, f"masks/{key}-{name}", mask, order.format) for name, mask in drawn.masks.items()}
    row = {"key": key, "images": images, "patient": patient, "masks": masks}
    row |= {"labels": dict(drawn.labels), "fields": dict(drawn.fields)}
    with write_aside(path, durable=False) as aside:
        aside.write_text(json.dumps(finite(row)), encoding="utf-8")


def forget(folder: Path) -> None:
    """Delete a study of phantoms, and nothing that is none: the folder must hold what `synthesise` says it made."""
    if (Path(folder) / "synthesis.yaml").exists():
        shutil.rmtree(folder)


def _draw_all(order: Order, folder: Path, workers: int, progress: Callable[[int, int], None]) -> None:
    draw = partial(draw_case, order, folder)
    if workers <= 1:
        for index in range(order.cases):
            draw(index)
            progress(index + 1, order.cases)
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy locks that threads of this process hold
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        for done, _ in enumerate(pool.map(draw, range(order.cases), chunksize=8), start=1):
            progress(done, order.cases)


def _row(folder: Path, index: int) -> Path:
    return folder / _ROWS / f"{index:05}.json"


def _refuse_another(settings: Path, text: str) -> None:
    if settings.read_text(encoding="utf-8") != text:
        raise CohortError(
            "the folder holds a study of phantoms with other settings",
            where=f"{settings.parent.name}/{settings.name}",
            expected="the same kind, settings, cases, format and seed",
            remedy="name another folder, or start anew with --fresh",
            code="synthesis_other",
        )
