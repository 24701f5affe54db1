"""Whether a DICOM file can be an image that is read here, told from its header before a pixel is decoded."""

from __future__ import annotations

import re
import struct
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from preceptor.core.errors import PrepareError, safe_name

if TYPE_CHECKING:
    from pydicom import Dataset

#: Deeper than any standard object nests; pydicom recurses a level at a time.
MAX_SEQUENCE_DEPTH = 32

_DIRECTORY = "1.2.840.10008.1.3.10"
_NO_IMAGE = {
    _DIRECTORY: "an index of files (DICOMDIR), not an image",
    "1.2.840.10008.5.1.4.1.1.66.4": "a segmentation, not an image",
    "1.2.840.10008.5.1.4.1.1.66.7": "a segmentation, not an image",
    "1.2.840.10008.5.1.4.1.1.77.1.6": "a slide, which is read by tiles",
    "1.2.840.10008.5.1.4.1.1.30": "a parametric map, not an image",
    "1.2.840.10008.5.1.4.1.1.481.2": "a dose grid, not an image",
    "1.2.840.10008.5.1.4.1.1.481.3": "contours (RTSTRUCT), not an image",
    "1.2.840.10008.5.1.4.1.1.481.5": "a treatment plan, not an image",
}
_NO_IMAGE_FAMILIES = {
    "1.2.840.10008.5.1.4.1.1.88.": "a structured report, not an image",
    "1.2.840.10008.5.1.4.1.1.11.": "a presentation state, not an image",
    "1.2.840.10008.5.1.4.1.1.9.": "a waveform, not an image",
    "1.2.840.10008.5.1.4.1.1.104.": "an encapsulated document, not an image",
    "1.2.840.10008.5.1.4.39.": "a palette, not an image",
}
_JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
_PIXEL_DATA, _FLOAT_PIXEL_DATA = (0x7FE0, 0x0010), ((0x7FE0, 0x0008), (0x7FE0, 0x0009))
_LONG_LENGTH = (b"OB", b"OW", b"UN", b"OF", b"OD")
_UNDEFINED = 0xFFFFFFFF


def refuse_other_objects(dataset: Dataset, path: Path, *, has_pixels: bool) -> None:
    """Refuse what is no image, and an image that lacks what makes it one.

    Args:
        dataset: Its header.
        path: For the message.
        has_pixels: Whether pixels follow the header.

    Raises:
        PrepareError: ``no_image`` for other objects, ``attribute_absent`` for an image without its size or depth.
    """
    kind = str(dataset.get("SOPClassUID") or "")
    if "DirectoryRecordSequence" in dataset:
        kind = _DIRECTORY
    reason = _NO_IMAGE.get(kind) or next((why for uid, why in _NO_IMAGE_FAMILIES.items() if kind.startswith(uid)), "")
    absent = [name for name in ("Rows", "Columns", "BitsAllocated") if dataset.get(name) in (None, "")]
    if reason or (len(absent) == 3 and not has_pixels):
        raise PrepareError(
            f"the file holds {reason or 'no image'}",
            where=safe_name(path),
            expected="a DICOM image",
            remedy="leave it out, or read it with the tool for its kind",
            code="no_image",
        )
    if absent:
        raise PrepareError(
            f"the file holds an image without {', '.join(absent)}",
            where=safe_name(path),
            expected="the size and depth of its pixels",
            remedy="export it again from its source",
            code="attribute_absent",
        )


def is_video(syntax: Any) -> bool:
    """Whether a transfer syntax is one stream for all frames: MPEG-2, H.264 or H.265.

    Source: DICOM PS3.6, table A-1 (1.2.840.10008.1.2.4.100 to 108).
    """
    return re.fullmatch(r"1\.2\.840\.10008\.1\.2\.4\.10[0-8](\.1)?", str(syntax)) is not None


