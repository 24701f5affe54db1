"""How much a file may unpack to: what a header claims is held against the bytes on disk before memory is asked for."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from preceptor.core.errors import PrepareError, safe_name

#: Most voxels one image may declare: a 1024 x 1024 x 2048 scan.
MAX_VOXELS = 2**31

#: Most pixels one picture may declare (Pillow warns at the same number): beyond it a slide reader is needed.
MAX_PICTURE_PIXELS = 89_478_485

#: Deflate can't shrink by more than this, so a larger claim is false.
DEFLATE_LIMIT = 1032

#: Scans shrink by 2 to 20, masked ones by 50. A file beyond this ratio holds next to nothing, or is a trap.
PLAUSIBLE_RATIO = 100

#: Unpacked bytes from which the ratio is held against a file. Label maps are mostly background, so they get more.
SMALL_BYTES = 48 * 2**20
SMALL_LABEL_BYTES = 2**30 - 1

_CHUNK = 1 << 20


def check_dimensions(shape: Sequence[int], path: Path, most: int = MAX_VOXELS) -> int:
    """Refuse a declared shape that is not one, or is larger than an image can be.

    Args:
        shape: As the header declares it.
        path: For the message, which shows no file name.
        most: Most voxels allowed.

    Returns:
        How many voxels it declares.

    Raises:
        PrepareError: A size is below 1, or there are too many voxels.
    """
    if any(size < 1 for size in shape):
        raise PrepareError(
            f"the header declares a size below 1: {' x '.join(map(str, shape))}",
            where=safe_name(path),
            expected="every size 1 or more",
            remedy="export the image again from its source",
            code="dimensions",
        )
    voxels = math.prod(int(size) for size in shape)
    if voxels > most:
        raise PrepareError(
            f"the header declares {voxels:,} voxels ({' x '.join(map(str, shape))})",
            where=safe_name(path),
            expected=f"at most {most:,}",
            remedy="cut or downsample the image, or read it with a tiled reader",
            code="too_large",
        )
    return voxels


def check_stored(declared: int, stored: int, path: Path) -> None:
    """Refuse an uncompressed file that holds fewer bytes than its header declares.

    Args:
        declared: Bytes of header and pixels together.
        stored: Bytes on disk.
        path: For the message.

    Raises:
        PrepareError: The file is too short.
    """
    if declared > stored:
        raise PrepareError(
            f"the file is cut short: its header declares {declared:,} bytes and {stored:,} are there",
            where=safe_name(path),
            expected="as many bytes as the header declares",
            remedy="copy or export the file again",
            code="truncated",
        )


def check_ratio(declared: int, stored: int, path: Path, *, is_label: bool = False) -> None:
    """Refuse a compressed file that claims to unpack to more than its bytes can plausibly hold.

    Args:
        declared: Bytes it claims to unpack to.
        stored: Compressed bytes on disk.
        path: For the message.
        is_label: Label maps may be nearly empty, and are given more room.

    Raises:
        PrepareError: The claim is impossible, or the file is a decompression bomb.
    """
    ratio = declared / max(stored, 1)
    room = SMALL_LABEL_BYTES if is_label else SMALL_BYTES
    if declared > (stored + 1024) * DEFLATE_LIMIT * 2 or (declared > room and ratio > PLAUSIBLE_RATIO):
        raise PrepareError(
            f"{stored:,} compressed bytes claim to hold {declared:,} ({ratio:,.0f} times as many)",
            where=safe_name(path),
            expected=f"at most {PLAUSIBLE_RATIO} times as many for a file above {room:,} bytes",
            remedy="the image is empty or the file a decompression bomb; store it uncompressed if it is meant",
            code="decompression_bomb",
        )


def inflated(file: BinaryIO, path: Path) -> Iterator[bytes]:
    """Pieces of at most 1 MiB of a gzip file, one member or several, checked against its checksum.

    Args:
        file: Open at the start of the compressed bytes.
        path: For the message.

    Raises:
        PrepareError: The file ends too early or is damaged.
    """
    inflate = zlib.decompressobj(wbits=31)
    pending = b""
    try:
        while True:
            pending = pending or file.read(_CHUNK)
            if not pending:
                break
            piece = inflate.decompress(pending, _CHUNK)
            pending = inflate.unconsumed_tail
            if piece:
                yield piece
            if inflate.eof:
                pending = inflate.unused_data or file.read(_CHUNK)
                if not pending.startswith(b"\x1f\x8b"):  # padding after the last member
                    return
                inflate = zlib.decompressobj(wbits=31)
    except zlib.error as error:
        raise PrepareError(
            "the compressed file is damaged",
            where=safe_name(path),
            expected="a whole gzip file",
            remedy="copy or export the file again",
            code="damaged",
        ) from error
    if not inflate.eof:
        raise PrepareError(
            "the compressed file is cut short",
            where=safe_name(path),
            expected="a whole gzip file",
            remedy="copy or export the file again",
            code="truncated",
        )
