"""The frames of one DICOM file, decoded one at a time: a slide's file is never in memory as a whole."""

from __future__ import annotations

import bisect
import struct
from typing import IO, Any

import numpy as np

from .bounds import RefusedError

_PIXEL_DATA = (0x7FE0, 0x0010)
_LONG_LENGTH = (b"OB", b"OW")
_UNDEFINED = 0xFFFFFFFF
_DEFLATED = "1.2.840.10008.1.2.1.99"
#: What decoding one frame needs to know.
_PIXEL_MODULE = (
    *("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
)


class Frames:
    """Frames by number.

    Args:
        file: Open; stays so as long as frames are asked for.
        data: The header, read from it.
        after: Byte where the header ends.
        count: How many frames it declares.

    Raises:
        RefusedError: The pixels are absent, cut short, or in a syntax that no decoder reads.
    """

    def __init__(self, file: IO[bytes], data: Any, after: int, count: int) -> None:
        self._file, self._data, self._count = file, data, count
        self._syntax = data.file_meta.TransferSyntaxUID
        if self._syntax == _DEFLATED or not self._syntax.is_little_endian:
            raise RefusedError("codec")
        size = file.seek(0, 2)
        begin, length = self._begin(after)
        self._native = 0 if self._syntax.is_encapsulated else int(data.Rows) * int(data.Columns) * data.SamplesPerPixel
        self._begin_of: list[int]
        self._fragments: list[tuple[int, int]] = []
        if self._native:
            if str(data.PhotometricInterpretation) == "YBR_FULL_422":
                self._native = self._native * 2 // 3
            if length != _UNDEFINED and min(length, size - begin) < self._native * count:
                raise RefusedError("damaged truncated")
            self._start = begin
        else:
            if count * 8 > size - begin:
                raise RefusedError("damaged truncated")
            self._find_fragments(begin)

    def _begin(self, after: int) -> tuple[int, int]:
        """Where the pixels' value begins, and its length."""
        self._file.seek(after)
        head = self._file.read(12)
        if len(head) < 12 or struct.unpack("<HH", head[:4]) != _PIXEL_DATA:
            raise RefusedError("damaged no_pixels")
        if head[4:6] in _LONG_LENGTH:
            return after + 12, struct.unpack("<I", head[8:12])[0]
        return after + 8, struct.unpack("<I", head[4:8])[0]

    def _find_fragments(self, begin: int) -> None:
        from pydicom.encaps import parse_basic_offsets, parse_fragments

        self._file.seek(begin)
        offsets = parse_basic_offsets(self._file)
        first = self._file.tell()
        number, positions = parse_fragments(self._file)
        if number == self._count:
            self._begin_of = list(range(number))
        elif len(offsets) == self._count:
            self._begin_of = [bisect.bisect_left(positions, first + offset) for offset in offsets]
        elif self._count == 1 and number:
            self._begin_of = [0]
        else:
            raise RefusedError("damaged frames")
        self._positions = positions

    def stored(self, number: int) -> bytes:
        """The bytes of a frame as they lie in the file."""
        if self._native:
            self._file.seek(self._start + number * self._native)
            return self._file.read(self._native)
        ends = [*self._begin_of[number + 1 : number + 2], len(self._positions)]
        pieces = []
        for position in self._positions[self._begin_of[number] : ends[0]]:
            self._file.seek(position + 4)
            pieces.append(self._file.read(struct.unpack("<I", self._file.read(4))[0]))
        return b"".join(pieces)

    def decoded(self, number: int) -> np.ndarray:
        """``(rows, columns[, 3])`` uint8: red, green and blue, or grey with white as 255."""
        from pydicom import Dataset
        from pydicom.encaps import encapsulate
        from pydicom.pixels import pixel_array

        one = Dataset()
        for name in _PIXEL_MODULE:
            if name in self._data:
                setattr(one, name, self._data[name].value)
        one.NumberOfFrames = 1
        one.file_meta = self._data.file_meta
        stored = self.stored(number)
        one.PixelData = stored + b"\0" * (len(stored) % 2) if self._native else encapsulate([stored])
        one["PixelData"].VR = "OB"
        if not self._native:
            one["PixelData"].is_undefined_length = True
        array = np.asarray(pixel_array(one))
        inverted = str(self._data.PhotometricInterpretation) == "MONOCHROME1" or (
            self._data.get("PresentationLUTShape") == "INVERSE"
        )
        return 255 - array if inverted else array
