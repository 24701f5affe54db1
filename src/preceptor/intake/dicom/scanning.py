"""What a folder of any mess holds: a row for each image, taken, split or refused, and why."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from preceptor.core.errors import PrepareError, Problem, safe_name
from preceptor.core.files import digest_file
from preceptor.core.image import Image

from ..naming import case_key
from .collecting import Collected, collect
from .file import read_header
from .guard import guarded
from .parts import Part, parts
from .series import read_planes

if TYPE_CHECKING:
    from pydicom import Dataset

#: Objects that are no image are not an error of their study.
_NOT_IMAGES = ("no_image",)


@dataclass(frozen=True)
class Row:
    """One image of a scan, or files that make none.

    Args:
        series: Key of its series, which shows no identifier.
        part: Which part of the series; empty where there is one.
        verdict: ``taken``, ``split`` (taken, as one of several images of its series), ``refused``, or ``left out`` (no
            image, a localizer).
        reason: Why.
        code: Of the reason.
        remedy: What to do about it.
        patient: Key of the patient.
        study: Key of the study.
        modality: As in the files.
        files: How many.
        shape: Voxels along column, row[, slice], before time.
        repeats: Time points, echoes or b-values of each voxel.
        spacing_mm: Distance between voxels along those axes.
        source: Where `read_image` finds it, relative to the folder scanned. It is made of file names, so it is
            written to tables alone and never shown.
    """

    series: str
    part: str = ""
    verdict: str = "taken"
    reason: str = ""
    code: str = ""
    remedy: str = ""
    patient: str = ""
    study: str = ""
    modality: str = ""
    files: int = 1
    shape: tuple[int, ...] = ()
    repeats: int = 1
    spacing_mm: tuple[float, ...] = ()
    source: str = field(default="", repr=False)

    @property
    def is_taken(self) -> bool:
        return self.verdict in ("taken", "split")

    def record(self) -> dict[str, Any]:
        """As a row of a table."""
        row = asdict(self)
        row["shape"] = " x ".join(map(str, self.shape))
        row["spacing_mm"] = " x ".join(f"{each:g}" for each in self.spacing_mm)
        return row


@dataclass(frozen=True)
class Scan:
    """All rows of a scan.

    Args:
        rows: A row for each image, and for files that make none.
        others: How many files are no DICOM.
        indices: How many DICOMDIR.
    """

    rows: tuple[Row, ...]
    others: int = 0
    indices: int = 0

    @property
    def taken(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.is_taken)

    def counts(self) -> dict[str, int]:
        """Rows by verdict."""
        return dict(Counter(row.verdict for row in self.rows))


def scan(source: Path, *, pixels: bool = False, tell: Callable[[int, int], None] | None = None) -> Scan:
    """Find, group and assemble every DICOM series.

    Args:
        source: A folder, a DICOMDIR, or one file.
        pixels: Decode every image as well, so that what can't be decoded is refused; otherwise headers alone are read.
        tell: Is told how many of how many series are done.

    Returns:
        A row for each image; the headers of one series are in memory at a time.

    Raises:
        CohortError: The source is absent.
    """
    source = Path(source)
    root = source if source.is_dir() else source.parent
    found = collect(source)
    rows: list[Row] = []
    for number, (identity, files) in enumerate(found.series.items(), start=1):
        rows += _rows_of(identity, files, root, pixels)
        if tell is not None:
            tell(number, len(found.series))
    return Scan((*rows, *_damaged(found)), found.others, found.indices)


def read_part(folder: Path, part: str, *, is_label: bool = False, untilt: bool = False) -> Image:
    """Read an image that `scan` named ``folder::part``.

    Args:
        folder: Searched to its bottom.
        part: ``series-3f9a12c4``, with ``.2`` after it for the second part.
        is_label: Integer codes.
        untilt: Bring the slices of a tilted gantry onto one grid instead of refusing them.

    Raises:
        PrepareError: The folder holds no such part, or it makes no image.
    """
    loaded, wanted, key = _find(folder, part)
    with guarded(folder):
        return _read(loaded, wanted, key, is_label, untilt=untilt)


def part_files(folder: Path, part: str) -> list[Path]:
    """The files of an image that `scan` named ``folder::part``, in order of name.

    Raises:
        PrepareError: The folder holds no such part.
    """
    loaded, wanted, _ = _find(folder, part)
    return [loaded.files[number] for number in wanted.files]


def _find(folder: Path, part: str) -> tuple[_Loaded, Part, str]:
    key, _, number = part.partition(".")
    place = int(number) - 1 if number.isdigit() else 0
    stamp = max(Path(each).stat().st_mtime_ns for each, _, _ in os.walk(folder))
    for identity, files in _collected(folder, stamp).series.items():
        if series_key(identity, len(key.rpartition("-")[2])) == key:
            with guarded(folder):
                loaded = _load(files, key)
            wanted = [each for each in loaded.parts if not each.is_localizer] or loaded.parts
            if place < len(wanted):
                return loaded, wanted[place], key
    raise PrepareError(
        f"the folder holds no part '{part}'",
        where=safe_name(folder),
        expected="a part that `preceptor scan` lists",
        remedy="scan the folder again: its files are others than when the cohort was made",
        code="no_member",
    )


def series_key(identity: tuple[str, str], digits: int | None = None) -> str:
    """Key of a series, from the identifiers of its study and its own."""
    return case_key("/".join(identity), prefix="series", digits=digits)


@lru_cache(maxsize=4)
def _collected(folder: Path, stamp: int) -> Collected:
    """A folder's series, looked through again only when a folder in it was changed."""
    return collect(folder)


