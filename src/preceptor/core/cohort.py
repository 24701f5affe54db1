"""`Case` and `Cohort`: who was imaged, where each file is, what is known, and who sits in which split."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import CohortError
from .files import write_aside
from .image import Image
from .parquet import read_parquet
from .plain import as_text, is_missing

if TYPE_CHECKING:
    import numpy as np
    import pandas

ROLES = ("train", "tune", "calibrate", "test", "adapt", "external")


@dataclass(frozen=True)
class Case:
    """One thing to answer a question about: a scan, a study with several views, a slide.

    Args:
        key: The case's name inside preceptor: unique in the cohort, safe to print.
        images: ``{view: source}``. A source is a path relative to the cohort's root (a file, or the folder of one
            DICOM series), or ``file.npz::member::index``. A missing view is absent, never an empty file.
        patient: Who was imaged, as the data says it; None where no column names a patient.
        masks: ``{name: source}`` of label maps and other dense truth.
        labels: ``{name: value}`` per case: class names, numbers; None or NaN where unlabelled.
        fields: ``{column: value}``: site, sex, age, study, time, scanner …
        role: One of `ROLES`, or None before the split.
        group: The merged identity: cases of one group never part in a split, and intervals resample groups.
            Equals `patient` until a check finds one patient under two ids.
        points: ``{name: places}``: ``[[x, y(, z)], …]`` in voxels of the first view, where whole numbers are the middles of
            voxels. An empty list says that somebody looked and found none; a name that is absent, that nobody looked.
        boxes: ``{name: boxes}``: ``[[lowest corner, highest corner], …]``, in the same voxels.
    """

    key: str
    images: Mapping[str, str]
    patient: str | None = None
    masks: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)
    role: str | None = None
    group: str | None = None
    points: Mapping[str, Sequence[Sequence[float]]] = field(default_factory=dict)
    boxes: Mapping[str, Sequence[Sequence[Sequence[float]]]] = field(default_factory=dict)

    @property
    def cluster(self) -> str:
        """What is resampled and kept together: the merged identity, else the patient, else the case itself."""
        return self.group or self.patient or self.key


@dataclass(frozen=True)
class Sample:
    """A case with its pixels: what transforms and tasks work on.

    Args:
        key: The case's key.
        images: ``{view: Image}`` for the views that are there.
        masks: ``{name: Image}``, each with `is_label` unless it is a dense quantity.
        labels: Per-case labels, as in `Case`.
        fields: As in `Case`.
        mask_values: ``{mask: {value in the file: what it means}}`` declared by the task, for transforms that must
            know sides or structures.
        points: ``{name: (point, axis)}`` places in voxels of the reference's grid, where whole numbers are the middles of voxels.
            They move with the image, and may leave its grid.
        boxes: ``{name: (box, 2, axis)}`` lowest and highest corner, in the same voxels.
    """

    key: str
    images: Mapping[str, Image]
    masks: Mapping[str, Image] = field(default_factory=dict)
    labels: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)
    mask_values: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    points: Mapping[str, np.ndarray] = field(default_factory=dict)
    boxes: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def reference(self) -> Image:
        """The image whose grid stands for the case: the first view, else the first mask."""
        return next(iter((*self.images.values(), *self.masks.values())))


@dataclass(frozen=True)
class Cohort:
    """Cases with the folder their sources are relative to.

    Args:
        cases: In a stable order.
        root: Folder that sources are relative to.
        name: What to call it in reports.
        notes: Facts about the cohort that belong on the report (licence, known traps, exclusions), one a line.
        exclusions: ``(reason, how many)`` in the order they were applied: the report draws the flow of exclusions.

    Raises:
        CohortError: Two cases share a key, or a role is none of `ROLES`.
    """

    cases: tuple[Case, ...]
    root: Path
    name: str = "cohort"
    notes: tuple[str, ...] = ()
    exclusions: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        seen: set[str] = set()
        twice = []
        for case in self.cases:
            if case.key in seen:
                twice.append(case.key)
            seen.add(case.key)
            if case.role is not None and case.role not in ROLES:
                raise CohortError(
                    f"case {case.key} has the role '{case.role}'",
                    expected=f"one of {', '.join(ROLES)}",
                    code="role_unknown",
                )
        if twice:
            raise CohortError(
                f"{len(twice)} keys name more than one case: {', '.join(twice[:5])}",
                expected="one key a case",
                remedy="make the key from more columns (patient and study, say)",
                code="key_twice",
            )

    def __len__(self) -> int:
        return len(self.cases)

    def __iter__(self) -> Iterator[Case]:
        return iter(self.cases)

    def __getitem__(self, key: str) -> Case:
        for case in self.cases:
            if case.key == key:
                return case
        raise KeyError(key)

    @property
    def views(self) -> tuple[str, ...]:
        """Every view any case has, in order of first appearance."""
        return tuple(dict.fromkeys(view for case in self.cases for view in case.images))

    @property
    def knows_patients(self) -> bool:
        """Whether patients are named. Where they are not, splits and intervals are by image, and reports say so."""
        return bool(self.cases) and all(case.patient is not None for case in self.cases)

    def with_role(self, *roles: str) -> tuple[Case, ...]:
        """The cases whose role is one of these."""
        return tuple(case for case in self.cases if case.role in roles)

    def select(self, keep: Callable[[Case], bool], reason: str = "") -> Cohort:
        """The cohort of the cases that `keep` says yes to; with a `reason` the others are counted as excluded."""
        kept = tuple(case for case in self.cases if keep(case))
        gone = len(self.cases) - len(kept)
        exclusions = (*self.exclusions, (reason, gone)) if reason and gone else self.exclusions
        return replace(self, cases=kept, exclusions=exclusions)

    def with_cases(self, cases: Iterable[Case]) -> Cohort:
        return replace(self, cases=tuple(cases))

    def digest(self) -> str:
        """A hash of every case and its role: the same cohort and the same split give the same sixteen letters.

        Values count as text and missing ones not at all, so that a cohort written and read again is the same.
        """
        rows = [
            {column: as_text(value) for column, value in _row(case).items() if not is_missing(value)}
            for case in sorted(self.cases, key=lambda case: case.key)
        ]
        return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()[:16]

    def table(self) -> pandas.DataFrame:
        """One row a case: key, patient, group, role, ``image:<view>``, ``mask:<name>``, ``label:<name>``, ``point:<name>`` and
        ``box:<name>`` (JSON), fields.
        """
        import pandas

        rows = [_row(case) for case in self.cases]
        columns = dict.fromkeys(column for row in rows for column in row)
        return pandas.DataFrame(rows, columns=list(columns))

    def write(self, path: Path) -> None:
        """Write the table as Parquet or CSV, by the suffix, with the root, name and notes beside it in the metadata.

        CSV keeps the cases alone, their files as seen from its own folder. The file is written aside and renamed, so it is
        never half there.
        """
        path = Path(path)
        table = self.table()
        with write_aside(path) as aside:
            if path.suffix == ".csv":
                _seen_from(table, self.root, path.parent).to_csv(aside, index=False)
            else:
                import pyarrow
                import pyarrow.parquet

                for column in table.columns:
                    if table[column].dtype == object and len({type(v) for v in table[column].dropna()}) > 1:
                        table[column] = table[column].map(lambda v: None if is_missing(v) else str(v))
                arrow = pyarrow.Table.from_pandas(table, preserve_index=False)
                # A table beside its files is read from wherever both have gone.
                root = "" if self.root.resolve() == path.parent.resolve() else str(self.root)
                extra = {"root": root, "name": self.name, "notes": self.notes, "exclusions": self.exclusions}
                arrow = arrow.replace_schema_metadata(
                    {**(arrow.schema.metadata or {}), b"preceptor": json.dumps(extra)}
                )
                pyarrow.parquet.write_table(arrow, aside)

    @classmethod
    def read(cls, path: Path, root: Path | None = None) -> Cohort:
        """Read what `write` wrote.

        Args:
            path: A ``.parquet`` or ``.csv`` file.
            root: Folder that sources are relative to; by default the stored root, else the file's own folder.

        Raises:
            CohortError: The file is absent or no table, has no column ``key``, or a cell holds what it can't.
        """
        path = Path(path)
        try:
            table, extra = _tables(path)
            if "key" in table:
                cases = tuple(_case(row) for row in table.to_dict("records"))
        except CohortError:
            raise
        except FileNotFoundError as error:
            raise _unreadable(path, "is not there") from error
        except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
            raise _unreadable(path, "can't be read") from error
        if "key" not in table:
            raise CohortError(
                "the cohort table has no column 'key'",
                where=path.name,
                expected="columns key, patient, role, image:<view>, mask:<name>, label:<name>",
                remedy="write it with `preceptor cohort build`",
                code="no_key_column",
            )
        return cls(cases=cases, **{**extra, "root": Path(root or extra["root"] or path.parent)})


def _seen_from(table: pandas.DataFrame, root: Path, folder: Path) -> pandas.DataFrame:
    """The table with its files named relative to another folder than the root."""
    if root.resolve() == folder.resolve():
        return table
    files = [column for column in table.columns if column.startswith(("image:", "mask:"))]
    return table.assign(
        **{
            column: table[column].map(
                lambda each: each if is_missing(each) else os.path.relpath(root.resolve() / str(each), folder.resolve())
            )
            for column in files
        }
    )


def _tables(path: Path) -> tuple[pandas.DataFrame, dict[str, Any]]:
    """The table of a cohort, and what is known of it as a whole."""
    import pandas

    known: Mapping[str, Any] = {}
    if path.suffix == ".csv":
        table = pandas.read_csv(path, dtype={"key": str, "patient": str, "group": str, "role": str})
    else:
        table, notes = read_parquet(path)
        known = json.loads(notes.get(b"preceptor", b"{}"))
    extra = {
        "root": str(known.get("root") or ""),
        "name": str(known.get("name", path.stem)),
        "notes": tuple(map(str, known.get("notes", ()))),
        "exclusions": tuple((str(reason), int(number)) for reason, number in known.get("exclusions", ())),
    }
    return table, extra


def _unreadable(path: Path, what: str) -> CohortError:
    return CohortError(
        f"the cohort table {what}",
        where=path.name,
        expected="a whole .csv or .parquet, as `preceptor cohort build` writes it",
        remedy="look at the path, or build the cohort again",
        code="cohort_unreadable",
    )


_PREFIXES = {"image": "images", "mask": "masks", "label": "labels", "point": "points", "box": "boxes"}
_PLACES = ("point", "box")


def _row(case: Case) -> dict[str, Any]:
    row: dict[str, Any] = {"key": case.key, "patient": case.patient, "group": case.group, "role": case.role}
    for prefix, attribute in _PREFIXES.items():
        for name, value in getattr(case, attribute).items():
            row[f"{prefix}:{name}"] = json.dumps(value) if prefix in _PLACES else value
    return row | dict(case.fields)


def _case(row: dict[str, Any]) -> Case:
    parts: dict[str, dict[str, Any]] = {name: {} for name in (*_PREFIXES.values(), "fields")}
    for column, value in row.items():
        prefix, _, name = str(column).partition(":")
        if column in ("key", "patient", "group", "role") or is_missing(value):
            continue
        if name and prefix in _PREFIXES:
            parts[_PREFIXES[prefix]][name] = json.loads(value) if prefix in _PLACES else value
        else:
            parts["fields"][str(column)] = value
    given: dict[str, Any] = dict(parts)
    given |= {name: None if is_missing(row.get(name)) else str(row[name]) for name in ("patient", "group", "role")}
    return Case(key=str(row["key"]), **given)
