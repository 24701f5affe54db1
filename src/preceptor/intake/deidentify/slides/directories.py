"""The directories of a TIFF or BigTIFF as they lie in the file: what each points to, and how to write one anew in its place."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from preceptor.core.errors import PrepareError

_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_WHOLE = {1: "u1", 3: "u2", 4: "u4", 13: "u4", 16: "u8", 18: "u8"}
_MOST_DIRECTORIES, _MOST_FIELDS = 4096, 4096


@dataclass(frozen=True)
class Field:
    """One entry of a directory.

    Args:
        code: The tag's number.
        kind: The number of its type.
        count: Values.
        size: Bytes of its value.
        place: First byte of its value in the file.
        inline: Whether the value stands in the entry itself.
    """

    code: int
    kind: int
    count: int
    size: int
    place: int
    inline: bool


@dataclass(frozen=True)
class Directory:
    """One directory: its place, and its entries in order."""

    place: int
    fields: tuple[Field, ...]

    def field(self, code: int) -> Field | None:
        """The first entry of a tag."""
        return next((each for each in self.fields if each.code == code), None)


class TiffFile:
    """A TIFF that is open for reading, with its directories.

    Args:
        stream: Open for reading.

    Attributes:
        big: Whether it is a BigTIFF.
        order: ``<`` or ``>``.
        size: Bytes of the file.
        directories: Those of the chain, in its order.

    Raises:
        PrepareError: It is damaged: a directory or a value lies outside of it, or the chain has no end.

    Source: TIFF 6.0, section 2; BigTIFF, Aware Systems 2007.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.size = stream.seek(0, 2)
        start = self.bytes_at(0, 16 if self.size >= 16 else 8)
        self.order = {b"II": "<", b"MM": ">"}.get(start[:2], "")
        version = struct.unpack(f"{self.order or '<'}H", start[2:4])[0]
        if not self.order or version not in (42, 43):
            raise damaged("it has no header of TIFF")
        self.big = version == 43
        if self.big and (len(start) < 16 or struct.unpack(f"{self.order}HH", start[4:8]) != (8, 0)):
            raise damaged("its header is not that of a BigTIFF")
        self.header_size = 16 if self.big else 8
        self._number = "Q" if self.big else "I"
        self._entry = struct.Struct(f"{self.order}HH{self._number}")
        self.directories = self._chain(self._unpack(self._number, self.header_size - (8 if self.big else 4)))

    def bytes_at(self, place: int, length: int) -> bytes:
        """Bytes of the file.

        Raises:
            PrepareError: They reach past its end.
        """
        if length < 0 or place < 0 or place + length > self.size:
            raise damaged("it points past its own end")
        self._stream.seek(place)
        found = self._stream.read(length)
        if len(found) != length:
            raise damaged("it is cut short")
        return found

    def value(self, field: Field) -> bytes:
        """The bytes of a value."""
        return self.bytes_at(field.place, field.size)

    def numbers(self, field: Field | None) -> np.ndarray:
        """A value of whole numbers ``(count,)``; empty where the field is not there.

        Raises:
            PrepareError: It holds another type.
        """
        if field is None:
            return np.empty(0, np.int64)
        if field.kind not in _WHOLE:
            raise damaged("a number is stored as another type")
        found = np.frombuffer(self.value(field), f"{self.order}{_WHOLE[field.kind]}")
        if found.size and int(found.max()) > np.iinfo(np.int64).max:
            raise damaged("it points past its own end")
        return found.astype(np.int64)

    def _chain(self, place: int) -> tuple[Directory, ...]:
        found: list[Directory] = []
        seen: set[int] = set()
        while place:
            if place in seen or len(found) >= _MOST_DIRECTORIES:
                raise damaged("its directories have no end")
            seen.add(place)
            directory, place = self._directory(place)
            found.append(directory)
        if not found:
            raise damaged("it has no directory")
        return tuple(found)

    def _directory(self, place: int) -> tuple[Directory, int]:
        head = 8 if self.big else 2
        count = self._unpack("Q" if self.big else "H", place)
        if not 1 <= count <= _MOST_FIELDS:
            raise damaged("a directory has no plausible number of entries")
        inline_bytes = 8 if self.big else 4
        length = self._entry.size + inline_bytes
        entries = self.bytes_at(place + head, count * length)
        fields = []
        for number in range(count):
            code, kind, values = self._entry.unpack_from(entries, number * length)
            size = _BYTES.get(kind, 0) * values
            value_place = place + head + number * length + self._entry.size
            inline = size <= inline_bytes
            if not inline:
                value_place = self._unpack(self._number, value_place)
                if value_place + size > self.size:
                    raise damaged("a value lies past its end")
            fields.append(Field(code, kind, values, size, value_place, inline))
        return Directory(place, tuple(fields)), self._unpack(self._number, place + head + count * length)

    def _unpack(self, form: str, place: int) -> int:
        layout = struct.Struct(f"{self.order}{form}")
        number: int = layout.unpack(self.bytes_at(place, layout.size))[0]
        return number

    def packed(self, fields: Sequence[tuple[Field, bytes | None]], following: int) -> bytes:
        """A directory's bytes.

        Args:
            fields: Entries in order, each with a new value where it has one: written inline, or put in the old one's place by
                the caller, who sees to it that it is no longer.
            following: Place of the next directory; 0 for none.
        """
        inline_bytes = 8 if self.big else 4
        out = [struct.pack(f"{self.order}{'Q' if self.big else 'H'}", len(fields))]
        for field, value in fields:
            count = field.count if value is None else len(value) // _BYTES[field.kind]
            out.append(self._entry.pack(field.code, field.kind, count))
            if field.inline:
                out.append((self.value(field) if value is None else value).ljust(inline_bytes, b"\0"))
            else:
                out.append(struct.pack(f"{self.order}{self._number}", field.place))
        out.append(struct.pack(f"{self.order}{self._number}", following))
        return b"".join(out)

    def header(self, first: int) -> bytes:
        """The file's header, the chain beginning at `first`."""
        start = self.bytes_at(0, self.header_size)
        width = 8 if self.big else 4
        return start[:-width] + struct.pack(f"{self.order}{self._number}", first)


def is_tiff(start: bytes) -> bool:
    """Whether bytes begin a TIFF or a BigTIFF."""
    return start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def damaged(why: str) -> PrepareError:
    """The error for a slide that can't be taken apart for certain."""
    return PrepareError(
        f"the slide can't be de-identified for certain: {why}",
        expected="a whole TIFF or BigTIFF in tiles",
        remedy="copy it again, or convert it to a plain pyramidal TIFF",
        code="slide_damaged",
    )
