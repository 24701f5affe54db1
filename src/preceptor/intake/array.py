"""Arrays: ``.npy`` and the members of ``.npz``. Never a pickle; the header's shape is held against the file's size."""

from __future__ import annotations

import math
import zipfile
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from preceptor.core.errors import PrepareError, safe_name
from preceptor.core.image import UNKNOWN_GEOMETRY, Image

from .labels import as_label_map
from .limits import check_dimensions, check_ratio, check_stored

_CHUNK = 1 << 20
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError)  # what zipfile raises


def read_array(path: Path, *, member: str | None = None, is_label: bool = False) -> Image:
    """Read one image out of an array file.

    Axes are read as written by picture libraries: ``(row, column)``, ``(row, column, channel)`` where the last axis is
    3 or 4 long and shorter than the others, else ``(slice, row, column)``. The geometry is unknown. An ``.npz`` with
    ``frames`` and ``affine_mm`` is a clip that preceptor stored: ``(frame, row, column[, channel])``.

    Args:
        path: ``.npy`` or ``.npz``.
        member: ``name`` or ``name::index`` in an ``.npz``, ``index`` in an ``.npy``: the place along the first axis.
        is_label: Integer codes.

    Returns:
        An `Image` ``(channel, x, y)`` or ``(channel, x, y, z)``.

    Raises:
        PrepareError: No such member, objects instead of numbers, or a header that claims more than the file holds.
    """
    with path.open("rb") as file:
        packed = file.read(2) == b"PK"
    if packed and member is None and not is_label and {"frames", "affine_mm"} <= set(found := members(path)):
        return _clip(path, "frame_times_s" in found)
    name, _, index = (member or "").partition("::") if packed else ("", "", member or "")
    array = _member(path, name) if packed else _mapped(path)
    if index:
        if not index.isdigit() or int(index) >= len(array):
            raise PrepareError(
                f"there is no image '{index}'",
                where=safe_name(path),
                expected=f"a number from 0 to {len(array) - 1}",
                code="no_member",
            )
        array = array[int(index)]
    return _image(np.array(array), is_label, path)  # a copy: what was cached is shared


def read_member(path: Path, name: str) -> np.ndarray:
    """A whole member of an ``.npz``, such as the labels; read only.

    Raises:
        PrepareError: As in `read_array`.
    """
    return _member(path, name)


def members(path: Path) -> dict[str, tuple[int, ...]]:
    """Names of an ``.npz`` file's arrays and their shapes, without reading them.

    Raises:
        PrepareError: As in `read_array`.
    """
    with _opened(path) as archive:
        found = {}
        for name in archive.namelist():
            try:
                with archive.open(name) as file:
                    found[name.removesuffix(".npy")] = _header(file, path)[0]
            except _DAMAGE as error:
                raise _damaged(path) from error
        return found


def _member(path: Path, name: str) -> np.ndarray:
    facts = path.stat()
    return _cached(path, name, facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=4)
def _cached(path: Path, name: str, size: int, changed: int) -> np.ndarray:
    """One member, unpacked. Kept, because a cohort reads it case by case."""
    with _opened(path) as archive:
        if f"{name}.npy" not in archive.namelist():
            raise PrepareError(
                f"there is no array '{name}'",
                where=safe_name(path),
                expected="one of " + ", ".join(sorted(each.removesuffix(".npy") for each in archive.namelist()[:20])),
                code="no_member",
            )
        entry = archive.getinfo(f"{name}.npy")
        check_ratio(entry.file_size, entry.compress_size, path)
        try:
            with archive.open(entry) as file:
                shape, fortran, dtype = _header(file, path)
                check_stored(file.tell() + math.prod(shape) * dtype.itemsize, entry.file_size, path)
                array = np.empty(math.prod(shape), dtype)
                _fill(array, file, path)
        except _DAMAGE as error:
            raise _damaged(path) from error
    array = array.reshape(shape, order="F" if fortran else "C")
    array.setflags(write=False)
    return array


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (*_DAMAGE, ValueError) as error:
        raise _damaged(path) from error


def _fill(array: np.ndarray, file: Any, path: Path) -> None:
    """Count what comes out: the size in the archive's directory is a claim too."""
    target, filled = memoryview(array.data).cast("B"), 0
    while piece := file.read(_CHUNK):
        if filled + len(piece) > len(target):
            raise _damaged(path)
        target[filled : filled + len(piece)] = piece
        filled += len(piece)
    check_stored(len(target), filled, path)


def _mapped(path: Path) -> np.ndarray:
    with path.open("rb") as file:
        shape, fortran, dtype = _header(file, path)
        offset = file.tell()
    check_stored(offset + math.prod(shape) * dtype.itemsize, path.stat().st_size, path)
    return np.memmap(path, dtype, "r", offset, shape, "F" if fortran else "C")


def _header(file: BinaryIO | Any, path: Path) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, order and type from the header of an ``.npy``; the file then stands at its first number."""
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    try:
        shape, fortran, dtype = readers[np.lib.format.read_magic(file)](file)
    except Exception as error:  # numpy reads the header as Python, whose tokenizer and parser raise what they like
        raise _damaged(path) from error
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise PrepareError(
            f"the array holds {dtype.name}",
            where=safe_name(path),
            expected="integers or real numbers",
            remedy="save it without objects: they could carry code, and are never unpacked",
            code="array_type",
        )
    check_dimensions(shape or (1,), path)
    return shape, fortran, dtype


def _clip(path: Path, timed: bool) -> Image:
    """What `preceptor.intake.video.clip_storage` wrote."""
    frames, affine_mm = _member(path, "frames"), _member(path, "affine_mm")
    if frames.ndim not in (3, 4):
        raise _damaged(path)
    array = frames[None] if frames.ndim == 3 else np.moveaxis(frames, -1, 0)
    meta: dict[str, Any] = {"source_format": "array"}
    if not bool(_member(path, "known")):
        meta["geometry"] = UNKNOWN_GEOMETRY
    if timed:
        meta["frame_times_s"] = _member(path, "frame_times_s").tolist()
    return Image(np.ascontiguousarray(array.swapaxes(-1, -2)), affine_mm, has_time=True, meta=meta)


def _damaged(path: Path) -> PrepareError:
    return PrepareError(
        "the array file is damaged, or none",
        where=safe_name(path),
        expected="a whole .npy or .npz file",
        remedy="save it again with numpy.save or numpy.savez",
        code="damaged",
    )


def _image(array: np.ndarray, is_label: bool, path: Path) -> Image:
    if array.ndim == 3 and array.shape[-1] in (3, 4) and array.shape[-1] < min(array.shape[:2]):
        array = array.transpose(2, 1, 0)
    elif array.ndim in (2, 3):
        array = array.transpose()[None]
    else:
        raise PrepareError(
            f"the array has {array.ndim} axes",
            where=safe_name(path),
            expected="(row, column), (row, column, channel) or (slice, row, column)",
            remedy="name one image as in file.npz::images::0",
            code="axes",
        )
    if array.dtype == bool:
        array = array.astype(np.uint8)
    if array.dtype in (np.float64, np.float16) and not is_label:
        array = array.astype(np.float32)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if is_label:
        array = as_label_map(array, path)
    meta = {"source_format": "array", "geometry": UNKNOWN_GEOMETRY}
    return Image(np.ascontiguousarray(array), np.eye(4), is_label=is_label, meta=meta)
