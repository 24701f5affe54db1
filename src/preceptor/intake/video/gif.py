"""The delays of a GIF as the file has them: players, FFmpeg among them, put a tenth of a second where it says 0."""

from __future__ import annotations

import struct

_EXTENSION, _PICTURE, _GRAPHIC_CONTROL = 0x21, 0x2C, 0xF9


def frame_delays_s(content: bytes) -> list[float]:
    """Seconds that each frame is shown.

    Args:
        content: The whole file.

    Returns:
        One delay a frame, 0 where none is given.

    Raises:
        ValueError: The file is cut short or no GIF.

    Source: GIF89a specification, sections 20 and 23.
    """
    try:
        return [delay / 100 for delay in _delays(content)]
    except (IndexError, struct.error) as error:
        raise ValueError("the GIF is cut short") from error


def _delays(content: bytes) -> list[int]:
    place = 13 + table_bytes(content[10])
    delays: list[int] = []
    pending = 0
    while place < len(content) and content[place] in (_EXTENSION, _PICTURE):
        if content[place] == _EXTENSION:
            if content[place + 1] == _GRAPHIC_CONTROL:
                (pending,) = struct.unpack_from("<H", content, place + 4)
            place = after_blocks(content, place + 2)
        else:
            delays.append(pending)
            pending = 0
            place = after_blocks(content, place + 11 + table_bytes(content[place + 9]))
    return delays


def table_bytes(flags: int) -> int:
    """Bytes of the colour table that a packed field of flags announces."""
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def after_blocks(content: bytes, place: int) -> int:
    """The place behind a chain of data blocks that begins at a place.

    Raises:
        IndexError: The file ends before the chain does.
    """
    while content[place]:
        place += content[place] + 1
    return place + 1
