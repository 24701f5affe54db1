"""GIF without comments, texts and other programs' notes."""

from __future__ import annotations

import struct

from preceptor.intake.video.gif import after_blocks, table_bytes

_EXTENSION, _PICTURE, _TRAILER = 0x21, 0x2C, 0x3B
_GRAPHIC_CONTROL, _APPLICATION = 0xF9, 0xFF
_LOOP = b"NETSCAPE2.0"


def without_words(content: bytes) -> tuple[bytes, int]:
    """The same pictures, delays and loops; comments, plain texts, other applications' blocks and trailing bytes left out.

    Args:
        content: The whole file.

    Returns:
        The new file, and how many blocks were left out.

    Raises:
        ValueError: It is cut short or no GIF.

    Source: GIF89a specification.
    """
    try:
        return _kept(content)
    except (IndexError, struct.error) as error:
        raise ValueError("the GIF is cut short") from error


def _kept(content: bytes) -> tuple[bytes, int]:
    if content[:6] not in (b"GIF87a", b"GIF89a"):
        raise ValueError("no GIF")
    at = 13 + table_bytes(content[10])
    out = [content[:at]]
    removed = 0
    while content[at] != _TRAILER:
        start = at
        if content[at] == _EXTENSION:
            kind = content[at + 1]
            at = after_blocks(content, at + 2)
            block = content[start:at]
            if (
                kind == _GRAPHIC_CONTROL
                and len(block) == 8
                or kind == _APPLICATION
                and block[3:14] == _LOOP
                and len(block) == 19
            ):
                out.append(block)
            else:
                removed += 1
        elif content[at] == _PICTURE:
            at = after_blocks(content, at + 11 + table_bytes(content[at + 9]))
            out.append(content[start:at])
        else:
            raise ValueError("a block of no kind")
    removed += at + 1 < len(content)
    return b"".join([*out, bytes([_TRAILER])]), removed
