"""MetaImage (``.mhd`` with its data beside it, ``.mha`` with its data inside): what the header says is held against the bytes."""

from __future__ import annotations

import math
import re
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from preceptor.core.errors import PrepareError, safe_name
from preceptor.core.image import UNKNOWN_GEOMETRY, Image

from .labels import as_label_map
from .limits import check_dimensions, check_ratio, check_stored

_TYPES = {
    "MET_UCHAR": "u1",
    "MET_CHAR": "i1",
    "MET_USHORT": "u2",
    "MET_SHORT": "i2",
    "MET_UINT": "u4",
    "MET_INT": "i4",
    "MET_ULONG_LONG": "u8",
    "MET_LONG_LONG": "i8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_MOST_LINES, _MOST_LINE_BYTES = 200, 4096
_RAS = np.diag([-1.0, -1.0, 1.0])
_PART = 1 << 20


def looks_like_metaimage(start: bytes) -> bool:
    """Whether a file begins as a header does."""
    return re.match(rb"\s*(ObjectType|NDims|Comment)\s*=", start) is not None


def read_metaimage(path: Path, *, is_label: bool = False) -> Image:
    """Read an image of two or three axes.

    Args:
        path: The header, or the file with header and data.
        is_label: Integer codes.

    Returns:
        An `Image` ``(channel, x, y[, z])``, its affine from direction, spacing and offset; its geometry is unknown where the
        header has neither.

    Raises:
        PrepareError: The header is damaged or names data elsewhere than beside it, the data is not of the size that it
            declares, or is stored in a way that is not read here.

    Source: MetaIO documentation, tags of MetaObject and MetaImage; ITK for the sides (left, back, up).
    """
    with path.open("rb") as stream:
        told = _header(stream, path)
        shape, kind, channels = _declared(told, path)
        affine_mm, is_placed = _affine_mm(told, len(shape), path)
        named = told["ElementDataFile"]
        if named == "LOCAL":
            content = _content(stream, path, path.stat().st_size - stream.tell(), shape, kind, channels, told, is_label)
        else:
            beside = path.parent / named
            if Path(named).name != named or not beside.is_file() or beside.is_symlink():
                raise _refused(
                    path, "the header names data that do not lie beside it", "metaimage_data", "one file beside it"
                )
            with beside.open("rb") as data:
                content = _content(data, path, beside.stat().st_size, shape, kind, channels, told, is_label)
    order = (
        ">" if told.get("BinaryDataByteOrderMSB", told.get("ElementByteOrderMSB", "False")).lower() == "true" else "<"
    )
    array = np.frombuffer(content, f"{order}{kind}").reshape(*shape[::-1], channels)
    array = np.moveaxis(array, -1, 0).transpose(0, *range(len(shape), 0, -1))
    array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    if array.dtype == np.float64 and not is_label:
        array = array.astype(np.float32)
    if is_label:
        array = as_label_map(array, path)
    meta = {"source_format": "metaimage"} | ({} if is_placed else {"geometry": UNKNOWN_GEOMETRY})
    return Image(array, affine_mm, is_label=is_label, meta=meta)


def _header(stream: BinaryIO, path: Path) -> dict[str, str]:
    """Its entries; the stream stands after the last line of it."""
    told: dict[str, str] = {}
    for _ in range(_MOST_LINES):
        line = stream.readline(_MOST_LINE_BYTES)
        name, parted, value = line.decode("latin-1").partition("=")
        if not parted or not line.endswith(b"\n") and name.strip() != "ElementDataFile":
            break
        told[name.strip()] = value.strip()
        if name.strip() == "ElementDataFile":
            return told
    raise _refused(
        path, "the header is damaged: it does not say where its data lie", "metaimage_header", "name = value lines"
    )


def _declared(told: dict[str, str], path: Path) -> tuple[tuple[int, ...], str, int]:
    try:
        shape = tuple(int(each) for each in told["DimSize"].split())
        channels = int(told.get("ElementNumberOfChannels", "1"))
        axes = int(told["NDims"])
    except (KeyError, ValueError):
        raise _refused(
            path, "the header is damaged: its sizes are none", "metaimage_header", "NDims and DimSize"
        ) from None
    is_stored = told.get("BinaryData", "True").lower() == "true" and told.get("ElementType") in _TYPES
    if len(shape) != axes or axes not in (2, 3) or not 1 <= channels <= 16 or not is_stored:
        raise _refused(
            path,
            "the image is stored in a way that is not read here",
            "metaimage_kind",
            "two or three axes of binary numbers",
        )
    check_dimensions((*shape, channels), path)
    return shape, _TYPES[told["ElementType"]], channels


def _affine_mm(told: dict[str, str], axes: int, path: Path) -> tuple[np.ndarray, bool]:
    """4x4 from voxels to RAS+ millimetres, and whether the header tells any of it."""

    def numbers(names: tuple[str, ...], count: int, otherwise: np.ndarray) -> np.ndarray:
        value = next((told[name] for name in names if name in told), None)
        if value is None:
            return otherwise
        try:
            found = np.array([float(each) for each in value.split()])
        except ValueError:
            found = np.empty(0)
        if len(found) != count or not np.isfinite(found).all():
            raise _refused(path, "the header is damaged: its geometry is none", "metaimage_header", f"{count} numbers")
        return found

    spacing = numbers(("ElementSpacing", "ElementSize"), axes, np.ones(axes))
    offset = numbers(("Offset", "Position", "Origin"), axes, np.zeros(axes))
    turned = numbers(("TransformMatrix", "Rotation", "Orientation"), axes * axes, np.eye(axes).ravel())
    direction = turned.reshape(axes, axes).T  # a row for each axis of the image
    if (spacing <= 0).any() or abs(abs(np.linalg.det(direction)) - 1) > 1e-3:
        raise _refused(
            path, "the header is damaged: its geometry is none", "metaimage_header", "spacings above 0, a rotation"
        )
    affine_mm = np.eye(4)
    affine_mm[:axes, :axes] = direction * spacing
    affine_mm[:axes, 3] = offset
    affine_mm[:3] = _RAS @ affine_mm[:3]
    is_placed = any(
        name in told for name in ("TransformMatrix", "Offset", "Position", "Origin", "Rotation", "Orientation")
    )
    return affine_mm, is_placed and axes == 3


def _content(
    stream: BinaryIO,
    path: Path,
    stored: int,
    shape: tuple[int, ...],
    kind: str,
    channels: int,
    told: dict[str, str],
    is_label: bool,
) -> bytes:
    """The voxels' bytes, as many as declared."""
    wanted = math.prod(shape) * channels * np.dtype(kind).itemsize
    if told.get("CompressedData", "False").lower() != "true":
        skipped = told.get("HeaderSize", "0")
        if skipped not in ("0", "-1"):
            raise _refused(path, "the data begin with a header of their own", "metaimage_kind", "data alone")
        check_stored(wanted, stored, path)
        return stream.read(wanted)
    check_ratio(wanted, stored, path, is_label=is_label)
    inflate = zlib.decompressobj()
    parts, size = [], 0
    pending = b""
    try:
        while size < wanted and not inflate.eof:
            pending = pending or stream.read(_PART)
            if not pending:
                break
            part = inflate.decompress(pending, min(_PART, wanted - size))
            pending = inflate.unconsumed_tail
            parts.append(part)
            size += len(part)
    except zlib.error:
        size = -1
    if size != wanted:
        raise _refused(path, "the compressed data are damaged or cut short", "truncated", f"{wanted:,} bytes")
    return b"".join(parts)


def _refused(path: Path, what: str, code: str, expected: str) -> PrepareError:
    return PrepareError(
        what, where=safe_name(path), expected=expected, remedy="write it again, or convert it to NIfTI", code=code
    )
