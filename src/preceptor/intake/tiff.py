"""TIFF pictures and stacks. The axes come from what the file names (OME, ImageJ), never from a guess at the pages."""

from __future__ import annotations

import logging
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core.errors import PrepareError, safe_name
from preceptor.core.image import UNKNOWN_GEOMETRY, Image

from .labels import as_label_map
from .limits import MAX_PICTURE_PIXELS, check_dimensions, check_ratio, check_stored
from .raster import damaged, one_channel, without_alpha

#: What was meant to shrink may grow a little, by tables and by chance; more is no picture but what lies behind it.
_ROOM, _SMALL_SEGMENT = 2, 1 << 16

_ORDER = "CSTXYZ"  # channels, samples of a pixel, time, column, row, depth: as an `Image` has them


def read_tiff(path: Path, *, member: str | None = None, is_label: bool = False) -> Image:
    """Read a TIFF: one page, or a stack whose axes the file names.

    White-is-zero pictures are inverted once, so that bright is large; palettes are looked up. Both are recorded, and
    neither is done to a label map.

    Args:
        path: The file.
        member: Number of a page, for files of several.
        is_label: Integer codes.

    Returns:
        An `Image` of the stored type: ``(channel, x, y)``, with z last or time after channel where the file has them.

    Raises:
        PrepareError: Too many pixels, pages of unnamed meaning, an unsupported compression, or a damaged file.

    Source: TIFF 6.0; axes as tifffile reads OME-XML and ImageJ descriptions.
    """
    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)  # it logs the file's name, perhaps a person's
    meta: dict[str, Any] = {"source_format": "tiff", "geometry": UNKNOWN_GEOMETRY}
    _refuse_circles(path)
    try:
        with tifffile.TiffFile(path) as file:
            part, number = _part(file, member, path)
            shape = tuple(part.shape)
            check_dimensions(shape, path, 3 * MAX_PICTURE_PIXELS)
            check_ratio(math.prod(shape) * part.dtype.itemsize, path.stat().st_size, path, is_label=is_label)
            axes = _checked_axes(part.axes, shape, path)
            page = part.keyframe
            _check_segments([part] if hasattr(part, "databytecounts") else part.pages, page, path)
            array, displayed = _decoded(part, page, number, path)
            if array.shape != shape:
                raise damaged(path)
            if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE and not is_label:
                array = array if displayed else _inverted(array, page.bitspersample)
                meta["inverted"] = "white was zero"
            elif page.photometric == tifffile.PHOTOMETRIC.PALETTE and not is_label:
                array, axes = np.moveaxis(np.take(page.colormap, array, axis=1), 0, -1), axes + "S"
                meta["palette"] = "looked up"
            if page.extrasamples and axes.endswith("S") and array.shape[-1] in (2, 4):
                array = without_alpha(array, meta, path)
                axes = axes[: array.ndim]
    except (PrepareError, MemoryError):
        raise
    except Exception as error:  # the parser raises whatever a damaged tag leads to
        raise damaged(path) from error
    return _image(array, axes, meta, is_label, path)


