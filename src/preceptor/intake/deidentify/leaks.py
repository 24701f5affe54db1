"""A search for values that are known, in any bytes: as they are, encoded, packed, or inside a container."""

from __future__ import annotations

import base64
import binascii
import contextlib
import io
import json
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote

import numpy as np

#: Containers inside containers that are opened.
MOST_NESTED = 4
#: Most bytes that one container may unpack to; what lies beyond is reported as not searched.
MOST_UNPACKED = 2**30

#: What unpacking a damaged archive raises: some of it is no kin of the archive's own errors.
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    OSError,
    NotImplementedError,
    RuntimeError,
    EOFError,
    ValueError,
)

_GRAM, _HASH_BITS, _STRIDE = 4, 22, 1 << 20
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{12,}={0,2}")
_HEX = re.compile(rb"(?:[0-9A-Fa-f]{2}){6,}")


class Hit(NamedTuple):
    """A known value that was found.

    Attributes:
        name: What the value is called in the table; never the value.
        how: In which form, and inside what.
        at: Byte in the file, or in what was unpacked from it.
    """

    name: str
    how: str
    at: int


@dataclass(frozen=True)
class _Form:
    name: str
    how: str


class Needles:
    """Known values in every form they are looked for.

    Args:
        values: ``{name: value}``; the name stands in the report.
        shortest: Values with fewer characters are left out, since they are found everywhere.

    Attributes:
        left_out: Names of the values that are too short.
    """

    def __init__(self, values: Mapping[str, str], *, shortest: int = 4) -> None:
        self.left_out = tuple(name for name, value in values.items() if len(value.strip()) < shortest)
        forms: dict[bytes, _Form] = {}
        for name, value in values.items():
            text = value.strip()
            if len(text) < shortest:
                continue
            for how, spelt in _spelt(text):
                if len(spelt) >= max(shortest, _GRAM):
                    forms.setdefault(spelt.lower(), _Form(name, how))
        self._forms = forms
        self._lengths: dict[bytes, set[int]] = {}
        for spelt in forms:
            self._lengths.setdefault(spelt[:_GRAM], set()).add(len(spelt))
        self._may_start = np.zeros(1 << _HASH_BITS, bool)
        for gram in self._lengths:
            self._may_start[_hashed(np.frombuffer(gram, np.uint8))] = True

    def search(self, data: bytes, how: str = "", depth: int = 0) -> list[Hit]:
        """Where the values stand in some bytes.

        Args:
            data: Any bytes.
            how: What they were unpacked from.
            depth: How many containers they lay in.
        """
        if not self._forms:
            return []
        found: dict[tuple[str, str], Hit] = {}
        for place, content in self._views(data):
            for form, at in self._matches(content):
                via = " in ".join(each for each in (form.how, place, how) if each)
                found.setdefault((form.name, via), Hit(form.name, via, at))
        if depth < MOST_NESTED:
            for inside, content in _contents(data):
                for hit in self.search(content, f"{inside} in {how}" if how else inside, depth + 1):
                    found.setdefault((hit.name, hit.how), hit)
        return list(found.values())

    def _matches(self, content: bytes) -> Iterator[tuple[_Form, int]]:
        """Every form that stands in some bytes: where four bytes could begin one, the rest is compared."""
        whole = np.frombuffer(content, np.uint8)
        for start in range(0, len(content), _STRIDE):
            piece = whole[start : start + _STRIDE + _GRAM - 1]
            if len(piece) < _GRAM:
                return
            for at in np.flatnonzero(self._may_start[_hashed(piece)]) + start:
                for length in self._lengths.get(content[at : at + _GRAM], ()):
                    form = self._forms.get(content[at : at + length])
                    if form is not None:
                        yield form, int(at)

    @staticmethod
    def _views(data: bytes) -> Iterator[tuple[str, bytes]]:
        yield "", data.lower()
        for step, name in ((2, "UTF-16"), (4, "UTF-32")):
            if data.count(b"\0") * 4 > len(data):
                for start in range(step):
                    yield f"{name}, every {step}. byte", data[start::step].lower()
        decoded = b"\n".join(_decoded_base64(data))
        if decoded:
            yield "base64", decoded.lower()
        hexadecimal = b"\n".join(binascii.unhexlify(match.group()) for match in _HEX.finditer(data))
        if hexadecimal:
            yield "hexadecimal", hexadecimal.lower()


def _hashed(content: np.ndarray) -> np.ndarray:
    """A number below 2²² for every four bytes in a row."""
    wide = content.astype(np.uint32)
    grams = wide[:-3] | wide[1:-2] << 8 | wide[2:-1] << 16 | wide[3:] << 24
    return (grams * np.uint32(2654435761)) >> np.uint32(32 - _HASH_BITS)


