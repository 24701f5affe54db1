"""Cases listed in a table."""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from preceptor.core.cohort import ROLES, Case
from preceptor.core.errors import CohortError
from preceptor.intake.naming import IMAGE_ABSENT, case_key, data_absent
from preceptor.intake.sheet import RESERVED, plain, read_sheet, require_columns, same
from preceptor.intake.video.frame_folder import evenly_timed_source

if TYPE_CHECKING:
    import pandas

#: What other tools call the roles.
_ROLE_WORDS = {"training": "train", "val": "tune", "valid": "tune", "validation": "tune", "testing": "test"}


class Table:
    """Cases listed in a CSV, TSV or Parquet table: a row is a case, or an image of one.

    Args:
        file: The table, seen from the recipe.
        image: Column of image paths, or ``{view: column}`` where a row holds several views of its case.
        folder: Folder that paths in the table are relative to, seen from the recipe; by default the table's own.
        case: Columns that together name a case, such as patient and day, where a row is one image; blank counts as a
            value. Without it each row is a case.
        view: Column that says which view a row's image is (with `case`).
        views: ``{view: [values of that column]}``; rows of no listed value are left out and counted.
        repeats: Where a case has a second image of one view: ``further_case`` makes it another case of the same
            patient, ``exclude`` leaves it out and counts it.
        patient: Column that names the patient. Without it no patient is named, and splits are by image.
        group: Column of what must never part in a split where it is more than the patient: cases made of one another, people
            merged under two names.
        role: Column that says each case's role: train, tune (or val, validation), calibrate, test, adapt, external. The
            recipe keeps it with ``split: {given: true}``.
        labels: Columns that hold labels, or ``{label: column}``.
        unlabelled: Values of label columns that mean "nobody said", besides blanks.
        fields: Columns to keep beside the images (site, sex, age …), or ``{field: column}``.
        masks: ``{mask: column}`` of label map paths.
        keep: ``{column: [values]}``: other rows are left out and counted.
        drop: ``{column: [values]}``: these rows are left out and counted.
        rate_hz: Column of the frames a second of clips that are folders of pictures; a video tells its own times.
        of_frames: Column of how many frames the whole clip had, where a folder holds evenly spaced ones of them, the first
            and the last among them.
        keep_names: Use the naming columns as keys: for public data, where they can't lead to a person.

    Returns (``cases``): One `Case` per row or group of rows, in order of first appearance. Rows of one case that
    disagree about a label leave it unlabelled, which is noted.

    Raises:
        CohortError: The table or every image is absent (``data_absent``), a column is missing, or a case has no known
            role, or two.

    Source: table reading by pandas; identifiers stay text.

    Example:
        >>> [sorted(case.images) for case in Table.example().cases()]
        [['frontal', 'lateral'], ['frontal']]
    """

    def __init__(
        self,
        file: str,
        image: str | dict[str, str] = "image",
        folder: str | None = None,
        case: list[str] | None = None,
        view: str | None = None,
        views: dict[str, list[Any]] | None = None,
        repeats: Literal["further_case", "exclude"] = "further_case",
        patient: str | None = None,
        group: str | None = None,
        role: str | None = None,
        labels: list[str] | dict[str, str] | None = None,
        unlabelled: list[Any] | None = None,
        fields: list[str] | dict[str, str] | None = None,
        masks: dict[str, str] | None = None,
        keep: dict[str, list[Any]] | None = None,
        drop: dict[str, list[Any]] | None = None,
        rate_hz: str | None = None,
        of_frames: str | None = None,
        keep_names: bool = False,
        root: Path = Path(),
    ) -> None:
        self.file = file
        self.image = image
        self.folder = folder
        self.case = case
        self.view = view
        self.views = views
        self.repeats = repeats
        self.patient = patient
        self.group = group
        self.role = role
        self.labels = labels
        self.unlabelled = unlabelled
        self.fields = fields
        self.masks = masks
        self.keep = keep
        self.drop = drop
        self.rate_hz = rate_hz
        self.of_frames = of_frames
        self.keep_names = keep_names
        self.root = Path(root)
        self._kept: tempfile.TemporaryDirectory[str] | None = None  # an example's files
        self.notes: list[str] = []
        self.exclusions: list[tuple[str, int]] = []

    @classmethod
    def example(cls) -> Table:
        kept = tempfile.TemporaryDirectory()  # goes when the instance does
        folder = Path(kept.name)
        rows = ["patient,day,view,image,finding", "1,0,PA,a.npy,clear", "1,0,L,b.npy,clear", "2,0,PA,c.npy,"]
        (folder / "cases.csv").write_text("\n".join(rows))
        for name in "abc":
            np.save(folder / f"{name}.npy", np.arange(16, dtype=np.uint8).reshape(4, 4))
        made = cls(
            file="cases.csv",
            case=["patient", "day"],
            view="view",
            views={"frontal": ["PA"], "lateral": ["L"]},
            patient="patient",
            labels=["finding"],
            root=folder,
        )
        made._kept = kept
        return made

    @property
    def cohort_root(self) -> Path:
        path = (self.root / self.file).parent if self.folder is None else self.root / self.folder
        return path.resolve()

    def cases(self) -> Iterator[Case]:
        self.notes, self.exclusions = [], []
        path = self.root / self.file
        if not path.is_file():
            raise data_absent(self.file)
        self._views = {"image": self.image} if isinstance(self.image, str) else dict(self.image)
        self._labels, self._fields = _named(self.labels), _named(self.fields)
        if taken := [field for field in self._fields if field in RESERVED]:
            raise CohortError(
                f"no field may be called '{taken[0]}'",
                expected=f"another name than {', '.join(RESERVED)}",
                remedy=f"fields: {{{taken[0]}_column: {self._fields[taken[0]]}}}",
                code="field_name",
            )
        text = [
            *self._views.values(),
            *(self.masks or {}).values(),
            *(self.case or ()),
            *filter(None, [self.patient, self.group, self.role]),
        ]
        table = read_sheet(path, dict.fromkeys(text))
        used = [*self._labels.values(), *self._fields.values(), *(self.keep or {}), *(self.drop or {})]
        require_columns(table, [*used, *filter(None, [self.view, self.rate_hz, self.of_frames])], path.name)
        rows = self._present(self._wanted(table))
        if not rows and len(table):
            raise data_absent(self.file)
        yield from self._grouped(rows) if self.case else self._single(rows)

    def _wanted(self, table: pandas.DataFrame) -> pandas.DataFrame:
        """The rows that the recipe keeps, the others counted."""
        for wanted, rules in ((True, self.keep), (False, self.drop)):
            for column, values in (rules or {}).items():
                hit = np.array([any(same(cell, value) for value in values) for cell in table[column]], dtype=bool)
                listed = ", ".join(map(str, values))
                self._exclude(f"{column} is {'none of' if wanted else 'one of'} {listed}", int((hit != wanted).sum()))
                table = table[hit == wanted]
        if self.view is not None and self.views:
            known = [value for values in self.views.values() for value in values]
            hit = np.array([any(same(cell, value) for value in known) for cell in table[self.view]], dtype=bool)
            self._exclude("the view is unknown or not used", int((~hit).sum()))
            table = table[hit]
        return table

    def _present(self, table: pandas.DataFrame) -> list[dict[str, Any]]:
        """Rows as plain data with their images as ``{view: source}``, those without any image file left out."""
        base, rows = self.cohort_root, []
        for record in table.to_dict("records"):
            row = {str(column): plain(value) for column, value in record.items()}
            sources = {view: row[column] for view, column in self._views.items() if row[column]}
            row["_images"] = {view: self._timed(each, row) for view, each in sources.items() if _is_there(base, each)}
            row["_masks"] = {
                mask: row[column]
                for mask, column in (self.masks or {}).items()
                if row[column] and _is_there(base, row[column])
            }
            if row["_images"]:
                rows.append(row)
        self._exclude(IMAGE_ABSENT, len(table) - len(rows))
        return rows

    def _timed(self, source: str, row: Mapping[str, Any]) -> str:
        """A clip's source with the times of its frames, where the row tells them."""
        rate_hz, of_frames = (row[column] if column else None for column in (self.rate_hz, self.of_frames))
        if rate_hz is None or (self.of_frames and of_frames is None):
            return source
        return evenly_timed_source(self.cohort_root, source, float(rate_hz), of_frames and int(of_frames))

    def _single(self, rows: list[dict[str, Any]]) -> Iterator[Case]:
        """Each row a case, named after its first image; one picture may be listed twice (under two patients, say)."""
        seen: Counter[str] = Counter()
        for row in rows:
            name = Path(next(iter(row["_images"].values())).partition("::times_s=")[0]).with_suffix("").as_posix()
            seen[name] += 1
            yield self._case(name if seen[name] == 1 else f"{name}+{seen[name]}", [row])

    def _grouped(self, rows: list[dict[str, Any]]) -> Iterator[Case]:
        """Rows gathered into cases; of several images of one view each opens a further case, or is left out."""
        groups: dict[tuple[Any, ...], list[dict[str, list[dict[str, Any]]]]] = defaultdict(list)
        excluded = 0
        for row in rows:
            view = self._view_of(row)
            parts = groups[tuple(row[column] for column in self.case or ())]
            place = next((part for part in parts if view not in part), None)
            if place is not None:
                place[view] = [row]
            elif parts and self.repeats == "exclude":
                excluded += 1
            else:
                parts.append({view: [row]})
        self._exclude("a second image of the same view", excluded)
        for identity, parts in groups.items():
            name = "-".join("" if value is None else str(value) for value in identity)
            self._patient([row for part in parts for found in part.values() for row in found], name)
            for number, part in enumerate(parts):
                merged = [
                    {**row, "_images": {view: next(iter(row["_images"].values()))}}
                    for view, found in part.items()
                    for row in found
                ]
                yield self._case(name if number == 0 else f"{name}+{number + 1}", merged)

    def _view_of(self, row: Mapping[str, Any]) -> str:
        if self.view is None:
            return "image"
        for view, values in (self.views or {}).items():
            if any(same(row[self.view], value) for value in values):
                return view
        return str(row[self.view])

    def _case(self, name: str, rows: list[dict[str, Any]]) -> Case:
        images = {view: source for row in rows for view, source in row["_images"].items()}
        key = case_key(name, keep_names=self.keep_names)
        order = list(self.views or {})
        return Case(
            key=key,
            images={view: images[view] for view in sorted(images, key=lambda v: order.index(v) if v in order else -1)},
            patient=self._patient(rows, name),
            group=None if self.group is None else _first(row[self.group] for row in rows),
            role=self._role(rows, key),
            masks={mask: source for row in reversed(rows) for mask, source in row["_masks"].items()},
            labels={label: self._label(rows, column, key) for label, column in self._labels.items()},
            fields={field: _first(row[column] for row in rows) for field, column in self._fields.items()},
        )

    def _patient(self, rows: list[dict[str, Any]], name: str) -> str | None:
        if self.patient is None:
            return None
        named = {row[self.patient] for row in rows}
        if len(named) > 1 or None in named:
            key = case_key(name, keep_names=self.keep_names)
            raise CohortError(
                f"case {key} has {'no patient' if None in named else 'two patients'}",
                expected=f"one value of '{self.patient}' for all rows of a case",
                remedy="fill the column, drop the rows, or add the patient column to `case`",
                code="case_patient",
            )
        return str(named.pop())

    def _role(self, rows: list[dict[str, Any]], key: str) -> str | None:
        if self.role is None:
            return None
        named = {_ROLE_WORDS.get(word := str(row[self.role]).strip().lower(), word) for row in rows}
        if len(named) > 1 or not named <= set(ROLES):
            raise CohortError(
                f"case {key} has {'two roles' if len(named) > 1 else 'no known role'}",
                expected=f"one of {', '.join(ROLES)} in '{self.role}', the same for all rows of a case",
                code="case_role",
            )
        return named.pop()

    def _label(self, rows: list[dict[str, Any]], column: str, key: str) -> Any:
        nothing = (None, *(self.unlabelled or ()))
        values = {row[column] for row in rows if not any(same(row[column], each) for each in nothing)}
        if len(values) > 1:
            self.notes.append(f"case {key} is left unlabelled: its images disagree about {column}")
        return values.pop() if len(values) == 1 else None

    def _exclude(self, reason: str, number: int) -> None:
        if number:
            self.exclusions.append((f"{reason} (images)" if self.case else reason, number))


def _named(columns: list[str] | Mapping[str, str] | None) -> dict[str, str]:
    return dict(columns) if isinstance(columns, Mapping) else {column: column for column in columns or ()}


def _first(values: Iterator[Any]) -> Any:
    return next((value for value in values if value is not None), None)


def _is_there(base: Path, source: str) -> bool:
    path = (base / source.partition("::")[0]).resolve()
    if not path.is_relative_to(base):
        raise CohortError(
            "the table names an image outside its folder",
            expected="paths relative to the table, or to `folder`",
            remedy="name the outer folder as `folder`",
            code="path_outside",
        )
    return path.exists()