@dataclass(frozen=True)
class _Loaded:
    headers: list[Dataset]
    files: list[Path]
    parts: list[Part]
    copies: int
    no_image: list[tuple[Path, Problem]]


def _load(files: Sequence[Path], key: str) -> _Loaded:
    """The headers of a series and its parts; exact copies of a file are left out."""
    headers, kept, no_image = [], [], []
    seen: dict[str, Path] = {}
    copies = 0
    for path in files:
        try:
            header = read_header(path)
        except PrepareError as error:
            if error.problem.code not in _NOT_IMAGES:
                raise
            no_image.append((path, error.problem))
            continue
        instance = str(header.get("SOPInstanceUID") or path)
        if instance in seen and digest_file(seen[instance]) == digest_file(path):
            copies += 1
            continue
        seen[instance] = path
        headers.append(header)
        kept.append(path)
    made = parts(headers, kept, key) if kept else []
    return _Loaded(headers, kept, made, copies, no_image)


def _read(loaded: _Loaded, part: Part, key: str, is_label: bool, *, untilt: bool = False) -> Image:
    if part.problem is not None and not (untilt and part.problem.code == "shear"):
        raise PrepareError.from_problem(part.problem)
    left_out = [f"{loaded.copies} copies of files"] if loaded.copies else []
    untilt = untilt and part.problem is not None
    return read_planes(loaded.files, loaded.headers, part.planes, left_out, is_label, key, untilt=untilt)


