"""One DICOM file: its header, and its values in the unit they mean."""

from __future__ import annotations

import math
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from preceptor.core.errors import PrepareError, safe_name
from preceptor.maths.lookup_table import looked_up, table_entries

from ..decoding import decode_apart, is_apart
from ..limits import check_dimensions, check_ratio
from .fitness import check_decodable, check_pixel_element, is_video, pixels_follow, refuse_deep, refuse_other_objects
from .guard import guarded
from .planes import Plane

if TYPE_CHECKING:
    from pydicom import Dataset

_DEFLATED = "1.2.840.10008.1.2.1.99"
_RLE = "1.2.840.10008.1.2.5"
_JPEG = "1.2.840.10008.1.2.4"  # and all its kin: their decoders are libraries in C and C++
_COMPRESSED = _JPEG, _RLE
#: Read once under guard, so that nothing is converted, and no warning raised, outside it.
_USED = (
    *("SOPClassUID", "SeriesInstanceUID", "Modality", "ImageType", "SliceThickness", "PixelPaddingValue"),
    *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "PresentationLUTShape"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
    *("FrameIncrementPointer", "FrameTime", "FrameTimeVector", "CineRate", "NumberOfSlices", "ImagesInAcquisition"),
)


def read_header(path: Path) -> Dataset:
    """Everything but the pixels.

    Raises:
        PrepareError: The file is damaged, no Part 10 file, a deflated bomb, or holds no image.
    """
    from pydicom import dcmread

    with path.open("rb") as file:
        if file.read(132)[128:] != b"DICM":
            raise PrepareError(
                "the file is not a DICOM Part 10 file: it has no preamble",
                where=safe_name(path),
                expected="DICM at byte 128",
                remedy="write it again as a Part 10 file, or take it out of the folder",
                code="not_dicom",
            )
    with guarded(path):
        check_deflated(path)
        with path.open("rb") as file:
            dataset = dcmread(file, stop_before_pixels=True)
            after = file.tell() if dataset.file_meta.get("TransferSyntaxUID") != _DEFLATED else None
        refuse_deep(dataset, path)
        for name in _USED:
            dataset.get(name)
        refuse_other_objects(dataset, path, has_pixels=after is not None and pixels_follow(path, after))
        frames = int(dataset.get("NumberOfFrames") or 1)
        shape = (frames, int(dataset.Rows), int(dataset.Columns), int(dataset.get("SamplesPerPixel") or 1))
        if int(dataset.BitsAllocated) not in (1, 8, 16, 32):
            raise ValueError
        declared = check_dimensions(shape, path) * max(int(dataset.BitsAllocated), 8) // 8
        syntax = dataset.file_meta.get("TransferSyntaxUID")
        check_decodable(syntax, int(dataset.BitsAllocated), path)
        if str(syntax).startswith(_COMPRESSED) and not is_video(syntax):  # a still film shrinks to next to nothing
            check_ratio(declared, path.stat().st_size, path)
        if after is not None:
            bits = math.prod(shape) * int(dataset.BitsAllocated)
            bits = bits * 2 // 3 if dataset.get("PhotometricInterpretation") == "YBR_FULL_422" else bits
            check_pixel_element(path, after, 0 if syntax.is_compressed else -(-bits // 8))
        return dataset


def check_deflated(path: Path) -> None:
    """Count what a deflated data set unpacks to before it is unpacked for good.

    Raises:
        PrepareError: It is a decompression bomb.
    """
    from pydicom.filereader import read_file_meta_info

    meta = read_file_meta_info(path)
    if str(meta.get("TransferSyntaxUID", "")) != _DEFLATED:
        return
    stored, counted = path.stat().st_size, 0
    inflate = zlib.decompressobj(wbits=-15)
    with path.open("rb") as file:
        file.seek(132 + 12 + int(meta.FileMetaInformationGroupLength))
        pending = file.read(1 << 20)
        while pending and not inflate.eof:
            counted += len(inflate.decompress(pending, 1 << 20))
            check_ratio(counted, stored, path)
            pending = inflate.unconsumed_tail or file.read(1 << 20)


def shown_inverted(dataset: Dataset) -> bool:
    """Whether a display shows the lowest value as white. Both ways to say so mean one inversion."""
    return dataset.get("PhotometricInterpretation") == "MONOCHROME1" or dataset.get("PresentationLUTShape") == "INVERSE"


def inverts(dataset: Dataset) -> bool:
    """Whether low values mean dense: a projection whose display is inverted. In CT, MR, PET it is display alone."""
    shown = (
        dataset.get("PhotometricInterpretation") == "MONOCHROME1" or dataset.get("PresentationLUTShape") == "INVERSE"
    )
    return shown and str(dataset.get("Modality", "")) not in ("CT", "MR", "PT", "NM")


def value_range(dataset: Dataset, plane: Plane) -> tuple[float, float]:
    """Lowest and highest value that can be stored, after the linear scale."""
    bits = int(dataset.get("BitsStored") or dataset.BitsAllocated)
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if dataset.get("PixelRepresentation") else (0, (1 << bits) - 1)
    ends = sorted((low * plane.slope + plane.intercept, high * plane.slope + plane.intercept))
    return ends[0], ends[1]


def value_type(dataset: Dataset, plane: Plane) -> np.dtype:
    """The type that holds a plane's values: as stored where the scale does nothing, else int16, int32 or float32."""
    if "ModalityLUTSequence" in dataset or not float(plane.intercept).is_integer() or plane.slope != 1:
        return np.dtype(np.float32)
    low, high = value_range(dataset, plane)
    if plane.intercept == 0:
        size = 1 if int(dataset.BitsAllocated) <= 8 else int(dataset.BitsAllocated) // 8
        return np.dtype(f"{'i' if low < 0 else 'u'}{size}")
    for name in (np.int16, np.int32):
        if np.iinfo(name).min <= low and high <= np.iinfo(name).max:
            return np.dtype(name)
    return np.dtype(np.float32)


def read_pixels(path: Path) -> Dataset:
    """The file with its pixels, still encoded.

    Raises:
        PrepareError: It is damaged, or its pixels are cut short.
    """
    from pydicom import dcmread

    with guarded(path):
        dataset = dcmread(path)
        if not dataset.get("PixelData"):
            raise PrepareError(
                "the file's pixel data has no end: the file is cut short",
                where=safe_name(path),
                expected="a whole image",
                remedy="copy or export the file again",
                code="truncated",
            )
        return dataset


def read_values(path: Path, dataset: Dataset, plane: Plane) -> np.ndarray:
    """Decode one plane: stored values, sign and unused bits, then the modality's scale, then colours.

    Args:
        path: The file, for messages.
        dataset: As `read_pixels` gives it.
        plane: Which of its planes.

    Returns:
        ``(channel, x, y)``, x the column; grey inverted once where `inverts` says so.

    Raises:
        PrepareError: No decoder reads it, or the stream is damaged.

    Source: DICOM PS3.3 C.11.1 (modality LUT), C.7.6.3 (image pixel).
    """
    from pydicom.pixels import apply_color_lut

    with guarded(path):
        stored = decoded(path, dataset, plane.frame)
        photometric = str(dataset.PhotometricInterpretation)
        if photometric == "PALETTE COLOR":
            stored = apply_color_lut(stored, dataset)
        if stored.ndim == 3:
            if not photometric.startswith(("RGB", "YBR", "PALETTE")):
                raise ValueError
            return _native(np.moveaxis(stored, -1, 0).swapaxes(1, 2))
        stored = _masked(stored, dataset)
        kind = value_type(dataset, plane)
        if "ModalityLUTSequence" in dataset:
            table = dataset.ModalityLUTSequence[0]
            first, entries, _ = lut_entries(table, is_signed=bool(dataset.get("PixelRepresentation")))
            values = looked_up(stored, first, entries).astype(np.float32)
        elif (plane.slope, plane.intercept) == (1.0, 0.0):
            values = stored.astype(kind, copy=False)
        else:
            values = (stored * np.float64(plane.slope) + plane.intercept).astype(kind)
        if inverts(dataset):
            low, high = value_range(dataset, plane)
            if "ModalityLUTSequence" in dataset:
                low, high = float(values.min()), float(values.max())
            values = (np.float64(low + high) - values).astype(values.dtype)
        return _native(values.T[None])


def lut_entries(table: Dataset, *, is_signed: bool) -> tuple[int, np.ndarray, int]:
    """First value mapped, entries and bits of a modality or VOI lookup table.

    Raises:
        ValueError: The descriptor and the data do not fit each other.
    """
    number, first, bits = table_entries(table.LUTDescriptor, is_signed=is_signed)
    data = table.LUTData
    if isinstance(data, bytes):
        words = "<u2" if getattr(table, "original_encoding", (True, True))[1] is not False else ">u2"
        entries = np.frombuffer(data, words if len(data) >= 2 * number else np.uint8)
    else:
        entries = np.atleast_1d(np.asarray(data, dtype=np.int64)) & 0xFFFF
    if len(entries) < number:
        raise ValueError
    return first, entries[:number].astype(np.int64), bits


def _native(array: np.ndarray) -> np.ndarray:
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _masked(stored: np.ndarray, dataset: Dataset) -> np.ndarray:
    """Bits above HighBit belong to overlays of old; what is left is signed at BitsStored."""
    bits, allocated = int(dataset.get("BitsStored") or dataset.BitsAllocated), stored.dtype.itemsize * 8
    if bits >= allocated or stored.dtype.kind not in "iu":
        return stored
    shift = allocated - 1 - int(dataset.get("HighBit", bits - 1))
    stored = np.left_shift(stored, shift)
    return np.right_shift(stored, allocated - bits)  # arithmetic where signed


def decoded(path: Path, dataset: Dataset, frame: int | None) -> np.ndarray:
    """Stored values ``(row, column[, sample])`` by the first decoder that reads them; RGB where they were YCbCr."""
    from pydicom.pixels import get_decoder, pixel_array

    if is_video(dataset.file_meta.TransferSyntaxUID):
        from ..video.clips import dicom_frames

        return dicom_frames(path)[frame or 0]
    failed: Exception = ValueError()
    bits, syntax = int(dataset.get("BitsStored") or dataset.BitsAllocated), str(dataset.file_meta.TransferSyntaxUID)
    options: dict[str, Any] = {}
    if (syntax == _RLE or not syntax.startswith(_COMPRESSED)) and int(dataset.get("HighBit", bits - 1)) != bits - 1:
        # pydicom takes the highest bit to be the last stored one, which old files need not hold to: see `_masked`.
        options["correct_unused_bits"] = False
    # What has no file yet, this program made. Inside the door all but gdcm run where they are: it aborts most.
    runs_apart = syntax.startswith(_JPEG) and not is_apart() and path.is_file()
    plugins = get_decoder(dataset.file_meta.TransferSyntaxUID).available_plugins or ("",)
    for plugin in sorted(plugins, key=lambda name: (name == "gdcm", name)):
        try:
            if plugin == "gdcm" or runs_apart:
                return decode_apart(path, frame, plugin)
            return pixel_array(dataset, index=frame, decoding_plugin=plugin, **options)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # the next may read it; decoders in Rust panic beside `Exception`
            failed = error if isinstance(error, Exception) else ValueError(type(error).__name__)
    raise failed
