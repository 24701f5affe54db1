"""The head of an H.264 or HEVC stream as containers hold it, without messages and without anything after its end."""

from __future__ import annotations

import re
import struct

_START_CODE = re.compile(rb"\x00\x00\x00?\x01")
_HIGH_PROFILES = (100, 110, 122, 144)
#: Types of units that are messages, by codec.
_MESSAGES = {"h264": (6,), "hevc": (39, 40)}


def without_messages(head: bytes, codec: str) -> bytes:
    """Parameter sets alone.

    Args:
        head: As MP4 and Matroska hold it (``avcC``, ``hvcC``), or units after start codes.
        codec: ``h264`` or ``hevc``.

    Raises:
        ValueError: It is none of these.

    Source: ISO/IEC 14496-15, 5.3.3 and 8.3.3.
    """
    if not head:
        return head
    try:
        if head[0] != 1:
            return _after_start_codes(head, codec)
        return _avc(head) if codec == "h264" else _hevc(head)
    except (IndexError, struct.error) as error:
        raise ValueError("the parameter sets are cut short") from error


def _after_start_codes(head: bytes, codec: str) -> bytes:
    if not _START_CODE.match(head):
        raise ValueError("no start code")
    units = [unit for unit in _START_CODE.split(head) if unit]
    kept = [unit for unit in units if _type(unit[0], codec) not in _MESSAGES[codec]]
    return b"".join(b"\0\0\0\1" + unit for unit in kept)


def _type(first: int, codec: str) -> int:
    return first & 0x1F if codec == "h264" else first >> 1 & 0x3F


def _unit(head: bytes, at: int) -> bytes:
    """A unit with its length before it."""
    length = struct.unpack_from(">H", head, at)[0]
    if at + 2 + length > len(head):
        raise ValueError("a unit past the end")
    return head[at : at + 2 + length]


def _avc(head: bytes) -> bytes:
    at = 6
    for count in (head[5] & 0x1F, None):
        if count is None:
            count, at = head[at], at + 1
        for _ in range(count):
            at += len(_unit(head, at))
    if head[1] in _HIGH_PROFILES and at + 4 <= len(head):
        count, at = head[at + 3], at + 4
        for _ in range(count):
            at += len(_unit(head, at))
    return head[:at]


def _hevc(head: bytes) -> bytes:
    at = 23
    arrays = []
    for _ in range(head[22]):
        kind, count = head[at] & 0x3F, struct.unpack_from(">H", head, at + 1)[0]
        start = at
        at += 3
        for _ in range(count):
            at += len(_unit(head, at))
        if kind not in _MESSAGES["hevc"]:
            arrays.append(head[start:at])
    return head[:22] + bytes([len(arrays)]) + b"".join(arrays)
