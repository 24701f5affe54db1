"""What published layouts share: a list of images, each with its patient, labels and place, some of them not there."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np

from preceptor.core.cohort import Case
from preceptor.core.errors import CohortError

from .naming import IMAGE_ABSENT, case_key, data_absent, existing_folder
from .sheet import plain, read_sheet, require_columns

#: What becomes of a label that the reader, or the report, left open.
Uncertain = Literal["keep", "positive", "negative", "unlabelled"]

#: What becomes of a label that was not mentioned.
Blank = Literal["unlabelled", "negative"]


@dataclass(frozen=True)
class Entry:
    """An image, or the images of one moment, as a published list has them.

    Args:
        name: What makes it this one; the key is made of it.
        images: ``{view: path}`` relative to the data set's folder.
        patient: As published; None where nobody is named.
        masks, labels, fields, role, points: As in `Case`.
    """

    name: str
    images: Mapping[str, str]
    patient: str | None = None
    masks: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)
    role: str | None = None
    points: Mapping[str, Sequence[Sequence[float]]] = field(default_factory=dict)


class Published:
    """A data set whose layout is published: it lists its entries, and those whose images are not there are counted.

    Args:
        folder: The data set's folder, seen from the recipe.
        keep_names: Whether keys are the published names.
        root: The recipe's folder.
    """

    folder: str
    keep_names: bool
    root: Path
    exclusions: list[tuple[str, int]]
    _kept: tempfile.TemporaryDirectory[str] | None = None

    @property
    def cohort_root(self) -> Path:
        return (self.root / self.folder).resolve()

    def cases(self) -> Iterator[Case]:
        """The entries whose images are there, a view that is not there left out of its case."""
        existing_folder(self.root, self.folder)
        base = self.cohort_root
        self.exclusions = []
        found, listed = [], 0
        for entry in self.entries(base):
            listed += 1
            images = {view: path for view, path in entry.images.items() if is_there(base, path)}
            if images:
                masks = {name: path for name, path in entry.masks.items() if is_there(base, path)}
                found.append((entry, images, masks))
        if not found:
            raise data_absent(self.folder)
        if len(found) < listed:
            self.exclusions.append((IMAGE_ABSENT, listed - len(found)))
        for entry, images, masks in found:
            yield Case(
                key=case_key(entry.name, keep_names=self.keep_names),
                images=images,
                patient=entry.patient,
                masks=masks,
                labels=dict(entry.labels),
                fields={name: value for name, value in entry.fields.items() if value is not None},
                role=entry.role,
                points=dict(entry.points),
            )

    def entries(self, base: Path) -> Iterable[Entry]:
        """What the data set lists, whether it is there or not."""
        raise NotImplementedError


_Made = TypeVar("_Made", bound=Published)


def example_of(make: Callable[..., _Made], files: Mapping[str, str | np.ndarray], **settings: Any) -> _Made:
    """A data set of its own small tree, which goes when the instance does.

    Args:
        make: The data set's class.
        files: ``{path: text, or an array to be stored as a picture or as NIfTI by the path's suffix}``.
        settings: Of the constructor.
    """
    kept = tempfile.TemporaryDirectory()
    write_tree(Path(kept.name), files)
    made = make(root=Path(kept.name), **settings)
    made._kept = kept
    return made


def write_tree(folder: Path, files: Mapping[str, str | np.ndarray]) -> None:
    """Write texts, pictures and volumes below a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            path.write_text(content, encoding="utf-8")
        elif name.endswith((".nii.gz", ".nii")):
            import nibabel

            nibabel.Nifti1Image(content, np.eye(4)).to_filename(path)
        else:
            from PIL import Image as Pillow

            Pillow.fromarray(content).save(path)


def rows_of(path: Path, columns: Iterable[str], text: Iterable[str] = ()) -> Iterator[dict[str, Any]]:
    """The rows of a published table as plain values.

    Args:
        path: ``.csv``, or ``.csv.gz`` where only that is there.
        columns: That it must have.
        text: Columns to keep as text.

    Raises:
        CohortError: It is absent (``data_absent``), no table, or lacks a column.
    """
    packed = path.with_name(path.name + ".gz")
    where = path if path.is_file() or not packed.is_file() else packed
    if not where.is_file():
        raise data_absent(path.name)
    table = read_sheet(where, text)
    require_columns(table, columns, where.name)
    for record in table.to_dict("records"):
        yield {str(name): plain(value) for name, value in record.items()}


def is_there(base: Path, source: str) -> bool:
    """Whether a listed file is in the data set's folder.

    Raises:
        CohortError: It lies outside.
    """
    path = (base / source).resolve()
    if not path.is_relative_to(base):
        raise CohortError(
            "the list names an image outside the data set's folder",
            expected="paths below the folder",
            remedy="take the list from its source again",
            code="path_outside",
        )
    return path.exists()


def finding(value: Any, uncertain: Uncertain, blank: Blank) -> Any:
    """A finding of the CheXpert kind: 1 present, 0 absent, -1 left open, nothing where it was not mentioned.

    Args:
        value: The cell.
        uncertain: ``keep`` gives the words present, absent and uncertain (a class of its own, named in the task);
            the others give 1, 0 or nothing.
        blank: What a finding that is not mentioned counts as.

    Raises:
        CohortError: It is none of these.
    """
    if value is None or value == "":
        number = None if blank == "unlabelled" else 0.0
    else:
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if number not in (-1.0, 0.0, 1.0):
            raise CohortError(
                "a finding holds another value than 1, 0, -1 or nothing",
                expected="1 present, 0 absent, -1 uncertain, blank not mentioned",
                remedy="take the table from its source again",
                code="finding_value",
            )
    if number == -1.0 and uncertain != "keep":
        number = {"positive": 1.0, "negative": 0.0, "unlabelled": None}[uncertain]
    if number is None:
        return None
    return {1.0: "present", 0.0: "absent", -1.0: "uncertain"}[number] if uncertain == "keep" else int(number)


#: The fourteen observations of CheXpert and MIMIC-CXR-JPG.
OBSERVATIONS = (
    "No Finding",
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
)


def chosen(labels: list[str] | None, known: Iterable[str], where: str) -> list[str]:
    """The labels a recipe asks for out of those a data set has; all of them where it names none.

    Raises:
        CohortError: One of them is unknown.
    """
    known = tuple(known)
    strange = [name for name in labels or () if name not in known]
    if strange:
        raise CohortError(
            f"the data set has no label {', '.join(map(repr, strange))}",
            where=where,
            expected=f"one of {', '.join(known)}",
            code="label_unknown",
        )
    return list(known if labels is None else labels)


def column_name(text: str) -> str:
    """A label's name as recipes write it: ``Pleural Effusion`` is ``pleural_effusion``."""
    return "_".join("".join(each if each.isalnum() else " " for each in text).lower().split())