def check_decodable(syntax: Any, bits_allocated: int, path: Path) -> None:
    """Refuse a transfer syntax that no decoder here reads, by its name.

    Args:
        syntax: Of the file; None where the file names none.
        bits_allocated: Of a sample.
        path: For the message.

    Raises:
        PrepareError: ``transfer_syntax``, or ``attribute_absent`` where there is none.
    """
    from pydicom.pixels import get_decoder
    from pydicom.uid import UID

    if not syntax:
        raise PrepareError(
            "the file does not name its transfer syntax",
            where=safe_name(path),
            expected="TransferSyntaxUID in its file meta information",
            remedy="write it again as a Part 10 file",
            code="attribute_absent",
        )
    if is_video(syntax) and find_spec("av") is not None:
        return
    try:
        decoders = get_decoder(syntax).available_plugins
        encoded = UID(syntax).is_compressed
    except (NotImplementedError, ValueError):
        decoders, encoded = (), True
    twelve_bit = str(syntax) == _JPEG_EXTENDED and bits_allocated > 8 and "pylibjpeg" not in decoders
    if (encoded and not decoders) or twelve_bit:
        what = "12-bit JPEG" if twelve_bit else UID(syntax).name
        extra = "jpeg-gpl" if twelve_bit else "video" if is_video(syntax) else ""
        raise PrepareError(
            f"no decoder here reads {what}",
            where=safe_name(path),
            expected="uncompressed, JPEG baseline, lossless, LS or 2000, RLE, or deflated",
            remedy=f"pip install 'preceptor[{extra}]'" if extra else "export it again, uncompressed",
            code="transfer_syntax",
        )


def pixels_follow(path: Path, start: int) -> bool:
    """Whether the element after the header, at byte `start`, is pixel data."""
    with path.open("rb") as file:
        file.seek(start)
        head = file.read(4)
    return len(head) == 4 and _PIXEL_DATA in (struct.unpack("<HH", head), struct.unpack(">HH", head))


def check_pixel_element(path: Path, start: int, expected: int) -> None:
    """Refuse a file whose pixels are absent, empty or cut short.

    Args:
        path: The file.
        start: Where its header ends.
        expected: Bytes that its size and depth ask for; 0 where the pixels are compressed.

    Raises:
        PrepareError: ``no_pixels``, ``not_integers`` or ``truncated``.
    """
    with path.open("rb") as file:
        file.seek(start)
        head = file.read(12)
    size = path.stat().st_size
    for order in "<>":
        tag = struct.unpack(f"{order}HH", head[:4]) if len(head) == 12 else None
        if tag in _FLOAT_PIXEL_DATA:
            raise _no_pixels(path, "the file's pixels are no integers", "not_integers")
        if tag == _PIXEL_DATA:
            is_long = head[4:6] in _LONG_LENGTH
            length = struct.unpack(f"{order}I", head[8:12] if is_long else head[4:8])[0]
            begin = start + (12 if is_long else 8)
            if length == 0 or (length == _UNDEFINED and size - begin < 8):
                raise _no_pixels(path, "the file's pixel data is empty", "no_pixels")
            needed = max(length, expected)
            if length != _UNDEFINED and begin + needed > size:
                what = f"the file is cut short: {size - begin} of {needed} bytes of pixels"
                raise _no_pixels(path, what, "truncated")
            if not expected and length != _UNDEFINED:
                what = "the file says compressed, and its pixels are not in fragments"
                raise _no_pixels(path, what, "damaged_stream")
            return
    raise _no_pixels(path, "the file is an image's header without pixels", "no_pixels")


def refuse_deep(dataset: Dataset, path: Path) -> None:
    """Refuse sequences nested deeper than any object of the standard: reading on would recurse until it fails.

    Raises:
        PrepareError: ``too_deep``.
    """
    level = [dataset]
    for _ in range(MAX_SEQUENCE_DEPTH):
        # What pydicom has not parsed yet is bytes, and of no depth until it is asked for.
        level = [item for each in level for element in each.values() if element.VR == "SQ" for item in _items(element)]
        if not level:
            return
    raise PrepareError(
        f"the file nests sequences more than {MAX_SEQUENCE_DEPTH} levels deep",
        where=safe_name(path),
        expected=f"at most {MAX_SEQUENCE_DEPTH} levels",
        remedy="no scanner writes this: leave the file out",
        code="too_deep",
    )


def _items(element: Any) -> list[Dataset]:
    value = element.value
    return [] if value is None or isinstance(value, bytes) else list(value)


def _no_pixels(path: Path, what: str, code: str) -> PrepareError:
    return PrepareError(
        what,
        where=safe_name(path),
        expected="a whole image with integer pixels",
        remedy="copy or export the file again",
        code=code,
    )
