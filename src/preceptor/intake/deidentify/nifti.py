"""A NIfTI file without the words in its header: descriptions, names, extensions, and whatever follows the image."""

from __future__ import annotations

import io
import struct
import zlib
from collections import Counter
from pathlib import Path

from preceptor.core.errors import PrepareError

from ..limits import check_ratio, inflated
from .dicom import Cleaned
from .faces import volume_face_flag

#: Fields that hold text: ``{size of the header: (name, first byte, bytes)}``.
#:
#: Source: nifti1.h, nifti2.h.
_TEXT_FIELDS = {
    348: (
        ("data_type", 4, 10),
        ("db_name", 14, 18),
        ("descrip", 148, 80),
        ("aux_file", 228, 24),
        ("intent_name", 328, 16),
    ),
    540: (("descrip", 240, 80), ("aux_file", 320, 24), ("intent_name", 508, 16), ("unused_str", 525, 15)),
}
_MAGIC = {348: (344, b"n+1\0"), 540: (4, b"n+2\0")}
_PAIR = (b"ni1\0", b"ni2\0")


def is_nifti(data: bytes) -> bool:
    """Whether bytes are a NIfTI file, packed or not."""
    if data[:2] == b"\x1f\x8b":
        try:
            data = zlib.decompressobj(wbits=31).decompress(data[: 1 << 16], 540)
        except zlib.error:
            return False
    return data[344:348] in (b"n+1\0", b"ni1\0") or data[4:8] in (b"n+2\0", b"ni2\0")


def clean_nifti(data: bytes, place: str) -> Cleaned:
    """Take every word out of a NIfTI file.

    Args:
        data: The whole file, packed or not.
        place: Where it is to be written, without anything of the original's.

    Returns:
        The same voxels and geometry; text fields empty, extensions and trailing bytes gone; packed as it came, without the
        name and the time that gzip keeps.

    Raises:
        PrepareError: The file is damaged, shorter than its header says, or a pair of header and image.
    """
    packed = data[:2] == b"\x1f\x8b"
    if packed:
        parts, size = [], 0
        for part in inflated(io.BytesIO(data), Path("packed.nii.gz")):
            size += len(part)
            check_ratio(size, len(data), Path("packed.nii.gz"), is_label=True)
            parts.append(part)
        whole = b"".join(parts)
    else:
        whole = data
    counts: Counter[str] = Counter()
    content = _cleaned(whole, counts)
    if packed:
        packer = zlib.compressobj(6, wbits=31)  # writes no name and no time
        content = packer.compress(content) + packer.flush()
    flag = _face_flag(whole)
    return Cleaned(content, place + (".nii.gz" if packed else ".nii"), counts, (flag,) if flag else (), "NIfTI")


def _face_flag(whole: bytes) -> str:
    size, order = _header(whole)
    shape = struct.unpack_from(f"{order}3h", whole, 42) if size == 348 else struct.unpack_from(f"{order}3q", whole, 24)
    spacing = (
        struct.unpack_from(f"{order}3f", whole, 80) if size == 348 else struct.unpack_from(f"{order}3d", whole, 112)
    )
    return volume_face_flag(shape, tuple(abs(each) for each in spacing))


def _cleaned(whole: bytes, counts: Counter[str]) -> bytes:
    size, order = _header(whole)
    header = bytearray(whole[:size])
    for _, start, length in _TEXT_FIELDS[size]:
        counts["emptied" if any(header[start : start + length]) else "kept"] += 1
        header[start : start + length] = bytes(length)
    if size == 348:
        dims = struct.unpack_from(f"{order}8h", whole, 40)
        bits = struct.unpack_from(f"{order}h", whole, 72)[0]
        offset = int(struct.unpack_from(f"{order}f", whole, 108)[0])
        struct.pack_into(f"{order}f", header, 108, 352.0)
        header[36:38] = bytes(2)  # extents and session error: unused, and room for a number
        header[32:36] = bytes(4)
    else:
        dims = struct.unpack_from(f"{order}8q", whole, 16)
        bits = struct.unpack_from(f"{order}h", whole, 14)[0]
        offset = struct.unpack_from(f"{order}q", whole, 168)[0]
        struct.pack_into(f"{order}q", header, 168, 544)
    voxels = 1
    for length in dims[1 : 1 + max(0, min(dims[0], 7))]:
        voxels *= max(int(length), 1)
    stored = voxels * bits // 8
    if not size + 4 <= offset <= len(whole) or bits <= 0 or offset + stored > len(whole):
        raise _damaged("its header declares more than the file holds")
    if offset > size + 4:
        counts["removed"] += 1  # extensions
    if offset + stored < len(whole):
        counts["removed"] += 1  # what follows the image
    return bytes(header) + bytes(4) + whole[offset : offset + stored]


def _header(whole: bytes) -> tuple[int, str]:
    """Size of the header, and its byte order."""
    for order in "<>":
        size = struct.unpack_from(f"{order}i", whole)[0] if len(whole) >= 4 else 0
        if size in _MAGIC:
            start, magic = _MAGIC[size]
            if len(whole) < size + 4:
                raise _damaged("its header is cut short")
            if whole[start : start + 4] in _PAIR:
                raise _damaged("header and image lie in two files")
            if whole[start : start + 4] == magic:
                return size, order
    raise _damaged("it has no header of NIfTI-1 or NIfTI-2")


def _damaged(why: str) -> PrepareError:
    return PrepareError(
        f"the NIfTI file can't be de-identified for certain: {why}",
        expected="a single, whole .nii or .nii.gz file",
        remedy="convert it again from its source",
        code="nifti_damaged",
    )
