"""Aperio's description of a slide, with the numbers of the scan alone: no user, no day, no file's name, no barcode."""

from __future__ import annotations

import re

_HEADINGS = (
    "Aperio Image Library",
    "Aperio Leica Biosystems GT450 DX",
    "Aperio Leica Biosystems GT450",
    "Aperio Format",
)
_VERSION = re.compile(r" v\d{1,3}(?:\.\d{1,3}){0,3}")
_GEOMETRY = re.compile(r"[\dx ,\[\]()>-]*(?:(?:JPEG|J2K|LZW|RAW)(?:/[A-Z0-9]{2,6})?(?: Q=\d{1,3})?)?")
_LONG_NUMBER = re.compile(r"\d{7,}")
_NUMBER = re.compile(r"-?\d{1,6}(?:\.\d{1,8})?")
_ENTRIES = frozenset(
    (
        *("appmag", "mpp", "stripewidth", "left", "top", "linecameraskew", "lineareaxoffset", "lineareayoffset"),
        *("focus offset", "originalwidth", "originalheight", "filtered", "gamma", "exposure time", "exposure scale"),
    )
)


def scan_alone(text: str) -> str | None:
    """What may stay of a description; None where it is not Aperio's.

    Args:
        text: Headings with the geometry, then entries ``name = value``, all parted by ``|``.

    Returns:
        A shorter text, or one as long: programs with their versions, sizes, and entries that are numbers of the scan.

    Example:
        >>> scan_alone("Aperio Image Library v11.2.1|AppMag = 20|Date = 12/29/09|User = z.quillfeather|MPP = 0.4990")
        'Aperio Image Library v11.2.1|AppMag = 20|MPP = 0.4990'
    """
    if not text.startswith("Aperio"):
        return None
    head, *entries = text.split("|")
    kept = [";".join(part for part in map(_heading, head.split(";")) if part) or "Aperio"]
    for entry in entries:
        name, _, value = (each.strip() for each in entry.partition("="))
        if name.lower() in _ENTRIES and _NUMBER.fullmatch(value):
            kept.append(f"{name} = {value}")
    made = "|".join(kept)
    return made if len(made) <= len(text) else "Aperio"


def _heading(part: str) -> str:
    """A program with its version, and the geometry of what it wrote: what is neither goes."""
    lines = [line.strip() for line in part.strip().splitlines()]
    name = next((name for name in _HEADINGS if lines and lines[0].startswith(name)), None)
    if name is None:
        return ""
    version = _VERSION.match(lines[0][len(name) :])
    shape = [line for line in lines[1:] if _GEOMETRY.fullmatch(line) and not _LONG_NUMBER.search(line)]
    return "\r\n".join([name + (version[0] if version else ""), *shape])
