"""Pictures: PNG, JPEG and BMP. Nothing is decoded before its declared size is known to be sane.

Arrays come out ``(channel, x, y)``, x being the column and y the row, both as displayed: an EXIF orientation is applied
and recorded. Such files say nothing certain of millimetres or of the patient's sides, so the geometry is *unknown*.
"""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core.errors import PrepareError, safe_name
from preceptor.core.image import UNKNOWN_GEOMETRY, Image

from .labels import as_label_map
from .limits import MAX_PICTURE_PIXELS, check_dimensions, check_ratio

_KEPT_MODES = ("1", "L", "I;16", "I", "F", "RGB")


def read_picture(path: Path, *, is_label: bool = False) -> Image:
    """Read a PNG, JPEG or BMP.

    A palette is looked up for a picture and left alone for a label map, where the index is the code. Alpha that is
    opaque everywhere is dropped and recorded; alpha that is not is refused, for the colour meant is not in the file.

    Args:
        path: The file; its content decides, not its suffix.
        is_label: Integer codes.

    Returns:
        An `Image` ``(channel, x, y)``: 1 channel for grey, 3 for colour; uint8, uint16 or int32 as stored.

    Raises:
        PrepareError: Too many pixels, a damaged file, transparency, or colours that are not RGB.
    """
    from PIL import Image as Pillow
    from PIL import ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Pillow.DecompressionBombWarning)
            opened = Pillow.open(path, formats=("PNG", "JPEG", "BMP"))
        with opened as picture:
            check_dimensions(picture.size, path, MAX_PICTURE_PIXELS)
            kind = str(picture.format).lower()
            bits, colour = _png_header(path) if kind == "png" else (8, 0)
            meta: dict[str, Any] = {"source_format": kind, "geometry": UNKNOWN_GEOMETRY}
            declared = math.prod(picture.size) * len(picture.getbands()) * max(bits // 8, 1)
            check_ratio(declared, path.stat().st_size, path, is_label=is_label)
            if bits == 16 and colour in (2, 4, 6):
                return _sixteen_bit(path, meta, is_label)  # Pillow would halve the bits without a word
            shown: Pillow.Image = picture
            turned = picture.getexif().get(0x0112, 1)
            if turned != 1:
                meta["exif_orientation"] = int(turned)
                shown = ImageOps.exif_transpose(picture)
            if shown.mode == "P" and not is_label:
                shown = shown.convert("RGBA" if "transparency" in picture.info else "RGB")
                meta["palette"] = "looked up"
            array, mode = np.asarray(shown), shown.mode
    except (PrepareError, MemoryError):
        raise
    except Pillow.DecompressionBombError as error:
        raise PrepareError(
            "the picture declares more pixels than a picture can have",
            where=safe_name(path),
            expected=f"at most {MAX_PICTURE_PIXELS:,}",
            remedy="cut or downsample it, or read it with a tiled reader",
            code="too_large",
        ) from error
    except Exception as error:  # damaged files raise OSError, SyntaxError, ValueError, struct.error and others
        raise damaged(path) from error
    if mode in ("LA", "RGBA"):
        array, mode = without_alpha(array, meta, path), mode[:-1]
    if mode not in (*_KEPT_MODES, "P"):
        raise PrepareError(
            f"the picture's colours are {mode}",
            where=safe_name(path),
            expected="grey, palette or RGB",
            remedy="save it as RGB",
            code="colours",
        )
    return _image(array, meta, is_label, path)


def _png_header(path: Path) -> tuple[int, int]:
    """Bits a sample and colour type, from the first chunk."""
    with path.open("rb") as file:
        header = file.read(26)
    return header[24], header[25]


def _sixteen_bit(path: Path, meta: dict[str, Any], is_label: bool) -> Image:
    """A PNG of several 16-bit channels."""
    import SimpleITK

    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetImageIO("PNGImageIO")
    array = SimpleITK.GetArrayFromImage(reader.Execute())
    if array.ndim == 3 and array.shape[-1] in (2, 4):
        array = without_alpha(array, meta, path)
    return _image(array, meta, is_label, path)


def without_alpha(array: np.ndarray, meta: dict[str, Any], path: Path) -> np.ndarray:
    """Drop the last of the channels ``(row, column, channel)`` where it is opaque everywhere, and record it.

    Raises:
        PrepareError: It is not.
    """
    alpha = array[..., -1]
    if (alpha != np.iinfo(array.dtype).max).any():
        raise PrepareError(
            "the picture is partly transparent: what is seen there depends on the background",
            where=safe_name(path),
            expected="an opaque picture",
            remedy="flatten it onto the background it is meant for",
            code="transparent",
        )
    meta["alpha"] = "opaque everywhere, dropped"
    return array[..., 0] if array.shape[-1] == 2 else array[..., :-1]


def _image(array: np.ndarray, meta: dict[str, Any], is_label: bool, path: Path) -> Image:
    """``(row, column[, channel])`` as ``(channel, x, y)``."""
    array = array[None] if array.ndim == 2 else np.moveaxis(array, -1, 0)
    array = array.swapaxes(1, 2)
    if array.dtype == bool:
        array = array.astype(np.uint8)
    if is_label:
        array = as_label_map(one_channel(array, path), path)
    return Image(np.ascontiguousarray(array), np.eye(4), is_label=is_label, meta=meta)


def one_channel(array: np.ndarray, path: Path) -> np.ndarray:
    """The codes of a label map ``(channel, *space)``: one saved as grey RGB has three equal channels.

    Raises:
        PrepareError: The channels differ: colours are no codes.
    """
    if (array != array[:1]).any():
        raise PrepareError(
            "the label map is in colours",
            where=safe_name(path),
            expected="one channel of integer codes (or a palette, whose index is the code)",
            remedy="convert each colour to its code",
            code="label_coloured",
        )
    return array[:1]


def damaged(path: Path) -> PrepareError:
    """The error for a picture that no decoder could read."""
    return PrepareError(
        "the picture is damaged or no PNG, JPEG, BMP or TIFF",
        where=safe_name(path),
        expected="a whole picture file",
        remedy="copy or export the file again",
        code="damaged",
    )
