"""Private attributes that the standard lists as safe: how a scanner made an image, and what its workstation drew."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from .elements import Element
from .profile import Rule

#: The safe elements of one block: ``{(group, last two digits of the element): VR}``.
Block = Mapping[tuple[int, int], str]

_SIZES = {"US": 2, "SS": 2, "UL": 4, "SL": 4, "FL": 4, "AT": 4, "FD": 8}
_RULES = {
    **dict.fromkeys(("DS", "IS"), Rule.number),
    **dict.fromkeys(("LO", "SH", "ST", "LT"), Rule.technical),
    **dict.fromkeys(("OB", "OW"), Rule.binary),
    **dict.fromkeys(_SIZES, Rule.keep),
    "CS": Rule.code_string,
}
_UIDS = re.compile(rb"[0-9.\\]*[ \0]?")
#: So many bytes that are all printable are words, whatever the file calls them.
_WORDS_FROM = 8


@cache
def safe_private_table() -> Mapping[str, Block]:
    """Which elements of a private block are safe, and their VR: ``{creator: {(group, last two digits): VR}}``.

    The VR is empty where the standard leaves it open.

    Source: DICOM PS3.15 Table E.3.10-1 (edition 2026a, 479 rows). Rows grow from edition to edition, and none was taken back.
    """
    text = files(__package__).joinpath("safe_private.tsv").read_text(encoding="utf-8")
    found: dict[str, dict[tuple[int, int], str]] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            creator, tag, vr = line.split("\t")
            found.setdefault(creator, {})[int(tag[:4], 16), int(tag[6:], 16)] = vr[:2]
    return MappingProxyType({creator: MappingProxyType(rows) for creator, rows in found.items()})


def safe_creators(
    elements: Sequence[Element], value: Callable[[Element], bytes]
) -> dict[tuple[int, int], Mapping[tuple[int, int], str]]:
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


def safe_private_rule(
    element: Element,
    creators: Mapping[tuple[int, int], Block],
    value: Callable[[Element], bytes],
    *,
    keeps_uids: bool = False,
) -> Rule | None:
    """What happens to a private element, None where it is not known to be safe.

    That the standard calls an attribute safe says what its maker writes into it, not what a file holds: text goes through
    the vocabulary, numbers must be numbers, bytes must not be words, UIDs are mapped.

    Args:
        element: A private one.
        creators: Of its data set, see `safe_creators`.
        value: Gives an element's bytes.
        keeps_uids: Whether UIDs stay.
    """
    group, number = element.tag >> 16, element.tag & 0xFFFF
    if number <= 0xFF:
        return Rule.keep if (group, number) in creators else None
    block = creators.get((group, number >> 8))
    told = None if block is None else block.get((group, number & 0xFF))
    if told is None:
        return None
    vr = told if element.vr == "UN" else element.vr
    if element.items is not None or vr == "SQ":
        return Rule.recurse if element.items is not None and told == "SQ" else Rule.remove
    if vr == "UI":
        return Rule.uid if not keeps_uids else Rule.keep if _UIDS.fullmatch(value(element)) else Rule.remove
    if vr in _SIZES and not _is_measured(value(element), _SIZES[vr]):
        return Rule.remove
    return _RULES.get(vr, Rule.remove)


def _is_measured(value: bytes, size: int) -> bool:
    """Whether bytes can be numbers of a size, and are not written words."""
    printable = len(value) >= _WORDS_FROM and all(32 <= byte < 127 for byte in value)
    return not len(value) % size and not printable
