"""How a file of each kind is read: through the same functions that the commands and the library call."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path


def _image(path: Path) -> None:
    from preceptor.intake.read import read_image

    for is_label in (False, True):
        read_image(path.parent, path.name, is_label=is_label)


def _picture(path: Path) -> None:
    from preceptor.intake.read import read_image

    read_image(path.parent, path.name)


def _member(path: Path) -> None:
    from preceptor.intake.array import members
    from preceptor.intake.read import read_image

    members(path)
    read_image(path.parent, f"{path.name}::images::0")


def _annotations(path: Path) -> None:
    from preceptor.intake.annotations.files import read_annotations, write_annotations

    found = read_annotations(path)
    found.table()
    for form in ("mdai", "coco"):
        write_annotations(path.with_name("written.json"), found, form)


def _table(path: Path) -> None:
    from preceptor.intake.sheet import read_sheet

    read_sheet(path, ("patient",))


def _cohort(path: Path) -> None:
    from preceptor.core.cohort import Cohort

    Cohort.read(path)


def _predictions(path: Path) -> None:
    from preceptor.prove.foreign import read_foreign

    read_foreign(path)


def _reader_answers(path: Path) -> None:
    from preceptor.prove.readers.answers import read_answers

    read_answers(path)


def _recipe(path: Path) -> None:
    from preceptor.recipe.load import load_recipe

    load_recipe(path)


def _archive(path: Path) -> None:
    from preceptor.intake.dicom.scanning import scan
    from preceptor.intake.unpacking import unpacked

    with unpacked(path) as folder:
        scan(folder)


def _bundle(path: Path) -> None:
    from preceptor.deliver.bundle import Bundle

    bundle = Bundle.open(path)
    _ = bundle.task, bundle.evidence, bundle.checks, bundle.views
    bundle.council("cpu")


def _tensors(path: Path) -> None:
    from preceptor.core.files import read_tensors

    record = {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "record": {}}
    path.with_suffix(".json").write_text(json.dumps(record))
    read_tensors(path)


def _prepared(path: Path) -> None:
    from preceptor.prepare.prepared import PreparedCase

    case = PreparedCase(path)
    for grid in case.grids:
        for name in case.names_of(grid):
            case.named(name).array.sum()


READERS: dict[str, Callable[[Path], None]] = {
    **dict.fromkeys(("nifti", "nifti_gz", "bmp", "npy", "clip", "dicom", "metaimage"), _picture),
    **dict.fromkeys(("png", "jpeg", "tiff"), _picture),
    **dict.fromkeys(("gif", "mp4", "avi"), _picture),
    "npz": _member,
    **dict.fromkeys(("mdai", "coco", "geojson", "asap", "annotation_table"), _annotations),
    "table": _table,
    "cohort": _cohort,
    "predictions": _predictions,
    "reader_answers": _reader_answers,
    "recipe": _recipe,
    "zip": _archive,
    "bundle": _bundle,
    "tensors": _tensors,
    "prepared": _prepared,
}
