"""A DICOM file's stored pixels: opened so that a mask changes what it covers and not one bit besides."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from pydicom import Dataset

Fill = Literal["black", "local"]

_BIG_ENDIAN, _EXPLICIT_LITTLE = "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1"

#: Around a masked part, how far the pixels lie whose median fills it.
_RING_PX = 6


def is_compressed(dataset: Dataset) -> bool:
    """Whether the pixels are encoded and must be decoded to be changed."""
    syntax = dataset.file_meta.TransferSyntaxUID
    return bool(syntax.is_compressed) and not syntax.is_deflated


def masked_pixels(dataset: Dataset, decoded: np.ndarray, mask: np.ndarray, fill: Fill) -> None:
    """Fill a mask in every frame of a data set.

    Uncompressed pixels are changed in place, in their own byte order and layout. Compressed ones become what their
    decoder read, uncompressed, once: a lossy file is not encoded a second time, and outside the mask shows what it did.

    Args:
        dataset: Changed.
        decoded: ``(frame, row, column[, sample])`` as decoded; colours are RGB.
        mask: ``(row, column)`` bool.
        fill: ``black``, or ``local`` for the median of what surrounds each masked part.
    """
    if is_compressed(dataset) or _needs_decoding(dataset):
        stored = filled(decoded, mask, fill, black_of(dataset, decoded))
        _store_plain(dataset, stored)
        return
    samples, planar = int(dataset.get("SamplesPerPixel") or 1), int(dataset.get("PlanarConfiguration") or 0)
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    frames = int(dataset.get("NumberOfFrames") or 1)
    big = dataset.file_meta.TransferSyntaxUID == _BIG_ENDIAN
    size, signed = int(dataset.BitsAllocated) // 8, bool(dataset.get("PixelRepresentation"))
    content = bytes(dataset.PixelData)
    swapped = big and size == 1 and dataset["PixelData"].VR == "OW"
    flat = np.frombuffer(
        _swapped(content) if swapped else content, f"{'>' if big else '<'}{'i' if signed else 'u'}{size}"
    )
    number = frames * rows * columns * samples
    layout = (frames, samples, rows, columns) if planar and samples > 1 else (frames, rows, columns, samples)
    pixels = flat[:number].reshape(layout)
    pixels = np.moveaxis(pixels, 1, -1) if planar and samples > 1 else pixels
    colours = pixels if samples > 1 else pixels[..., 0]
    stored = filled(colours, mask, fill, black_of(dataset, decoded))
    stored = stored if samples > 1 else stored[..., None]
    stored = np.moveaxis(stored, -1, 1) if planar and samples > 1 else stored
    changed = stored.astype(flat.dtype, order="C").tobytes() + flat[number:].tobytes()
    dataset.PixelData = _swapped(changed) if swapped else changed


def _needs_decoding(dataset: Dataset) -> bool:
    """Bits that share a byte, and colours that share a pixel, have no place of their own to be changed at."""
    shared = str(dataset.get("PhotometricInterpretation", "")) == "YBR_FULL_422"
    return int(dataset.BitsAllocated) not in (8, 16, 32) or shared


def _swapped(content: bytes) -> bytes:
    return np.frombuffer(content, "u2").byteswap().tobytes()


def black_of(dataset: Dataset, decoded: np.ndarray) -> np.ndarray:
    """The stored value, or the stored colour ``(sample,)``, that is displayed darkest."""
    photometric = str(dataset.get("PhotometricInterpretation", ""))
    if decoded.ndim == 4:
        plain = not is_compressed(dataset) and not _needs_decoding(dataset)
        return np.array([0, 128, 128] if plain and photometric.startswith("YBR") else [0, 0, 0])
    if photometric == "PALETTE COLOR":
        from pydicom.pixels import apply_color_lut

        present = np.unique(decoded)
        colours = np.asarray(apply_color_lut(present[None], dataset), np.int64)[0]
        return np.asarray(present[colours[:, :3].sum(axis=1).argmin()])
    return np.asarray(decoded.max() if photometric == "MONOCHROME1" else decoded.min())


def filled(frames: np.ndarray, mask: np.ndarray, fill: Fill, black: np.ndarray) -> np.ndarray:
    """A copy of frames with a mask filled.

    Args:
        frames: ``(frame, row, column[, sample])``.
        mask: ``(row, column)`` bool.
        fill: ``black`` or ``local``; what has no surroundings is black.
        black: A value, or one for each sample.

    Returns:
        Of the frames' own type.
    """
    from scipy import ndimage

    out = frames.copy()
    if fill == "black":
        out[:, mask] = black.astype(frames.dtype)
        return out
    parts, number = ndimage.label(mask)
    for index in range(1, number + 1):
        part = parts == index
        ring = ndimage.binary_dilation(part, iterations=_RING_PX) & ~mask
        for frame, source in zip(out, frames, strict=True):
            # A value that is there, not a mean of two: it may be the index of a colour.
            around = np.sort(source[ring], axis=0)
            frame[part] = around[len(around) // 2] if len(around) else black.astype(frames.dtype)
    return out


def _store_plain(dataset: Dataset, frames: np.ndarray) -> None:
    """Uncompressed pixels in place of encoded ones."""
    from pydicom.pixels import pack_bits
    from pydicom.uid import UID

    if int(dataset.BitsAllocated) == 1:
        content = pack_bits(frames.astype(np.uint8).ravel())
    else:
        content = np.ascontiguousarray(frames, frames.dtype.newbyteorder("<")).tobytes()
    content += b"\0" * (len(content) % 2)
    if frames.ndim == 4:
        dataset.PhotometricInterpretation, dataset.PlanarConfiguration = "RGB", 0
    for name in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
        if name in dataset:
            delattr(dataset, name)
    if is_compressed(dataset):
        dataset.file_meta.TransferSyntaxUID = UID(_EXPLICIT_LITTLE)
    dataset.PixelData = content
    dataset["PixelData"].VR = "OW" if int(dataset.BitsAllocated) > 8 else "OB"
    dataset["PixelData"].is_undefined_length = False


def open_pixels(dataset: Dataset, path: Path) -> np.ndarray:
    """Every frame as decoded.

    Returns:
        ``(frame, row, column[, sample])``; colours are RGB, a palette's are its indices.

    Raises:
        PrepareError: No decoder reads it.
    """
    from .file import decoded  # the one place that knows in which order decoders are tried, and which run apart
    from .guard import guarded

    with guarded(path):
        array = decoded(path, dataset, None)
    samples = int(dataset.get("SamplesPerPixel") or 1)
    return array if array.ndim == (4 if samples > 1 else 3) else array[None]
