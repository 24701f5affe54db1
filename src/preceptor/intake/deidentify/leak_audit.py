"""A folder searched for values that must not be in it: every byte of every file, every name."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from preceptor.core.errors import CohortError, PreceptorError, safe_name

from .leaks import Hit, Needles
from .slides.cleaning import has_label
from .slides.directories import is_tiff

_LARGEST_BYTES = 4 * 2**30
#: Slides are searched in parts, each beginning with the end of the last, for no value is as long as that.
_PART_BYTES, _SHARED_BYTES = 2**28, 2**16


@dataclass
class LeakAudit:
    """What was found.

    Attributes:
        values: How many values were looked for.
        left_out: Names of values that are too short to look for.
        files: How many files were searched.
        bytes_searched: Their size.
        leaks: Number of the file in the order of paths, a safe name, and what was found in it.
        unsearched: Files that could not be read, by number and reason.
    """

    values: int
    left_out: tuple[str, ...]
    files: int = 0
    bytes_searched: int = 0
    leaks: list[tuple[int, str, Hit]] = field(default_factory=list)
    unsearched: list[tuple[int, str, str]] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether nothing was found, and everything searched."""
        return not self.leaks and not self.unsearched

    def to_json(self) -> dict[str, Any]:
        """The audit as JSON; no value stands in it."""
        return {
            "passed": self.passed,
            "values": self.values,
            "too_short": list(self.left_out),
            "files": self.files,
            "bytes": self.bytes_searched,
            "leaks": [
                {"file": number, "shown": shown, "value": hit.name, "form": hit.how, "at": hit.at}
                for number, shown, hit in self.leaks
            ],
            "unsearched": [{"file": number, "shown": shown, "why": why} for number, shown, why in self.unsearched],
        }


def read_known(table: Path) -> dict[str, str]:
    """The values of a table, each named by its row and column.

    Args:
        table: CSV with a heading, parted by commas, semicolons or tabs; every cell is a value that must not be found. One
            beyond the heading, or under a heading that stands twice, is named by the number of its column.

    Raises:
        CohortError: It is not there, or holds nothing.
    """
    try:
        text = Path(table).read_text(encoding="utf-8-sig")
        heading = text.partition("\n")[0]
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=heading.count)))
    except (OSError, UnicodeDecodeError, csv.Error):
        rows = []
    found = {}
    for number, row in enumerate(rows[1:], start=2):
        for column, cell in enumerate(row):
            named = column < len(rows[0]) and rows[0].count(rows[0][column]) == 1
            if cell.strip():
                found[f"row {number}, {rows[0][column] if named else f'column {column + 1}'}"] = cell.strip()
    if not found:
        raise CohortError(
            "the table of known values holds none",
            where="--known",
            expected="CSV in UTF-8 with a heading and a value in every cell",
            code="known_absent",
        )
    return found


def audit_folder(
    folder: Path,
    known: dict[str, str],
    *,
    shortest: int = 4,
    tell: Callable[[int, int], None] | None = None,
) -> LeakAudit:
    """Search a folder for known values.

    Each is looked for as it is, in other encodings, as base64 and hexadecimal, escaped for JSON and the web, names in other
    orders and dates written out; inside gzip, zlib, zip, tar, PDF and deflated DICOM, four deep; and in the names of files.
    Capitals make no difference. What is drawn in pixels is not read: a slide that holds a picture of its label does not pass.

    Args:
        folder: A folder, or one file.
        known: ``{name: value}``.
        shortest: Values with fewer characters are left out and listed.
        tell: Called with how many files are done, and of how many.

    Raises:
        CohortError: The folder is not there.
    """
    folder = Path(folder)
    if not folder.exists():
        raise CohortError("the folder to search is not here", expected="a folder", code="data_absent")
    needles = Needles(known, shortest=shortest)
    audit = LeakAudit(len(known) - len(needles.left_out), needles.left_out)
    paths = [folder] if folder.is_file() else sorted(_paths(folder))
    for number, path in enumerate(paths, start=1):
        shown = safe_name(path)
        relative = path.relative_to(folder) if path != folder else Path(path.name)
        for hit in needles.search(str(relative).encode("utf-8", "surrogateescape"), "the name"):
            audit.leaks.append((number, shown, hit))
        try:
            if path.is_symlink():
                audit.unsearched.append((number, shown, "a link"))
                continue
            if path.is_dir():
                continue
            size = path.stat().st_size
            with path.open("rb") as stream:
                is_slide = is_tiff(stream.read(4))
            if size > _LARGEST_BYTES and not is_slide:
                audit.unsearched.append((number, shown, "larger than 4 GiB"))
                continue
            hits = _in_parts(path, needles) if size > _PART_BYTES and is_slide else needles.search(path.read_bytes())
            reason = _unread_picture(path) if is_slide else ""
        except OSError as error:
            audit.unsearched.append((number, shown, type(error).__name__))
            continue
        audit.files += 1
        audit.bytes_searched += size
        audit.leaks.extend((number, shown, hit) for hit in hits)
        if reason:
            audit.unsearched.append((number, shown, reason))
        if tell is not None:
            tell(number, len(paths))
    return audit


def _paths(folder: Path) -> Iterator[Path]:
    """Files, and folders that no file's path names: empty ones, and links, which are not followed."""
    for root, folders, names in os.walk(folder):
        yield from (Path(root) / name for name in names)
        yield from (Path(root) / name for name in folders if (Path(root) / name).is_symlink())
        if not names and not folders and Path(root) != folder:
            yield Path(root)


def _in_parts(path: Path, needles: Needles) -> list[Hit]:
    """What is found in a file that is not held in memory."""
    found: dict[tuple[str, str], Hit] = {}
    with path.open("rb") as stream:
        start = 0
        while part := stream.read(_PART_BYTES):
            for hit in needles.search(part):
                found.setdefault((hit.name, hit.how), hit._replace(at=start + hit.at))
            if len(part) < _PART_BYTES:
                break
            start = stream.seek(-_SHARED_BYTES, 1)
    return list(found.values())


def _unread_picture(path: Path) -> str:
    """Why a TIFF can't pass, whatever its bytes say; empty where it can."""
    try:
        return "a slide with pictures of its glass, whose label is not read" if has_label(path) else ""
    except PreceptorError:
        return "a damaged TIFF, which may be a slide with its label"
