"""Private attributes that are known to hold nothing of a patient: physics of the acquisition."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files

from .elements import Element


@cache
def safe_private_table() -> Mapping[str, frozenset[tuple[int, int]]]:
    """Which elements of a private block are safe: ``{creator: {(group, last two digits of the element)}}``.

    Source: DICOM PS3.15 Table E.3.10-1.
    """
    text = files(__package__).joinpath("safe_private.tsv").read_text(encoding="utf-8")
    found: dict[str, set[tuple[int, int]]] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            creator, tag = line.split("\t")[:2]
            found.setdefault(creator, set()).add((int(tag[:4], 16), int(tag[6:], 16)))
    return {creator: frozenset(tags) for creator, tags in found.items()}


def safe_creators(
    elements: Sequence[Element], value: Callable[[Element], bytes]
) -> dict[tuple[int, int], frozenset[tuple[int, int]]]:
    """The private blocks of a data set whose creator is known, with what is safe in them.

    Args:
        elements: Of one data set.
        value: Gives an element's bytes.
    """
    known = safe_private_table()
    found = {}
    for each in elements:
        if each.tag >> 16 & 1 and 0x10 <= each.tag & 0xFFFF <= 0xFF:
            safe = known.get(value(each).decode("latin-1").strip(" \0"))
            if safe:
                found[each.tag >> 16, each.tag & 0xFF] = safe
    return found


def is_safe(tag: int, creators: Mapping[tuple[int, int], frozenset[tuple[int, int]]]) -> bool:
    """Whether a private element is a known creator's name, or safe within its block."""
    group, number = tag >> 16, tag & 0xFFFF
    if number <= 0xFF:
        return (group, number) in creators
    safe = creators.get((group, number >> 8))
    return safe is not None and (group, number & 0xFF) in safe
