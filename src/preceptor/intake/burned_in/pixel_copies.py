"""What a DICOM file holds of its picture a second time: icons, and overlays drawn beside or inside the pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..dicom.stored_pixels import is_compressed

if TYPE_CHECKING:
    from pydicom import Dataset

#: Overlays lie in the even groups from 6000 to 601E.
_OVERLAYS = range(0x6000, 0x6020, 2)


def mask_icon(dataset: Dataset, mask: np.ndarray) -> bool:
    """Mask the icon (0088,0200) as the picture was masked, or take it out where it can't be told how.

    Args:
        dataset: Changed.
        mask: ``(row, column)`` bool, of the picture.

    Returns:
        Whether there was one.
    """
    if "IconImageSequence" not in dataset:
        return False
    if not mask.any():
        return False
    items = list(dataset.IconImageSequence or [])
    if not all(_masked_icon(item, mask, compressed=is_compressed(dataset)) for item in items):
        del dataset.IconImageSequence
    return True


def _masked_icon(item: Dataset, mask: np.ndarray, *, compressed: bool) -> bool:
    rows, columns = int(item.get("Rows") or 0), int(item.get("Columns") or 0)
    content = bytes(item.get("PixelData") or b"")
    whole = compressed or int(item.get("BitsAllocated") or 0) != 8 or int(item.get("SamplesPerPixel") or 1) != 1
    if whole or not rows or len(content) < rows * columns:
        return False
    if abs(rows / columns - mask.shape[0] / mask.shape[1]) > 0.1 * rows / columns:
        return False
    # A pixel of the icon is masked if any pixel of the picture beneath it is.
    down = np.linspace(0, mask.shape[0], rows + 1).astype(int)
    across = np.linspace(0, mask.shape[1], columns + 1).astype(int)
    small = np.add.reduceat(np.add.reduceat(mask.astype(int), down[:-1], 0), across[:-1], 1) > 0
    pixels = np.frombuffer(content, np.uint8).copy()
    icon = pixels[: rows * columns].reshape(rows, columns)
    icon[small] = icon.max() if item.get("PhotometricInterpretation") == "MONOCHROME1" else icon.min()
    item.PixelData = pixels.tobytes()
    return True


def overlay_pictures(dataset: Dataset) -> dict[int, np.ndarray]:
    """Each overlay that has data of its own, by its group: ``(row, column)`` uint8, 255 where it draws.

    Those of several frames show what any of them draws.
    """
    pictures = {}
    for group in _OVERLAYS:
        bits = _bits(dataset, group)
        if bits is not None:
            pictures[group] = 255 * bits.max(0).astype(np.uint8)
    return pictures


def mask_overlay(dataset: Dataset, group: int, mask: np.ndarray) -> None:
    """Clear what an overlay draws inside a mask, in all its frames.

    Args:
        dataset: Changed.
        group: Of the overlay.
        mask: ``(row, column)`` bool, on the overlay's own grid.
    """
    bits = _bits(dataset, group)
    if bits is None or not bits[:, mask].any():
        return
    bits[:, mask] = 0
    element = dataset[group, 0x3000]
    packed = np.packbits(bits.ravel(), bitorder="little").tobytes()
    element.value = packed.ljust(len(element.value), b"\0")


def overlay_origin(dataset: Dataset, group: int) -> tuple[int, int]:
    """Row and column of the picture at which an overlay's first pixel lies, from 0."""
    origin = dataset.get((group, 0x0050))
    row, column = (1, 1) if origin is None or not origin.value else (int(each) for each in list(origin.value)[:2])
    return row - 1, column - 1


def clear_embedded_overlays(dataset: Dataset) -> bool:
    """Clear the overlays that machines of old kept in unused bits of the pixels, and take their description out.

    Args:
        dataset: Changed, where its pixels are uncompressed; a decoder hands no such bits on.

    Returns:
        Whether there was one.
    """
    found = [group for group in _OVERLAYS if (group, 0x0010) in dataset and (group, 0x3000) not in dataset]
    for group in found:
        position = dataset.get((group, 0x0102))
        allocated = int(dataset.get("BitsAllocated") or 0)
        if position is not None and 0 < int(position.value or 0) < allocated and not is_compressed(dataset):
            bit, size = int(position.value), allocated // 8
            order = ">" if dataset.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.2" else "<"
            content = bytes(dataset.PixelData)
            values = np.frombuffer(content[: len(content) // size * size], f"{order}u{size}")
            cleared = values & values.dtype.type(((1 << allocated) - 1) ^ (1 << bit))
            dataset.PixelData = cleared.astype(values.dtype).tobytes() + content[values.nbytes :]
        for element in list(dataset.group_dataset(group)):
            del dataset[element.tag]
    return bool(found)


def _bits(dataset: Dataset, group: int) -> np.ndarray | None:
    """``(frame, row, column)`` of 0 and 1; None where the group holds no overlay data of the size it tells."""
    if (group, 0x3000) not in dataset or (group, 0x0010) not in dataset or (group, 0x0011) not in dataset:
        return None
    rows, columns = int(dataset[group, 0x0010].value), int(dataset[group, 0x0011].value)
    number = dataset.get((group, 0x0015))
    frames = int(number.value) if number is not None and number.value else 1
    content = np.frombuffer(bytes(dataset[group, 0x3000].value), np.uint8)
    if rows * columns * frames < 1 or content.size * 8 < rows * columns * frames:
        return None
    bits = np.unpackbits(content, bitorder="little")[: rows * columns * frames]
    return bits.reshape(frames, rows, columns)
