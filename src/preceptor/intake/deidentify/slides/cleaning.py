"""A slide without its label: pictures of the glass leave the file, words leave its directories, and no pixel is encoded anew.

What is written is a hole of zeros into which only that is copied which a kept directory points to, each byte at its old
place. So nothing survives by being forgotten: removed pictures, old descriptions and whatever lay between are zeros.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from preceptor.core.errors import PrepareError

from .description import scan_alone
from .directories import Directory, Field, TiffFile, damaged
from .streams import Words, profile_without_words, words_behind_deflated, words_of_jpeg, words_of_jpeg_2000
from .vendors import refuse_foreign_tiff

#: Tags that decoding, colour and scale need. Everything else is left out, private tags, XMP, EXIF and GPS among it.
_KEPT = frozenset(
    (
        *(254, 256, 257, 258, 259, 262, 266, 270, 273, 274, 277, 278, 279, 282, 283, 284, 296, 317, 320),
        *(322, 323, 324, 325, 338, 339, 340, 341, 347, 529, 530, 531, 532, 32997, 34675),
    )
)
_LONG_LISTS = frozenset((258, 273, 279, 320, 324, 325, 339, 347, 34675))
_MOST_VALUES = 16
_DESCRIPTION, _PROFILE, _TABLES, _TILES = 270, 34675, 347, 324

#: Compressions whose streams can be searched for words, by how; LZW has no room for any but behind its end.
_JPEG, _JPEG_2000, _DEFLATED, _OTHERS = (7,), (33003, 33005, 34712), (8, 32946), (1, 5)

_COPIED = 1 << 22
#: No tile or strip of a slide is larger.
_MOST_TILE_BYTES = 1 << 28


@dataclass(frozen=True)
class CleanedSlide:
    """What became of a slide.

    Args:
        suffix: Of the file that was written: ``.svs`` or ``.tif``.
        counts: How often each rule was applied.
        flags: What a person should look at.
    """

    suffix: str
    counts: Counter[str]
    flags: tuple[str, ...]


def clean_slide(source: Path, target: Path) -> CleanedSlide:
    """Write a slide anew without label and macro image, and without words that could tell whose it is.

    Aperio's files and plain pyramids are taken, as TIFF or BigTIFF. Levels, the thumbnail of an Aperio file and colour profiles
    stay, bit for bit as far as pixels go; of a description the numbers of the scan stay; comments inside compressed tiles are
    overwritten. The file keeps its length, less what follows the last byte in use.

    Args:
        source: The slide.
        target: The file to write.

    Raises:
        PrepareError: It is damaged, no slide in tiles, of a vendor's format that is not known well enough (``slide_vendor``), or
            compressed in a way that can't be searched.

    Source: TIFF 6.0; OpenSlide's notes on Aperio's format.
    """
    with Path(source).open("rb") as stream:
        file = TiffFile(stream)
        refuse_foreign_tiff(file)
        kept = [each for number, each in enumerate(file.directories) if _stays(file, number, each)]
        counts = Counter({"pictures removed": len(file.directories) - len(kept)})
        patches: list[tuple[int, bytes]] = []
        ranges: list[np.ndarray] = []
        for number, directory in enumerate(kept):
            following = kept[number + 1].place if number + 1 < len(kept) else 0
            fields = _fields(file, directory, counts)
            packed = file.packed(fields, following)
            patches.append((directory.place, packed))
            for field, value in fields:
                if field.inline:
                    continue
                if value is None:
                    ranges.append(np.array([[field.place, field.size]]))
                else:
                    patches.append((field.place, value))
            ranges.append(_pixels(file, directory))
        patches.append((0, file.header(kept[0].place)))
        used = _merged(np.concatenate(ranges))
        end = max(int((used[:, 0] + used[:, 1]).max(initial=0)), *(place + len(value) for place, value in patches))
        with Path(target).open("w+b") as out:
            out.truncate(end)  # zeros, which take no room on most disks
            _copy(stream, out, used)
            for directory in kept:
                counts["words in tiles"] += _blank_streams(file, directory, out)
            for place, value in patches:
                out.seek(place)
                out.write(value)
        is_aperio = _description(file, kept[0]).startswith(b"Aperio")
    flags = ("a slide: writing on the glass, pen marks among it, was not searched for",)
    return CleanedSlide(".svs" if is_aperio else ".tif", counts, flags)


def has_label(path: Path) -> bool:
    """Whether a TIFF is a slide that still holds pictures of the glass: its label, its macro image, or one nobody named.

    Raises:
        PrepareError: It is damaged.
    """
    with Path(path).open("rb") as stream:
        file = TiffFile(stream)
        if file.directories[0].field(_TILES) is None:
            return False
        return any(not _stays(file, number, each) for number, each in enumerate(file.directories))


def _description(file: TiffFile, directory: Directory) -> bytes:
    field = directory.field(_DESCRIPTION)
    return file.value(field) if field is not None and field.kind == 2 else b""


def _size(file: TiffFile, directory: Directory) -> tuple[int, int]:
    width, height = file.numbers(directory.field(256)), file.numbers(directory.field(257))
    if len(width) != 1 or len(height) != 1 or min(int(width[0]), int(height[0])) < 1:
        raise damaged("a picture has no size")
    return int(width[0]), int(height[0])


def _stays(file: TiffFile, number: int, directory: Directory) -> bool:
    """Whether a directory is a level of what was scanned, or the thumbnail of it."""
    if number == 0:
        return True
    (width, height), (whole_width, whole_height) = _size(file, directory), _size(file, file.directories[0])
    told = _description(file, directory).lower()
    sort = file.numbers(directory.field(254))
    is_of_glass = b"label" in told or b"macro" in told or (len(sort) > 0 and int(sort[0]) & ~1 != 0)
    same_shape = abs(width - whole_width * height / whole_height) <= 1.5 + 0.01 * width
    if is_of_glass or not same_shape:
        return False
    if directory.field(_TILES) is not None:
        return True
    is_reduced = len(sort) > 0 and int(sort[0]) == 1  # Aperio marks its label so, and its thumbnail not
    return number == 1 and told.startswith(b"aperio") and not is_reduced


def _fields(file: TiffFile, directory: Directory, counts: Counter[str]) -> list[tuple[Field, bytes | None]]:
    kept: list[tuple[Field, bytes | None]] = []
    for field in directory.fields:
        value: bytes | None = None
        if field.code == _DESCRIPTION:
            value = _told_by_aperio(file, directory, field)
        elif field.code == _PROFILE and field.kind in (1, 7):
            value = _profile(file.value(field))
        elif field.code not in _KEPT or not _is_plain(field):
            counts["removed"] += 1
            continue
        if value is None and field.code in (_DESCRIPTION, _PROFILE):
            counts["removed"] += 1
            continue
        counts["kept" if value is None else "text cleaned"] += 1
        if value is None and field.code == _TABLES:
            value = _without_words(file.value(field))
        kept.append((field, value))
    return kept


def _is_plain(field: Field) -> bool:
    """Whether a tag's value is numbers, and no more of them than it can mean."""
    if field.code == _TABLES:
        return field.kind == 7
    return field.kind in (3, 4, 5, 16) and (field.code in _LONG_LISTS or field.count <= _MOST_VALUES)


