"""Words inside compressed pictures and colour profiles: where they stand, so that zeros can take their place."""

from __future__ import annotations

import re
import struct
import zlib

#: Markers of JPEG that stand alone, without a length.
_BARE = {0x01, *range(0xD0, 0xD8)}
_END, _SCAN, _COMMENT = 0xD9, 0xDA, 0xFE
#: What ends the coded values of a scan: a marker, neither stuffing nor a restart nor a fill byte.
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)

_TILE_PART, _DATA, _COMMENT_2000, _END_2000 = 0xFF90, 0xFF93, 0xFF64, 0xFFD9

_COLOURS = (b"XYZ ", b"curv", b"para", b"sf32", b"mft1", b"mft2", b"mAB ", b"mBA ", b"meas", b"view", b"chrm")

#: Where words stand: first byte, and how many.
Words = list[tuple[int, int]]


def words_of_jpeg(stream: bytes) -> Words:
    """Where a JPEG holds what no decoder of pixels needs.

    These are comments, application segments but those of JFIF and Adobe, and whatever follows its end.

    Args:
        stream: The whole picture, or tables without one.

    Returns:
        ``(first byte, bytes)`` of each; lengths stand before them, so that zeros in their place leave a JPEG.

    Raises:
        ValueError: It is no JPEG, or its segments do not follow one another.

    Source: ITU-T T.81, annex B; T.871 (JFIF); Adobe technical note 5116.
    """
    if stream[:2] != b"\xff\xd8":
        raise ValueError("no JPEG")
    found: Words = []
    at, scanned = 2, False
    while at + 1 < len(stream):
        if stream[at] != 0xFF:
            raise ValueError("no marker where one must be")
        marker = stream[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker == _END:
            return found + _behind(stream, at + 2)
        elif marker in _BARE:
            at += 2
        else:
            if at + 4 > len(stream):
                raise ValueError("a segment without a length")
            length = struct.unpack_from(">H", stream, at + 2)[0]
            if length < 2 or at + 2 + length > len(stream):
                raise ValueError("a segment past the end")
            if marker == _COMMENT or (
                0xE0 <= marker <= 0xEF and not _is_plain(marker, stream[at + 4 : at + 2 + length])
            ):
                found.append((at + 4, length - 2))
            at += 2 + length
            if marker == _SCAN:
                scanned = True
                following = _AFTER_SCAN.search(stream, at)
                at = len(stream) if following is None else following.start()
    if not scanned:
        raise ValueError("no scan")
    return found


def _is_plain(marker: int, payload: bytes) -> bool:
    """Whether an application segment is one that says how to read the pixels, and no more."""
    if marker == 0xE0:
        is_field = payload[:4] == b"AVI1" and len(payload) <= 16 and not payload[5:].strip(b"\0")
        return is_field or (payload[:5] == b"JFIF\0" and len(payload) == 14)  # without a thumbnail of its own
    return marker == 0xEE and payload[:5] == b"Adobe" and len(payload) == 12


def _behind(stream: bytes, end: int) -> Words:
    """What follows the end of a stream, but for padding."""
    return [(end, len(stream) - end)] if stream[end:].strip(b"\0\xff") else []


def words_of_jpeg_2000(stream: bytes) -> Words:
    """Where a JPEG 2000 code stream holds comments, or anything after its end; as `words_of_jpeg`.

    Raises:
        ValueError: It is no bare code stream, or its segments do not follow one another.

    Source: ITU-T T.800, annex A.
    """
    if stream[:4] != b"\xff\x4f\xff\x51":
        raise ValueError("no JPEG 2000 code stream")
    found: Words = []
    at, part_end = 2, len(stream)
    while at + 2 <= len(stream):
        marker = struct.unpack_from(">H", stream, at)[0]
        if marker == _END_2000:
            return found + _behind(stream, at + 2)
        if marker == _DATA:
            at = part_end
            continue
        if at + 4 > len(stream):
            raise ValueError("a segment without a length")
        length = struct.unpack_from(">H", stream, at + 2)[0]
        if marker >> 8 != 0xFF or length < 2 or at + 2 + length > len(stream):
            raise ValueError("a segment past the end")
        if marker == _TILE_PART:
            if length != 10:
                raise ValueError("a tile without a length")
            whole = struct.unpack_from(">I", stream, at + 6)[0]
            part_end = at + whole if whole else max(stream.rfind(b"\xff\xd9"), at + 12)
            if not at + 12 <= part_end <= len(stream):
                raise ValueError("a tile past the end")
        elif marker == _COMMENT_2000 and length > 4:
            found.append((at + 6, length - 4))
        at += 2 + length
    return found


def words_behind_deflated(stream: bytes) -> Words:
    """What follows the end of a deflated tile.

    Raises:
        ValueError: It does not unpack.
    """
    inflate = zlib.decompressobj()
    pending = stream
    try:
        while pending and not inflate.eof:
            inflate.decompress(pending, 1 << 20)
            pending = inflate.unconsumed_tail
    except zlib.error as error:
        raise ValueError("no deflated stream") from error
    return _behind(stream, len(stream) - len(inflate.unused_data))


def profile_without_words(profile: bytes) -> bytes:
    """A colour profile of the same length whose names, texts, dates and serial numbers are zeros; its colours stay.

    Raises:
        ValueError: It is no ICC profile.

    Source: ICC.1:2022, 7.2 (header) and 10 (types of tags).
    """
    if len(profile) < 132 or profile[36:40] != b"acsp":
        raise ValueError("no ICC profile")
    count = struct.unpack_from(">I", profile, 128)[0]
    if 132 + 12 * count > len(profile):
        raise ValueError("a table past the end")
    made = bytearray(len(profile))
    made[: 132 + 12 * count] = profile[: 132 + 12 * count]
    made[24:36] = bytes(12)  # when it was made
    made[48:56] = bytes(8)  # manufacturer and model of the device
    made[80:128] = bytes(48)  # who made it, a checksum over all of this, and room
    for number in range(count):
        place, length = struct.unpack_from(">II", profile, 136 + 12 * number)
        if length < 8 or place + length > len(profile):
            raise ValueError("a tag past the end")
        kept = length if profile[place : place + 4] in _COLOURS else _structure(profile, place, length)
        made[place : place + kept] = profile[place : place + kept]
    return bytes(made)


def _structure(profile: bytes, place: int, length: int) -> int:
    """Bytes of a tag that say how long its texts are, before the texts."""
    kind = profile[place : place + 4]
    if kind == b"desc":
        return min(length, 12)
    if kind == b"mluc" and length >= 16:
        return min(length, 16 + 12 * struct.unpack_from(">I", profile, place + 8)[0])
    return 8
