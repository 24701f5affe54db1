"""From a data set to a cohort, and which data set a folder is."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from preceptor.core.cohort import Cohort
from preceptor.core.errors import CohortError
from preceptor.core.plugins import Dataset
from preceptor.core.slots import build

from .description import read_description
from .naming import data_absent, long_keys
from .sheet import RESERVED, read_sheet

_IMAGES = (".nii.gz", ".nii", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".npy", ".dcm")
_PATIENT_COLUMNS = ("patient", "patient_id", "patientid", "subject", "subject_id", "participant_id")
_TABLES = (".csv", ".tsv", ".parquet")


def build_cohort(dataset: Dataset, name: str = "cohort") -> Cohort:
    """Every case of a data set.

    Args:
        dataset: A plug-in of ``datasets/``. What it left out (``exclusions``) and has to say (``notes``) goes along.
        name: What to call the cohort in reports.

    Raises:
        CohortError: The data is absent, or holds no case.
    """
    untouched = copy.deepcopy(dataset)  # listing leaves its exclusions behind
    cases = tuple(dataset.cases())
    if len({case.key for case in cases}) < len(cases):  # by chance, among very many; if not, they stay the same
        dataset = untouched
        with long_keys():
            cases = tuple(dataset.cases())
    exclusions = tuple(getattr(dataset, "exclusions", ()))
    if not cases:
        gone = ", ".join(f"{number} {reason}" for reason, number in exclusions)
        raise CohortError(
            f"the data set holds no case{': ' + gone if gone else ''}",
            expected="at least one image that the recipe's patterns or columns name",
            remedy="look at the patterns and columns under `cohort`",
            code="no_cases",
        )
    return Cohort(cases, dataset.cohort_root, name, tuple(getattr(dataset, "notes", ())), exclusions)


def detect_layout(source: Path) -> Dataset:
    """The data set plug-in for a folder or file, by what lies in it.

    Args:
        source: A table, a Decathlon ``dataset.json``, a MedMNIST ``.npz``, or a folder: nnU-Net raw, BIDS,
            ``images/`` beside ``labels/``, or any folder of images.

    Raises:
        CohortError: It is absent, or no image or table is found.
    """
    source = Path(source).absolute()
    if not source.exists():
        raise data_absent(source.name)
    name, settings = _layout_of_folder(source) if source.is_dir() else _layout_of_file(source)
    return build("datasets", {name: settings}, root=source if source.is_dir() else source.parent)


def _layout_of_file(source: Path) -> tuple[str, dict[str, Any]]:
    if source.suffix in _TABLES:
        return "table", {"file": source.name, **_columns(source)}
    if source.suffix == ".npz":
        return "medmnist", {"file": source.name}
    if source.suffix == ".json":
        return ("decathlon", {"file": source.name}) if "training" in read_description(source) else ("nnunet_raw", {})
    if source.name.lower().endswith(_IMAGES):
        return "folder", {"image": source.name}
    raise CohortError(
        f"a '{source.suffix}' file is no cohort",
        expected=f"a table ({', '.join(_TABLES)}), dataset.json, .npz, or a folder",
        code="layout_unknown",
    )


def _layout_of_folder(source: Path) -> tuple[str, dict[str, Any]]:
    if (source / "dataset.json").is_file():
        return _layout_of_file(source / "dataset.json")
    if (source / "dataset_description.json").is_file() or any(source.glob("sub-*/")):
        return "bids", {}
    if (source / "imagesTr").is_dir():
        return "nnunet_raw", {}
    for images, labels in (("images", "labels"), ("images", "masks"), ("imgs", "masks"), ("image", "label")):
        ending = _ending(source / images)
        if ending:
            there = _ending(source / labels)
            return "folder", {"image": f"{images}/*{ending}", "label": f"{labels}/*{there}" if there else None}
    ending = _ending(source)
    if _is_dicom(source, ending):
        return "dicom", {}
    if not ending:
        raise CohortError(
            "no image and no table is found in the folder",
            expected=f"DICOM files, files ending in {', '.join(_IMAGES)}, or a table that names them",
            code="layout_unknown",
        )
    return "folder", {"image": f"**/*{ending}"}


def _ending(folder: Path) -> str:
    """The suffix that most images below a folder have; empty where there is none."""
    names = [path.name for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    counts = {ending: sum(name.endswith(ending) for name in names) for ending in _IMAGES}
    best = max(counts, key=lambda ending: (counts[ending], len(ending)))
    return best if counts[best] else ""


def _is_dicom(folder: Path, ending: str) -> bool:
    """Whether the first of the files that decide is DICOM by its content: where none ends as images do, any that is."""
    ending = "" if ending == ".dcm" else ending
    for path in sorted(folder.rglob(f"*{ending}")):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                if file.read(132)[128:] == b"DICM":
                    return True
            if ending:
                return False
    return False


def _columns(source: Path) -> dict[str, Any]:
    """Which columns of a table are images, masks, the patient: those that are called so."""
    table = read_sheet(source)
    names = {str(column).lower(): str(column) for column in table.columns}
    paths = {}
    for column in table.columns:
        values = [str(value) for value in table[column].dropna().head(20)]
        if values and all(value.lower().endswith(_IMAGES) and (source.parent / value).exists() for value in values):
            paths[str(column)] = column
    masks = {name: name for name in paths if any(word in name.lower() for word in ("mask", "label", "seg"))}
    images = {name: name for name in paths if name not in masks}
    if not images:
        raise CohortError(
            "no column of the table names image files",
            where=source.name,
            expected="a column of paths relative to the table",
            remedy="write a recipe with the data set `table`, whose `image` and `folder` say where they are",
            code="layout_unknown",
        )
    patient = next((names[each] for each in _PATIENT_COLUMNS if each in names), None)
    used = {*images, *masks, patient}
    return {
        "image": next(iter(images)) if len(images) == 1 else images,
        "masks": masks or None,
        "patient": patient,
        "fields": [str(column) for column in table.columns if str(column) not in {*used, *RESERVED}],
    }