def _refuse_circles(path: Path) -> None:
    """Refuse a chain of directories that leads back to one before the last: the parser would follow it for ever."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        start = file.read(16).ljust(16, b"\0")
        order, big = ">" if start[:2] == b"MM" else "<", b"+" in start[2:4]
        number, counted = (struct.Struct(f"{order}{each}") for each in (("Q", "Q") if big else ("I", "H")))
        (place,) = number.unpack_from(start, 8 if big else 4)
        seen: list[int] = []
        known: set[int] = set()
        while place and place not in known:
            seen.append(place)
            known.add(place)
            file.seek(min(place, size))
            entries = file.read(counted.size)
            if len(entries) < counted.size:
                return
            end = place + counted.size + counted.unpack(entries)[0] * (20 if big else 12)
            file.seek(min(end, size))
            following = file.read(number.size)
            if len(following) < number.size:
                return
            (place,) = number.unpack(following)
    if place and place != seen[-1]:
        raise damaged(path)


def _part(file: Any, member: str | None, path: Path) -> tuple[Any, int]:
    """The page or series that is meant, and the number of its first page."""
    if member is None and len(file.series) == 1:
        return file.series[0], 0
    pages = len(file.pages)
    if member is not None and member.isdigit() and int(member) < pages:
        return file.pages.get(int(member), aspage=True), int(member)
    raise PrepareError(
        f"the file holds {len(file.series)} pictures" if member is None else f"there is no page '{member}'",
        where=safe_name(path),
        expected=f"one, or a page named as in file.tif::0 (0 to {pages - 1})",
        remedy="name the page; a slide with its pyramid is read by tiles",
        code="no_member",
    )


def _check_segments(pages: Any, keyframe: Any, path: Path) -> None:
    """Refuse strips and tiles that claim what the file does not hold, or that hold more than their pixels take."""
    raw = check_dimensions(keyframe.chunks, path, 3 * MAX_PICTURE_PIXELS) * keyframe.dtype.itemsize
    longest = max((max(page.databytecounts, default=0) for page in pages if page is not None), default=0)
    check_stored(longest, path.stat().st_size, path)
    if keyframe.compression != 1 and longest > _ROOM * raw + _SMALL_SEGMENT:
        raise damaged(path)


def _checked_axes(axes: str, shape: tuple[int, ...], path: Path) -> str:
    unnamed = [letter for letter, size in zip(axes, shape, strict=True) if letter not in _ORDER and size > 1]
    if unnamed:
        raise PrepareError(
            f"the file holds {math.prod(s for a, s in zip(axes, shape, strict=True) if a in unnamed)} pages and does "
            "not say whether they are depth, time or channels",
            where=safe_name(path),
            expected="one page, or axes named as OME or ImageJ do",
            remedy="name one page as in file.tif::0, or save the stack with its axes",
            code="pages_unnamed",
        )
    return axes


def _decoded(part: Any, page: Any, number: int, path: Path) -> tuple[np.ndarray, bool]:
    """The stored values, and whether the decoder has turned white-is-zero round already.

    Pillow decodes what needs a codec that tifffile does not bring (LZW, PackBits, JPEG, fax).
    """
    try:
        return part.asarray(maxworkers=1), False
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise
    from PIL import Image as Pillow

    bits = page.bitspersample
    if math.prod(part.shape) != math.prod(page.shape) or bits not in (1, 8, 16) or (bits == 16 and page.ndim != 2):
        raise PrepareError(
            f"no decoder here reads {page.compression.name} in this arrangement",
            where=safe_name(path),
            expected="no compression, deflate, or one page of LZW, PackBits or JPEG",
            remedy="save it with deflate",
            code="codec",
        )
    with Pillow.open(path, formats=("TIFF",)) as picture:
        picture.seek(number)
        array = np.asarray(picture)
    return array.reshape(part.shape), bits < 16


def _inverted(array: np.ndarray, bits: int) -> np.ndarray:
    if array.dtype.kind == "b":
        return ~array
    return np.asarray((1 << bits) - 1, array.dtype) - array if array.dtype.kind == "u" else -array


def _image(array: np.ndarray, axes: str, meta: dict[str, Any], is_label: bool, path: Path) -> Image:
    """Axes in our order, lengths of 1 dropped but for x and y, samples and channels as one."""
    for letter in [each for each in axes if each not in "XY"]:
        position = axes.index(letter)
        if array.shape[position] == 1:
            array, axes = array.squeeze(position), axes[:position] + axes[position + 1 :]
    wanted = [letter for letter in _ORDER if letter in axes]
    array = array.transpose([axes.index(letter) for letter in wanted])
    leading = sum(letter in "CS" for letter in wanted)
    array = array.reshape(-1, *array.shape[leading:]) if leading else array[None]
    if array.dtype == bool:
        array = array.astype(np.uint8)
    if array.dtype == np.float64 and not is_label:
        array = array.astype(np.float32)
    if is_label:
        array = as_label_map(one_channel(array, path), path)
    return Image(np.ascontiguousarray(array), np.eye(4), is_label=is_label, has_time="T" in wanted, meta=meta)
