"""A DICOM data set as a tree of where its values lie, read without interpreting one of them.

Interpreting costs the time and is where damaged values raise errors that quote them. What is kept is copied byte for byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from struct import Struct
from typing import NamedTuple

from preceptor.core.errors import PrepareError

#: Sequences inside sequences; real reports reach a dozen.
MOST_NESTED = 64

_LONG = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"))
_SHORT = frozenset(
    [
        "AE",
        "AS",
        "AT",
        "CS",
        "DA",
        "DS",
        "DT",
        "FD",
        "FL",
        "IS",
        "LO",
        "LT",
        "PN",
        "SH",
        "SL",
        "SS",
        "ST",
        "TM",
        "UI",
        "UL",
        "US",
    ]
)
_VRS = {each.encode(): each for each in _LONG | _SHORT}
_ENDLESS = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD


@dataclass(frozen=True)
class Coding:
    """How a data set is written: with or without its VRs, and in which byte order."""

    implicit: bool
    little: bool

    def __post_init__(self) -> None:
        order = "<" if self.little else ">"
        object.__setattr__(self, "explicit_head", Struct(f"{order}HH2sH"))
        object.__setattr__(self, "implicit_head", Struct(f"{order}HHL"))
        object.__setattr__(self, "length", Struct(f"{order}L"))

    explicit_head: Struct = Struct("")  # set from the byte order; here for their types
    implicit_head: Struct = Struct("")
    length: Struct = Struct("")


IMPLICIT = Coding(implicit=True, little=True)


class Element(NamedTuple):
    """One data element, or where it lies.

    Attributes:
        tag: Group and element as one number.
        vr: As written, or by the dictionary where the file has none; ``UN`` where neither knows.
        start: First byte of its tag.
        value_start: First byte of its value.
        value_end: After its last byte.
        end: After whatever ends it.
        items: Of a sequence.
        coding: Of the items.
    """

    tag: int
    vr: str
    start: int
    value_start: int
    value_end: int
    end: int
    items: list[list[Element]] | None = None
    coding: Coding | None = None


@cache
def dictionary_vr(tag: int) -> str:
    """The VR the standard gives a public attribute, the first where it gives several; ``UN`` for what it does not know."""
    from pydicom.datadict import dictionary_VR

    if tag >> 16 & 1:
        return "LO" if 0x10 <= tag & 0xFFFF <= 0xFF else "UN"
    if not tag & 0xFFFF:
        return "UL"
    try:
        return str(dictionary_VR(tag))[:2]
    except KeyError:
        return "UN"


def read_elements(data: bytes, coding: Coding, start: int = 0, end: int | None = None) -> list[Element]:
    """All elements of a data set.

    Args:
        data: The bytes they lie in.
        coding: How they are written.
        start: Where the first begins.
        end: After the last.

    Raises:
        PrepareError: A length leads out of the file, sequences are nested too deep, or bytes are no element.

    Source: DICOM PS3.5 section 7, A.1 to A.4; CP-246 for sequences written as UN.
    """
    elements, _ = _data_set(data, start, len(data) if end is None else end, coding, 0, False)
    return elements


def _data_set(data: bytes, at: int, end: int, coding: Coding, depth: int, is_open: bool) -> tuple[list[Element], int]:
    """Elements up to `end`, or of an item without a length up to its delimiter."""
    if depth > MOST_NESTED:
        raise _damaged("its sequences are nested too deep")
    found: list[Element] = []
    unpack_explicit, unpack_implicit = coding.explicit_head.unpack_from, coding.implicit_head.unpack_from
    while at < end:
        start = at
        if end - at < 8:
            if not is_open and not any(data[at:end]):  # zeros that pad the end
                return found, end
            raise _damaged("it ends inside an element")
        if coding.implicit:
            group, number, length = unpack_implicit(data, at)
            tag = group << 16 | number
            at += 8
            if tag == _ITEM_END:
                if is_open:
                    return found, at
                continue
            vr = dictionary_vr(tag)
        else:
            group, number, name, length = unpack_explicit(data, at)
            tag = group << 16 | number
            if tag == _ITEM_END:
                at += 8
                if is_open:
                    return found, at
                continue
            known = _VRS.get(name)
            if known is None:
                if tag == 0 and not is_open and not any(data[at:end]):
                    return found, end
                raise _damaged("an element has no value representation")
            vr = known
            if vr in _LONG:
                if end - at < 12:
                    raise _damaged("it ends inside an element")
                (length,) = coding.length.unpack_from(data, at + 8)
                at += 12
            else:
                at += 8
        if length != _ENDLESS:
            stop = at + length
            if stop > end:
                raise _damaged("a length leads out of the file")
            inner = _inner_coding(tag, vr, coding)
            if inner is None:
                found.append(Element(tag, vr, start, at, stop, stop))
            else:
                items = _items(data, at, stop, inner, depth, False)[0]
                found.append(Element(tag, vr, start, at, stop, stop, items, inner))
            at = stop
        elif tag >> 16 == 0x7FE0 or vr in ("OB", "OW"):
            stop, after = _fragments(data, at, end, coding)
            found.append(Element(tag, vr, start, at, stop, after))
            at = after
        else:
            inner = IMPLICIT if vr == "UN" and not coding.implicit else coding
            items, after = _items(data, at, end, inner, depth, True)
            found.append(Element(tag, "SQ" if coding.implicit else vr, start, at, after - 8, after, items, inner))
            at = after
    if is_open:
        raise _damaged("an item has no end")
    return found, at


def _inner_coding(tag: int, vr: str, coding: Coding) -> Coding | None:
    """How the items of a sequence with a length are written; None for what is no sequence."""
    if vr == "SQ":
        return coding
    if vr == "UN" and not tag >> 16 & 1 and dictionary_vr(tag) == "SQ":
        return IMPLICIT
    return None


def _items(
    data: bytes, at: int, end: int, coding: Coding, depth: int, is_open: bool
) -> tuple[list[list[Element]], int]:
    """The items of a sequence, and where it ends."""
    items: list[list[Element]] = []
    while at < end:
        if end - at < 8:
            raise _damaged("a sequence ends inside an item")
        group, number, length = coding.implicit_head.unpack_from(data, at)
        tag = group << 16 | number
        at += 8
        if tag == _SEQUENCE_END:
            if is_open:
                return items, at
            continue
        if tag != _ITEM:
            raise _damaged("a sequence holds what is no item")
        if length == _ENDLESS:
            item, at = _data_set(data, at, end, coding, depth + 1, True)
        else:
            if at + length > end:
                raise _damaged("an item's length leads out of its sequence")
            item, at = _data_set(data, at, at + length, coding, depth + 1, False)
        items.append(item)
    if is_open:
        raise _damaged("a sequence has no end")
    return items, at


def _fragments(data: bytes, at: int, end: int, coding: Coding) -> tuple[int, int]:
    """Where encapsulated pixels end, without and with the delimiter."""
    while end - at >= 8:
        group, number, length = coding.implicit_head.unpack_from(data, at)
        tag = group << 16 | number
        if tag == _SEQUENCE_END:
            return at, at + 8
        if tag != _ITEM or at + 8 + length > end:
            break
        at += 8 + length
    raise _damaged("its encapsulated pixels are cut short")


def _damaged(why: str) -> PrepareError:
    return PrepareError(
        f"the DICOM file can't be de-identified for certain: {why}",
        expected="a whole data set",
        remedy="export it again from its source",
        code="dicom_damaged",
    )


def encode(tag: int, vr: str, value: bytes, coding: Coding) -> bytes:
    """One element as bytes.

    Args:
        tag: Group and element.
        vr: Two letters.
        value: Padded to an even length here.
        coding: How to write it.
    """
    if len(value) % 2:
        shown = dictionary_vr(tag) if vr == "UN" else vr
        value += b"\0" if shown in ("UI", "OB", "UN") else b" "
    group, number = tag >> 16, tag & 0xFFFF
    if coding.implicit:
        return coding.implicit_head.pack(group, number, len(value)) + value
    if vr in _LONG:
        return coding.explicit_head.pack(group, number, vr.encode(), 0) + coding.length.pack(len(value)) + value
    return coding.explicit_head.pack(group, number, vr.encode(), len(value)) + value


def encode_items(tag: int, vr: str, items: list[list[bytes]], coding: Coding, inner: Coding) -> bytes:
    """A sequence as bytes, with lengths.

    Args:
        tag: Group and element.
        vr: ``SQ``, or ``UN`` as it was written.
        items: The encoded elements of each item.
        coding: Of the sequence.
        inner: Of its items.
    """
    parts = []
    for item in items:
        content = b"".join(item)
        parts.append(inner.implicit_head.pack(0xFFFE, 0xE000, len(content)) + content)
    return encode(tag, vr, b"".join(parts), coding)
