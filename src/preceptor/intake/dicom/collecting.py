"""The DICOM files of any mess, whatever their names: found by their content, grouped by the series they belong to."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from preceptor.core.errors import CohortError, PrepareError, Problem, safe_name

from ..naming import data_absent
from .file import check_deflated
from .guard import guarded

_DIRECTORY = "1.2.840.10008.1.3.10"
_FILE_ID = re.compile(r"[A-Z0-9_]{1,8}")
_SERIES, _STUDY, _INSTANCE, _KIND = 0x0020000E, 0x0020000D, 0x00080018, 0x00080016


@dataclass
class Collected:
    """What lies in a folder.

    Args:
        series: ``{(study, series): files}`` by their identifiers, in order of first file.
        damaged: ``(file, why)`` of DICOM files that can't be read, or belong to no series.
        others: How many files are no DICOM.
        indices: How many DICOMDIR.
    """

    series: dict[tuple[str, str], list[Path]] = field(default_factory=dict)
    damaged: list[tuple[Path, Problem]] = field(default_factory=list)
    others: int = 0
    indices: int = 0


def collect(source: Path) -> Collected:
    """Find every DICOM file and the series it belongs to.

    Args:
        source: A folder, searched to its bottom (links are not followed); a DICOMDIR, whose references alone are
            looked at; or one file.

    Raises:
        CohortError: It is absent, or a DICOMDIR refers to something outside its folder.
    """
    source = Path(source)
    found = Collected()
    for path in _candidates(source, found):
        start = _start(path)
        if start[128:] != b"DICM":
            if looks_like_dicom(start):
                found.damaged.append((path, _no_preamble(path)))
            else:
                found.others += 1
            continue
        try:
            kind, study, series = _identifiers(path)
        except PrepareError as error:
            found.damaged.append((path, error.problem))
            continue
        if kind == _DIRECTORY:
            found.indices += 1
        else:  # without an identifier a file can only be a series of its own
            found.series.setdefault((study, series or f"file {path}"), []).append(path)
    return found


def is_dicomdir(path: Path) -> bool:
    """Whether a file is the index of a medium."""
    if not path.is_file() or _start(path)[128:] != b"DICM":
        return False
    try:
        return _identifiers(path)[0] == _DIRECTORY
    except PrepareError:
        return False


def _candidates(source: Path, found: Collected) -> Iterator[Path]:
    if source.is_dir():
        for folder, folders, names in os.walk(source):
            folders.sort()
            for name in sorted(names):
                path = Path(folder, name)
                if path.is_file() and not path.is_symlink():  # never a pipe, which would wait for ever
                    yield path
    elif is_dicomdir(source):
        found.indices += 1
        yield from _referenced(source, found)
    elif source.is_file():
        yield source
    else:
        raise data_absent(safe_name(source))


def _referenced(index: Path, found: Collected) -> Iterator[Path]:
    """Files that a DICOMDIR names. Its parts of names are of 8 letters at most and can't lead out of the folder."""
    from pydicom import dcmread

    with guarded(index):
        records = dcmread(index).get("DirectoryRecordSequence") or []
        named = [record.get("ReferencedFileID") for record in records if record.get("ReferencedFileID")]
    for each in named:
        pieces = [each] if isinstance(each, str) else list(each)
        if not all(_FILE_ID.fullmatch(str(piece)) for piece in pieces):
            raise CohortError(
                "the DICOMDIR refers to a file by a name that DICOM does not allow",
                where=safe_name(index),
                expected="parts of 1 to 8 capital letters, digits and underscores (PS3.10, 8.5)",
                remedy="scan the folder itself instead of its DICOMDIR",
                code="dicomdir_reference",
            )
        path = index.parent.joinpath(*map(str, pieces))
        if path.is_file() and not path.is_symlink():
            yield path
        else:
            found.damaged.append((path, _absent(path)))


def _start(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(132)
    except OSError:
        return b""


def looks_like_dicom(start: bytes) -> bool:
    """Whether a file begins as a data set does: an element of group 2 or 8 and a low number, in either byte order."""
    return len(start) > 8 and start[:4] in {
        bytes(each) for low in range(0x20) for group in (2, 8) for each in ((group, 0, low, 0), (0, group, 0, low))
    }


def _identifiers(path: Path) -> tuple[str, str, str]:
    """SOP class, study and series of a file, read no further than they stand."""
    from pydicom.filereader import read_partial

    with guarded(path), path.open("rb") as file:
        check_deflated(path)
        header = read_partial(
            file,
            stop_when=lambda tag, vr, length: tag > _SERIES,
            specific_tags=[_KIND, _STUDY, _SERIES],
        )
        kind = header.file_meta.get("MediaStorageSOPClassUID") or header.get("SOPClassUID") or ""
        return str(kind), str(header.get("StudyInstanceUID") or ""), str(header.get("SeriesInstanceUID") or "")


def _no_preamble(path: Path) -> Problem:
    return Problem(
        "the file seems to be DICOM without the preamble of a Part 10 file",
        safe_name(path),
        "DICM at byte 128",
        "write it again as a Part 10 file",
        "not_dicom",
    )


def _absent(path: Path) -> Problem:
    return Problem(
        "the DICOMDIR names a file that is not there",
        safe_name(path),
        "every file of the medium",
        "copy the medium again, whole",
        "file_absent",
    )
