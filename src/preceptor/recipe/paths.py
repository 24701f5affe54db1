"""Paths in a recipe that someone else wrote: inside the allowed folders, or refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PureWindowsPath
from typing import Any

from .report import Report
from .yaml import Path as Place


def confine(data: Any, home: Path, folder: Path, roots: Sequence[Path], report: Report) -> None:
    """Report every text in the recipe that leads outside the roots, symbolic links followed.

    Any text counts that is there as a file, or that is written like a path; names of plug-ins and labels are neither.

    Args:
        data: The recipe as read.
        home: Folder of the recipe's file.
        folder: What its paths are relative to.
        roots: Allowed folders.
        report: Where refusals go.
    """
    allowed = [root.resolve() for root in roots]
    if not _inside(folder, allowed):
        _refuse(report, ("folder",), "the recipe's folder")
        return
    for place, text in _texts(data, ()):
        if place == ("folder",):
            continue
        if "\0" in text or text.startswith(("~", "\\\\")) or PureWindowsPath(text).drive:
            _refuse(report, place, "a path")
            continue
        fixed = Path(*_before_pattern(text))
        if not _inside((folder / fixed).resolve(), allowed) and (_like_a_path(text) or (folder / fixed).exists()):
            _refuse(report, place, "a path")


def _refuse(report: Report, place: Place, what: str) -> None:
    report.add(
        place,
        f"{what} leads outside the allowed folders",
        expected="a path inside the folders given by --root, symbolic links followed",
        remedy="copy the data there, or allow its folder with --root",
        code="path_outside",
    )


def _texts(value: Any, place: Place) -> Iterator[tuple[Place, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _texts(each, (*place, key))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _texts(each, (*place, index))


def _before_pattern(text: str) -> list[str]:
    """The part of a path before its first wildcard, and any ``..`` after it."""
    kept = []
    parts = Path(text).parts
    for index, part in enumerate(parts):
        if any(sign in part for sign in "*?["):
            kept += [each for each in parts[index:] if each == ".."]
            break
        kept.append(part)
    return kept


def _like_a_path(text: str) -> bool:
    return text.startswith("/") or ".." in Path(text).parts


def _inside(path: Path, roots: Sequence[Path]) -> bool:
    return any(path == root or root in path.parents for root in roots)
