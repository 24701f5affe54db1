"""Binary frames packed eight to a byte, as DICOM segmentations store them."""

from __future__ import annotations

import numpy as np


def pack_bits(frames: np.ndarray) -> bytes:
    """Frames one bit a pixel, the first pixel in the lowest bit, with nothing between frames and an even length.

    Args:
        frames: ``(frame, row, column)``; what is not 0 counts as 1.

    Source: DICOM PS3.5 8.1.1.
    """
    packed = np.packbits(np.asarray(frames).ravel() != 0, bitorder="little").tobytes()
    return packed + b"\0" * (len(packed) % 2)


def unpack_bits(content: bytes, frames: int, rows: int, columns: int) -> np.ndarray:
    """The frames ``(frame, row, column)`` bool. A frame begins wherever the one before ends, within a byte too.

    Raises:
        ValueError: There are fewer bits than pixels.

    Source: DICOM PS3.5 8.1.1.
    """
    pixels = frames * rows * columns
    if len(content) * 8 < pixels:
        raise ValueError(f"{len(content)} bytes hold fewer than {pixels} bits")
    bits = np.unpackbits(np.frombuffer(content, np.uint8), count=pixels, bitorder="little")
    return bits.astype(bool).reshape(frames, rows, columns)
