"""Cases of a BIDS folder."""

from __future__ import annotations

import json
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core.cohort import Case
from preceptor.core.errors import CohortError
from preceptor.intake.acquisition import acquisition
from preceptor.intake.naming import case_key, existing_folder, plain_view
from preceptor.intake.sheet import plain, read_sheet, require_columns

_NAME = re.compile(
    r"sub-([A-Za-z0-9]+)(?:_ses-([A-Za-z0-9]+))?((?:_[A-Za-z0-9]+-[A-Za-z0-9]+)*)_([A-Za-z0-9]+)\.nii(\.gz)?"
)


class Bids:
    """Cases of a BIDS folder: a case is a subject's session, a view is a suffix (``T1w``, ``FLAIR`` …).

    Args:
        folder: The dataset's folder, seen from the recipe.
        views: ``{view: suffix}``; by default every suffix found below ``anat`` is a view called like it.
        datatype: Folder of a session that the images lie in.
        masks: ``{mask: suffix}`` of label maps, searched below ``derivatives`` as well.
        labels: Columns of ``participants.tsv``, or of a subject's ``_sessions.tsv``, that hold labels.
        fields: Columns of them to keep; by default all others.
        sidecars: Keep what the images' JSON sidecars say of how they were taken.
        keep_names: Use ``sub-…_ses-…`` as keys: for public data.

    Returns (``cases``): One `Case` per session with at least one view; the patient is the subject, ``session`` a field, and
    so is what the sidecars say, such as ``t1w_echo_time_s`` and ``t1w_manufacturer``.
    Of several runs of one suffix the first by name is taken, and the others are counted. What ``sub-…_sessions.tsv`` says of a
    session (a diagnosis that has changed, say) goes before what ``participants.tsv`` says of the subject.

    Raises:
        CohortError: The folder is absent (``data_absent``), or a column is missing.

    Source: Gorgolewski et al. 2016, doi:10.1038/sdata.2016.44; BIDS 1.10.

    Example:
        >>> [(case.patient, sorted(case.images)) for case in Bids.example().cases()]
        [('sub-01', ['flair', 't1w'])]
    """

    def __init__(
        self,
        folder: str = ".",
        views: dict[str, str] | None = None,
        datatype: str = "anat",
        masks: dict[str, str] | None = None,
        labels: list[str] | None = None,
        fields: list[str] | None = None,
        sidecars: bool = True,
        keep_names: bool = False,
        root: Path = Path(),
    ) -> None:
        self.folder = folder
        self.views = views
        self.datatype = datatype
        self.masks = masks
        self.labels = labels
        self.fields = fields
        self.sidecars = sidecars
        self.keep_names = keep_names
        self.root = Path(root)
        self._kept: tempfile.TemporaryDirectory[str] | None = None  # an example's files
        self.exclusions: list[tuple[str, int]] = []
        self.notes: list[str] = []

    @classmethod
    def example(cls) -> Bids:
        import nibabel

        kept = tempfile.TemporaryDirectory()  # goes when the instance does
        folder = Path(kept.name)
        (folder / "sub-01" / "anat").mkdir(parents=True)
        for suffix in ("T1w", "FLAIR"):
            image = nibabel.Nifti1Image(np.arange(64, dtype=np.uint8).reshape(4, 4, 4), np.eye(4))
            image.to_filename(folder / "sub-01" / "anat" / f"sub-01_{suffix}.nii")
        (folder / "dataset_description.json").write_text(json.dumps({"Name": "small", "BIDSVersion": "1.10.0"}))
        (folder / "participants.tsv").write_text("participant_id\tsex\nsub-01\tF\n")
        made = cls(root=folder)
        made._kept = kept
        return made

    @property
    def cohort_root(self) -> Path:
        return (self.root / self.folder).resolve()

    def cases(self) -> Iterator[Case]:
        base = existing_folder(self.root, self.folder)
        self.exclusions, self.notes = [], []
        images, repeated = self._files(base, sorted(base.glob(f"sub-*/**/{self.datatype}/*.nii*")), self.views)
        derived = sorted(base.glob("derivatives/**/sub-*.nii*")) if self.masks else []
        masks, _ = self._files(base, [*base.glob("sub-*/**/*.nii*"), *derived], self.masks or {})
        people = self._participants(base)
        unreadable = 0
        if repeated:
            self.exclusions.append(("another run of the same suffix (images)", repeated))
        for (subject, session), found in sorted(images.items()):
            name = f"sub-{subject}" + (f"_ses-{session}" if session else "")
            known = people.get(f"sub-{subject}", {}) | self._session(base, f"sub-{subject}", f"ses-{session}")
            labels = {column: known.get(column) for column in self.labels or ()}
            fields = {column: value for column, value in known.items() if column not in labels}
            for view, image in found.items() if self.sidecars else ():
                said, damaged = acquisition(base / image, base)
                unreadable += damaged
                fields |= {f"{view}_{column}": value for column, value in said.items()}
            yield Case(
                key=case_key(name, keep_names=self.keep_names),
                images=found,
                patient=f"sub-{subject}",
                masks=masks.get((subject, session), {}),
                labels=labels,
                fields=fields | ({"session": session} if session else {}),
            )
        if unreadable:
            self.notes.append(f"{unreadable} times a JSON sidecar could not be read")

    def _files(
        self, base: Path, paths: list[Path], wanted: dict[str, str] | None
    ) -> tuple[dict[tuple[str, str], dict[str, str]], int]:
        """``{(subject, session): {name: path}}``, and how many further runs there are."""
        names = None if wanted is None else {suffix: name for name, suffix in wanted.items()}
        found: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
        repeated = 0
        for path in paths:
            fits = _NAME.fullmatch(path.name)
            if not fits or (names is not None and fits[4] not in names):
                continue
            name = plain_view(fits[4]) if names is None else names[fits[4]]
            case = found[fits[1], fits[2] or ""]
            repeated += name in case
            case.setdefault(name, path.relative_to(base).as_posix())
        return found, repeated

    def _session(self, base: Path, subject: str, session: str) -> dict[str, Any]:
        """What a subject's own table says of one session."""
        path = base / subject / f"{subject}_sessions.tsv"
        if not path.is_file():
            return {}
        table = read_sheet(path, ["session_id"])
        wanted = None if self.fields is None else {*(self.labels or ()), *self.fields}
        columns = [str(column) for column in table.columns if column != "session_id"]
        for row in table.to_dict("records"):
            if row["session_id"] == session:
                return {column: plain(row[column]) for column in columns if wanted is None or column in wanted}
        return {}

    def _participants(self, base: Path) -> dict[str, dict[str, Any]]:
        path = base / "participants.tsv"
        by_session = self._columns_of_sessions(base)
        if not path.is_file():
            if set(self.labels or ()) - by_session:
                raise CohortError(
                    "labels are asked for, and there is no participants.tsv",
                    where=self.folder,
                    expected="a table with the column participant_id",
                    code="no_participants",
                )
            return {}
        table = read_sheet(path, ["participant_id"])
        asked = [*(self.labels or ()), *(self.fields or ())]
        require_columns(table, [column for column in asked if column not in by_session], path.name)
        every = [str(column) for column in table.columns if column != "participant_id"]
        columns = every if self.fields is None else [column for column in asked if column in every]
        return {
            row["participant_id"]: {column: plain(row[column]) for column in columns}
            for row in table.to_dict("records")
        }

    @staticmethod
    def _columns_of_sessions(base: Path) -> set[str]:
        """Columns that any subject's table of sessions has."""
        found: set[str] = set()
        for path in sorted(base.glob("sub-*/sub-*_sessions.tsv")):
            with path.open(encoding="utf-8", errors="replace") as stream:
                found |= set(stream.readline().rstrip("\r\n").split("\t"))
        return found - {"session_id"}