def _told_by_aperio(file: TiffFile, directory: Directory, field: Field) -> bytes | None:
    """The description with the numbers of the scan alone, in the room that it had; None where nothing may stay."""
    made = scan_alone(_description(file, directory).decode("latin-1").rstrip("\0"))
    if made is None or field.inline:
        return None
    return made.encode("latin-1")[: field.size - 1].ljust(9, b"\0") + b"\0"  # too long to be taken for an inline value


def _profile(value: bytes) -> bytes | None:
    try:
        return profile_without_words(value)
    except ValueError:
        return None


def _without_words(stream: bytes) -> bytes:
    made = bytearray(stream)
    try:
        found = words_of_jpeg(stream)
    except ValueError:
        raise damaged("its tables of JPEG are none") from None
    for place, length in found:
        made[place : place + length] = bytes(length)
    return bytes(made)


def _pixels(file: TiffFile, directory: Directory) -> np.ndarray:
    """``(tile, 2)`` place and length of every tile or strip that there is."""
    codes = (324, 325) if directory.field(_TILES) is not None else (273, 279)
    places, lengths = (file.numbers(directory.field(code)) for code in codes)
    if len(places) != len(lengths) or not len(places):
        raise damaged("tiles and their lengths differ in number")
    found = np.stack([places, lengths], axis=1)[lengths > 0]
    if len(found) and ((found < 0).any() or int(found.sum(axis=1).max()) > file.size):
        raise damaged("a tile lies past its end")
    return found


def _merged(ranges: np.ndarray) -> np.ndarray:
    """Ranges ``(range, 2)`` of place and length, in order, those that touch joined."""
    ranges = ranges[np.argsort(ranges[:, 0], kind="stable")]
    ends = np.maximum.accumulate(ranges.sum(axis=1))
    begins = np.ones(len(ranges), bool)
    begins[1:] = ranges[1:, 0] > ends[:-1]
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(ranges)) - 1
    return np.stack([ranges[first, 0], ends[last] - ranges[first, 0]], axis=1)


def _copy(stream: BinaryIO, out: BinaryIO, ranges: np.ndarray) -> None:
    for place, length in ranges.tolist():
        stream.seek(place)
        out.seek(place)
        while length:
            part = stream.read(min(length, _COPIED))
            if not part:
                raise damaged("it is cut short")
            out.write(part)
            length -= len(part)


def _blank_streams(file: TiffFile, directory: Directory, out: BinaryIO) -> int:
    """Overwrite what words the tiles of one picture hold, in the file that is written."""
    stored = file.numbers(directory.field(259))
    compression = int(stored[0]) if len(stored) else 1
    find: Callable[[bytes], Words] | None = None
    if compression in _JPEG:
        find = words_of_jpeg
    elif compression in _JPEG_2000:
        find = words_of_jpeg_2000
    elif compression in _DEFLATED:
        find = words_behind_deflated
    elif compression not in _OTHERS:
        raise PrepareError(
            f"the slide's tiles are compressed in a way that can't be searched for words ({compression})",
            expected="JPEG, JPEG 2000, LZW, deflate or none",
            remedy="convert it to a pyramidal TIFF of JPEG tiles",
            code="codec",
        )
    blanked = 0
    if find is None:
        return 0
    for place, length in _pixels(file, directory).tolist():
        if length > _MOST_TILE_BYTES:
            raise damaged("a tile is larger than any")
        try:
            found = find(file.bytes_at(place, length))
        except ValueError:
            raise damaged("a tile is not what its compression says") from None
        for at, size in found:
            out.seek(place + at)
            out.write(bytes(size))
        blanked += len(found)
    return blanked