def _spelt(text: str) -> Iterator[tuple[str, bytes]]:
    """The forms a value is written in."""
    yield "", text.encode()
    yield "Latin 1", text.encode("latin-1", "ignore")
    for encoding in ("utf-16-le", "utf-16-be"):
        yield encoding.upper(), text.encode(encoding)
    yield "JSON", json.dumps(text)[1:-1].encode()
    yield "a web address", quote(text).encode()
    if "^" in text:
        family, given, *_ = [*text.split("^"), ""]
        yield "names in order", f"{given} {family}".strip().encode()
        yield "names with a comma", f"{family}, {given}".strip(", ").encode()
    if re.fullmatch(r"\d{8}", text):
        year, month, day = text[:4], text[4:6], text[6:]
        for shown in (
            f"{year}-{month}-{day}",
            f"{day}.{month}.{year}",
            f"{day}/{month}/{year}",
            f"{month}/{day}/{year}",
        ):
            yield "a date written out", shown.encode()


def _decoded_base64(data: bytes) -> Iterator[bytes]:
    for match in _BASE64.finditer(data):
        run = match.group().rstrip(b"=").replace(b"-", b"+").replace(b"_", b"/")
        for start in range(min(4, len(run))):
            part = run[start:] if (len(run) - start) % 4 != 1 else run[start:-1]
            yield base64.b64decode(part + b"=" * (-len(part) % 4))


def _contents(data: bytes) -> Iterator[tuple[str, bytes]]:
    """What is packed in some bytes: gzip, zlib, zip, tar, deflated DICOM."""
    if data[:2] == b"\x1f\x8b":
        yield "gzip", _unpacked(data, 31)
    if data[:1] == b"\x78" and len(data) > 2 and int.from_bytes(data[:2], "big") % 31 == 0:
        yield "zlib", _unpacked(data, 15)
    if data[128:132] == b"DICM" and b"1.2.840.10008.1.2.1.99" in data[:1024]:
        length = int.from_bytes(data[140:144], "little")
        yield "deflated DICOM", _unpacked(data[144 + length :], -15)
    if b"PK\x05\x06" in data[-66000:]:
        yield from _zip_members(data)
    if data[257:262] == b"ustar":
        yield from _tar_members(data)
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        yield from _png_texts(data)
    if data[:5] == b"%PDF-":
        for match in re.finditer(rb"stream\r?\n(.*?)endstream", data, re.S):
            yield "a PDF stream", _unpacked(match.group(1), 15)


def _unpacked(data: bytes, wbits: int) -> bytes:
    """As much as unpacks, up to the limit; a damaged end costs only what follows it."""
    parts, size = [], 0
    pending = data
    while pending and size < MOST_UNPACKED:
        inflate = zlib.decompressobj(wbits=wbits)
        try:
            part = inflate.decompress(pending, MOST_UNPACKED - size)
        except zlib.error:
            break
        parts.append(part)
        size += len(part)
        pending = inflate.unused_data if wbits == 31 else b""
    return b"".join(parts)


def _zip_members(data: bytes) -> Iterator[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            yield (
                "the names in a zip",
                "\n".join(archive.namelist()).encode("utf-8", "surrogateescape") + archive.comment,
            )
            for number, entry in enumerate(archive.infolist()):
                if not entry.is_dir() and not entry.flag_bits & 1:
                    yield f"zip member {number}", _member(archive, entry)
    except _DAMAGED:
        return


def _member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """As much of a member as unpacks: a damaged one hides nothing of those after it."""
    parts, size = [], 0
    with contextlib.suppress(*_DAMAGED), archive.open(entry) as stream:
        while size < MOST_UNPACKED and (part := stream.read(1 << 20)):
            parts.append(part)
            size += len(part)
    return b"".join(parts)


def _tar_members(data: bytes) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for number, entry in enumerate(archive):
                stream = archive.extractfile(entry) if entry.isfile() else None
                if stream is not None:
                    yield f"tar member {number}", stream.read(MOST_UNPACKED)
    except (tarfile.TarError, *_DAMAGED):
        return


def _png_texts(data: bytes) -> Iterator[tuple[str, bytes]]:
    at = 8
    while at + 12 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        body = data[at + 8 : at + 8 + length]
        if kind in (b"zTXt", b"iTXt"):
            for start in [match.start() for match in re.finditer(rb"\x78[\x01\x5e\x9c\xda]", body)]:
                yield "compressed text of a PNG", _unpacked(body[start:], 15)
        at += 12 + length
