"""Cases found in a folder of DICOM files, whatever they are called."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from preceptor.core.cohort import Case
from preceptor.core.errors import CohortError
from preceptor.intake.dicom.scanning import Row, scan
from preceptor.intake.naming import existing_folder, plain_view
from preceptor.intake.synthesis.phantom_planes import write_planes


class Dicom:
    """Cases found in a folder of DICOM files, whatever they are called and however they lie.

    Files are found by their content and grouped by study and series; planes are put in order by where they lie. What
    makes no image for certain is left out, and counted with its reason in ``exclusions``.

    Args:
        folder: Searched to its bottom, seen from the recipe.
        case: ``series`` makes a case of every image; ``study`` makes one of every study, with a view for each modality.
        modality: Take images of this modality alone, such as ``CT``.
        least_slices: Leave out images of fewer planes; 2 keeps volumes alone.

    Returns (``cases``): One `Case` an image or study, in order of file name; the patient is the hash of PatientID.

    Raises:
        CohortError: The folder is absent (``data_absent``), or a study holds two images of one modality where a case is
            a study.

    Source: DICOM PS3.3 A.1.2 (patient, study, series, image), C.7.6.2.1.1 (image position and orientation).

    Example:
        >>> len(list(Dicom.example().cases()))
        2
    """

    def __init__(
        self,
        folder: str = ".",
        case: Literal["series", "study"] = "series",
        modality: str | None = None,
        least_slices: int = 1,
        root: Path = Path(),
    ) -> None:
        self.folder = folder
        self.case = case
        self.modality = modality
        self.least_slices = least_slices
        self.root = Path(root)
        self.exclusions: list[tuple[str, int]] = []
        self.notes: list[str] = []
        self._kept: tempfile.TemporaryDirectory[str] | None = None  # an example's files

    @classmethod
    def example(cls) -> Dicom:
        kept = tempfile.TemporaryDirectory()  # goes when the instance does
        grey = np.arange(4 * 4 * 3, dtype=np.uint16).reshape(4, 4, 3)
        for name in ("1", "2"):
            about = {"patient": name, "study": name}
            write_planes(Path(kept.name) / name, grey, np.diag([1.0, 1.0, 2.0, 1.0]), about=about)
        made = cls(root=Path(kept.name))
        made._kept = kept
        return made

    @property
    def cohort_root(self) -> Path:
        return (self.root / self.folder).resolve()

    def cases(self) -> Iterator[Case]:
        found = scan(existing_folder(self.root, self.folder).resolve())
        taken = [row for row in found.taken if self._is_wanted(row)]
        reasons = Counter(row.code or row.reason for row in found.rows if not row.is_taken)
        others = len(found.taken) - len(taken)
        self.exclusions = sorted(reasons.items()) + ([("another modality or too few slices", others)] if others else [])
        if self.case == "series":
            for row in taken:
                yield self._case(_key(row), {"image": row})
            return
        for study in dict.fromkeys(row.study for row in taken):
            yield self._case(study, _views(study, [row for row in taken if row.study == study]))

    def _is_wanted(self, row: Row) -> bool:
        slices = row.shape[2] if len(row.shape) > 2 else 1
        return slices >= self.least_slices and self.modality in (None, row.modality)

    def _case(self, key: str, views: dict[str, Row]) -> Case:
        first = next(iter(views.values()))
        return Case(
            key=key,
            images={view: row.source for view, row in views.items()},
            patient=first.patient or None,
            fields={"study": first.study, "modality": "+".join(dict.fromkeys(row.modality for row in views.values()))},
        )


def _key(row: Row) -> str:
    return f"{row.series}-{row.part.partition(' ')[0]}" if row.part else row.series


def _views(study: str, rows: list[Row]) -> dict[str, Row]:
    views = {plain_view(row.modality): row for row in rows}
    if len(views) < len(rows):
        raise CohortError(
            f"{study} holds {len(rows)} images of {len(views)} modalities",
            expected="one image a modality where a case is a study",
            remedy="use `case: series`, or name the `modality` or `least_slices` that chooses one",
            code="views_twice",
        )
    return views
