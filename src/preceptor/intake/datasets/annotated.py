"""Cases of another data set, with what a file of annotations says of them."""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np

from preceptor.core.cohort import Case
from preceptor.core.errors import CohortError
from preceptor.core.plugins import Dataset, Nested
from preceptor.core.slots import build
from preceptor.intake.annotations.coco import write_coco
from preceptor.intake.annotations.files import read_annotations, shape_of
from preceptor.intake.annotations.painting import as_mask, surrounding_box
from preceptor.intake.annotations.record import Annotation, Annotations


class AnnotatedCases:
    """Cases of another data set with the points, boxes and labels of a file of annotations.

    Points and boxes go through preparation and augmentation with their image. Boxes come from boxes, and around polygons and
    masks. What is said of a whole image or case becomes a label: 1 where it was said. For dense truth write the annotations as
    masks (`preceptor annotations convert FILE masks`) and name those in the data set.

    A case belongs to an annotation whose image is called like the file of its first view, whose identifier is that of its DICOM
    file, or whose case is its key. Several readers' annotations are not mixed: one is named, or a consensus is made first.

    Args:
        file: MD.ai, COCO, GeoJSON, or a table that `preceptor annotations` wrote; seen from the recipe.
        of: The data set whose cases they are.
        match: ``name``: the image's file name. ``uid``: SOPInstanceUID, else SeriesInstanceUID, of the DICOM file. ``key``: the
            case's key.
        reader: Whose annotations; needed where the file has several readers.
        looked_at: Which cases' silence means that there is nothing: ``listed`` in the file (COCO lists images that hold
            nothing), ``all`` cases, or those ``annotated`` with anything at all.

    Returns (``cases``): The other data set's cases, in its order, with `points`, `boxes` and `labels` added.

    Raises:
        CohortError: The file is absent or damaged, has several readers, or fits none of the cases.

    Source: formats as in `preceptor.intake.annotations`.

    Example:
        >>> [sorted(case.boxes) for case in AnnotatedCases.example().cases()]
        [['nodule'], ['nodule']]
    """

    def __init__(
        self,
        file: str,
        of: Annotated[dict[str, Any] | str, Nested("datasets")],
        match: Literal["name", "uid", "key"] = "name",
        reader: str | None = None,
        looked_at: Literal["listed", "all", "annotated"] = "listed",
        root: Path = Path(),
    ) -> None:
        self.file = file
        self.of = of
        self.match = match
        self.reader = reader
        self.looked_at = looked_at
        self.root = Path(root)
        self._dataset: Dataset = build("datasets", of, root=self.root)
        self._kept: tempfile.TemporaryDirectory[str] | None = None  # an example's files
        self.notes: list[str] = []
        self.exclusions: list[tuple[str, int]] = []

    @classmethod
    def example(cls) -> AnnotatedCases:
        kept = tempfile.TemporaryDirectory()  # goes when the instance does
        folder = Path(kept.name)
        for name in ("a", "b"):
            np.save(folder / f"{name}.npy", np.arange(16, dtype=np.uint8).reshape(4, 4))
        row = Annotation("a.npy", "nodule", "box", [[0.5, 0.5], [2.5, 1.5]], image="a.npy")
        write_coco(folder / "boxes.json", Annotations((row,), {"a.npy": (4, 4), "b.npy": (4, 4)}))
        made = cls(file="boxes.json", of={"folder": {"image": "*.npy"}}, root=folder)
        made._kept = kept
        return made

    @property
    def cohort_root(self) -> Path:
        return self._dataset.cohort_root

    def cases(self) -> Iterator[Case]:
        found = self._read()
        rows: dict[str, list[Annotation]] = defaultdict(list)
        for row in found.rows:
            rows[self._name(row.image or row.series or row.case)].append(row)
        listed = {self._name(image) for image in found.sizes} | set(rows)
        cases = list(self._dataset.cases())
        matched: Counter[str] = Counter()
        for case in cases:
            name = next((each for each in self._names(case) if each in listed), None)
            matched[name or ""] += 1
            known = self.looked_at == "all" or (name in rows if self.looked_at == "annotated" else name is not None)
            yield self._with(case, rows.get(name or "", []), found) if known else case
        self._tell(cases, matched, rows, listed)

    def _read(self) -> Annotations:
        found = read_annotations(self.root / self.file)
        if self.reader is not None:
            found = replace(found, rows=tuple(row for row in found.rows if row.reader == self.reader))
        if len(found.readers) > 1 or (self.reader is not None and not found.rows):
            raise CohortError(
                f"the annotations are of {len(found.readers)} readers",
                where="cohort.annotated",
                expected="one: name it as `reader`",
                remedy="or make a consensus: `preceptor annotations convert FILE OUT --consensus majority`",
                code="readers_several",
            )
        return found

    def _name(self, image: str) -> str:
        return Path(image).name if self.match == "name" else image

    def _names(self, case: Case) -> Iterator[str]:
        """What a case may be called in the file."""
        if self.match == "key":
            yield case.key
            return
        for source in case.images.values():
            file = source.partition("::")[0]
            if self.match == "name":
                yield Path(file).name
                yield Path(file).stem
            else:
                yield from _identifiers(self.cohort_root / file)

    def _with(self, case: Case, rows: list[Annotation], found: Annotations) -> Case:
        drawn = {row.label for row in found.rows if row.kind in ("box", "polygon", "mask")}
        marked = {row.label for row in found.rows if row.kind == "point"}
        said = {row.label for row in found.rows if row.kind == "none"}
        points: dict[str, list[Any]] = {label: [] for label in found.labels if label in marked}
        boxes: dict[str, list[Any]] = {label: [] for label in found.labels if label in drawn}
        labels = {label: 0 for label in found.labels if label in said}
        for row in rows:
            if row.kind == "point":
                points[row.label].append(row.geometry)
            elif row.kind == "box":
                boxes[row.label].append(row.geometry)
            elif row.kind == "none":
                labels[row.label] = 1
            elif row.kind in ("polygon", "mask"):
                box = _box(row, shape_of(row, found))
                if box is not None:
                    boxes[row.label].append(box)
        return replace(
            case,
            points={**case.points, **points},
            boxes={**case.boxes, **boxes},
            labels={**case.labels, **labels},
        )

    def _tell(
        self, cases: list[Case], matched: Counter[str], rows: dict[str, list[Annotation]], listed: set[str]
    ) -> None:
        self.notes = list(getattr(self._dataset, "notes", ()))
        self.exclusions = list(getattr(self._dataset, "exclusions", ()))
        if cases and not sum(count for name, count in matched.items() if name):
            raise CohortError(
                f"the annotations name none of the {len(cases)} cases",
                where="cohort.annotated",
                expected=f"images that are called as the cases' {self.match}",
                remedy="choose another `match`",
                code="annotations_unmatched",
            )
        without, unused = matched[""], len(listed - set(matched))
        if without:
            self.notes.append(f"annotations: {without} cases are not in the file")
        if unused:
            self.notes.append(f"annotations: {unused} of its images are no case here and are not used")


def _box(row: Annotation, shape: tuple[int, ...] | None) -> list[list[float]] | None:
    if row.kind == "polygon":
        corners = np.array([vertex for how, ring in row.geometry if how == "add" for vertex in ring])
        return [corners.min(0).tolist(), corners.max(0).tolist()]
    assert shape is not None  # a mask has its own
    return surrounding_box(as_mask(row, shape))


def _identifiers(path: Path) -> Iterator[str]:
    from pydicom import dcmread

    from preceptor.intake.dicom.file import check_deflated
    from preceptor.intake.dicom.guard import guarded

    files = sorted(each for each in path.iterdir() if each.is_file())[:1] if path.is_dir() else [path]
    for file in files:
        with guarded(file):
            check_deflated(file)
            header = dcmread(file, specific_tags=["SOPInstanceUID", "SeriesInstanceUID"])
            named = [] if path.is_dir() else [header.get("SOPInstanceUID")]
            named.append(header.get("SeriesInstanceUID"))
        yield from (str(each) for each in named if each)
