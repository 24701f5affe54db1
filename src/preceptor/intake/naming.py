"""Names for cases that are safe to print, and file patterns that say which files belong together."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from preceptor.core.errors import CohortError

#: Why a row is left out that names a file nobody has.
IMAGE_ABSENT = "the image file is absent"


#: Digits of a key. Eight tell 10,000 cases apart in 99 cohorts of a hundred; of 200,000 some two would always share one.
_DIGITS: ContextVar[int] = ContextVar("digits", default=8)
LONG = 16


@contextmanager
def long_keys() -> Iterator[None]:
    """Keys of sixteen digits, for cohorts in which two of eight are the same."""
    before = _DIGITS.set(LONG)
    try:
        yield
    finally:
        _DIGITS.reset(before)


def case_key(identity: str, *, keep_names: bool = False, prefix: str = "case", digits: int | None = None) -> str:
    """The key of a case.

    File names, folder names and patient columns often hold a name or a number that leads to a person, so a key is made
    of their hash. It hides them from a reader, not from someone who can try every number: de-identify against that.

    Args:
        identity: What makes the case this one: relative path without suffix, or patient and study.
        keep_names: For public data: the identity itself, with what no file name should hold replaced.
        prefix: Before the hash.
        digits: Of the hash; by default eight, or sixteen within `long_keys`.

    Returns:
        For example ``case-3f9a12c4``, or ``hippocampus_001``.
    """
    if keep_names:
        return re.sub(r"[^A-Za-z0-9._+-]+", "-", identity).strip("-.") or "case"
    return f"{prefix}-{hashlib.sha256(identity.encode()).hexdigest()[: digits or _DIGITS.get()]}"


def matched(base: Path, pattern: str) -> Iterator[tuple[str, str]]:
    """Files (or folders of a DICOM series) that fit a pattern, with what its wildcards stood for.

    Args:
        base: Folder the pattern is relative to.
        pattern: With ``*``, ``?``, ``[…]`` and ``**``.

    Yields:
        ``(identity, relative path)`` in order of path: files of two patterns with one identity belong together. Hidden
        files are left out.

    Raises:
        CohortError: The pattern leads out of the folder.
    """
    if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
        raise CohortError(
            f"the pattern '{pattern}' leads out of the folder",
            expected="a pattern below the folder, such as images/*.nii.gz",
            remedy="name the outer folder as `folder`",
            code="pattern_outside",
        )
    shape = re.compile(_expression(pattern))
    for path in sorted(base.glob(pattern)):
        relative = path.relative_to(base)
        if any(part.startswith(".") for part in relative.parts):
            continue
        found = shape.fullmatch(relative.as_posix())
        if found:
            parts = [part for part in found.groups() if part]
            yield "/".join(parts) or relative.as_posix(), relative.as_posix()


def _expression(pattern: str) -> str:
    """The pattern as a regular expression with a group for each wildcard."""
    pieces = re.split(r"(\*\*/?|\*|\?|\[[^\]]+\])", Path(pattern).as_posix())
    groups = {"*": "([^/]*)", "**": "(.*)", "**/": "(?:(.*)/)?", "?": "([^/])"}
    return "".join(groups.get(each, f"({each})" if each.startswith("[") else re.escape(each)) for each in pieces)


def from_path(expression: str, path: str, what: str, key: str) -> str:
    """What the one group of a regular expression finds in a path.

    Raises:
        CohortError: The expression is none, has not one group, or does not fit.
    """
    try:
        compiled = re.compile(expression)
    except re.error as error:
        raise CohortError(
            f"the expression for {what} is not a regular expression: {error}",
            expected="one with one group, such as ^([^/]+)/",
            code="expression",
        ) from error
    found = compiled.search(path)
    if compiled.groups != 1 or not found or found.group(1) is None:
        raise CohortError(
            f"the expression for {what} finds nothing in the path of case {key}"
            if compiled.groups == 1
            else f"the expression for {what} has {compiled.groups} groups",
            expected="a regular expression whose one group is found in every path",
            remedy="a case without a patient would be dealt on its own; mend the expression",
            code="expression",
        )
    return found.group(1)


def plain_view(name: str) -> str:
    """A view's name as recipes write it: lower case, words joined by an underscore."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "image"


def existing_folder(root: Path, folder: str) -> Path:
    """The folder a recipe names.

    Raises:
        CohortError: It is not there.
    """
    path = Path(root) / folder
    if not path.is_dir():
        raise data_absent(folder)
    return path


def data_absent(named: str) -> CohortError:
    """The error for data that is named, by a recipe or a command, and that is not on this machine."""
    return CohortError(
        "the data is not here",
        where=named,
        expected="a file or folder that is there; what a recipe names is relative to the recipe's folder",
        remedy="fetch the data or correct the path; a recipe runs without it as `preceptor run RECIPE --rehearse`",
        code="data_absent",
    )