def _rows_of(identity: tuple[str, str], files: list[Path], root: Path, pixels: bool) -> Iterator[Row]:
    key = series_key(identity)
    study = case_key(identity[0], prefix="study") if identity[0] else ""
    try:
        with guarded(files[0]):
            loaded = _load(files, key)
            about: dict[str, Any] = {"patient": _patient(loaded.headers), "study": study}
            about["modality"] = _modality(loaded.headers)
    except PrepareError as error:
        why = error.problem
        reason = f"{why.what} ({why.where})" if why.where else why.what
        yield Row(key, "", "refused", reason, why.code, why.remedy, study=study, files=len(files))
        return
    for other, number in _counted(loaded.no_image):
        yield Row(key, "", "left out", other.what, other.code, other.remedy, study=study, files=number)
    images = [part for part in loaded.parts if not part.is_localizer]
    extra = f"; {loaded.copies} copies of files left out" if loaded.copies else ""
    for number, part in enumerate(images, start=1):
        name = f"{number} of {len(images)}" if len(images) > 1 else ""
        problem = _undecodable(loaded, part, key) if pixels and part.problem is None else part.problem
        if problem is not None:
            reason = f"{problem.what} ({problem.where})"
            yield Row(key, name, "refused", reason, problem.code, problem.remedy, **about, files=len(part.files))
            continue
        verdict, reason = ("split", f"by {part.apart_by}") if len(images) > 1 else ("taken", "")
        if part.stack is not None and part.stack.repeated_by:
            reason = "; ".join(filter(None, [reason, f"repeated by {part.stack.repeated_by}"]))
        yield Row(
            key,
            name,
            verdict,
            (reason + extra).removeprefix("; "),
            "",
            "",
            **about,
            files=len(part.files),
            **_grid(loaded, part),
            source=_source(loaded, files, part, root, key, number if len(images) > 1 else 0),
        )
    for part in loaded.parts:
        if part.is_localizer:
            reason = "a localizer, taken to plan others on"
            yield Row(key, "", "left out", reason, "localizer", "", **about, files=len(part.files))


def _undecodable(loaded: _Loaded, part: Part, key: str) -> Problem | None:
    try:
        _read(loaded, part, key, False)
    except PrepareError as error:
        return error.problem
    return None


def _grid(loaded: _Loaded, part: Part) -> dict[str, Any]:
    header = loaded.headers[part.planes[0].file]
    plane = (int(header.Columns), int(header.Rows))
    if part.stack is None:
        return {"shape": plane, "repeats": len(part.planes)}
    repeats, slices = part.stack.order.shape
    steps = tuple(float((part.stack.affine_mm[:3, axis] ** 2).sum() ** 0.5) for axis in range(3))
    if slices == 1:
        return {"shape": plane, "repeats": repeats, "spacing_mm": steps[:2]}
    return {"shape": (*plane, slices), "repeats": repeats, "spacing_mm": steps}


def _source(loaded: _Loaded, files: list[Path], part: Part, root: Path, key: str, number: int) -> str:
    """What `read_image` reads this part from: its file, its folder, or a part of a folder."""
    if len(files) == 1 and not number:
        return files[0].relative_to(root).as_posix()
    folder = Path(os.path.commonpath([path.parent for path in files]))
    relative = folder.relative_to(root).as_posix()
    alone = len(part.files) == len(files) and {path for path in folder.iterdir() if path.is_file()} == set(files)
    hidden = any(path.name.startswith(".") or path.name.upper() == "DICOMDIR" for path in files)
    if alone and not number and not hidden and not any(path.suffix for path in files if path.suffix.lower() != ".dcm"):
        return relative
    return f"{relative}::{key}{f'.{number}' if number else ''}"


def _patient(headers: Sequence[Dataset]) -> str:
    """Key of the patient the files name; none where they name several or no one."""
    named = {str(header.get("PatientID") or "").strip() for header in headers}
    return case_key(named.pop(), prefix="patient") if len(named) == 1 and named != {""} else ""


def _modality(headers: Sequence[Dataset]) -> str:
    return "/".join(sorted({str(header.get("Modality") or "") for header in headers} - {""}))


def _damaged(found: Collected) -> Iterator[Row]:
    for problem, number in _counted(found.damaged):
        yield Row("", "", "refused", problem.what, problem.code, problem.remedy, files=number)


def _counted(refused: Sequence[tuple[Path, Problem]]) -> list[tuple[Problem, int]]:
    """Refused files by what is wrong with them."""
    counts: dict[tuple[str, str], tuple[Problem, int]] = {}
    for _, problem in refused:
        first, number = counts.get((problem.code, problem.what), (problem, 0))
        counts[problem.code, problem.what] = (first, number + 1)
    return list(counts.values())
