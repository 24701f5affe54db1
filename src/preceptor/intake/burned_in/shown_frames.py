"""Pictures of 8 bits in which to look for text: a file's frames as displayed, and what a clip shows over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pydicom import Dataset

#: Up to so many frames each is searched; of more, some of them and what they show together.
EVERY_FRAME_UP_TO = 8


def displayed(frames: np.ndarray, dataset: Dataset) -> list[np.ndarray]:
    """Frames as a display shows them, in each window in which something may stand out.

    Args:
        frames: ``(frame, row, column[, 3])`` as decoded: stored values, or RGB.
        dataset: Tells the photometric interpretation.

    Returns:
        One array or two ``(frame, row, column[, 3])`` uint8: the full range, in which letters at its end stand out, and
        that without its outermost values where it differs, in which letters in mid grey do.
    """
    photometric = str(dataset.get("PhotometricInterpretation", ""))
    if photometric == "PALETTE COLOR":
        from pydicom.pixels import apply_color_lut

        frames = np.asarray(apply_color_lut(frames, dataset))
        frames = (frames >> 8).astype(np.uint8) if frames.dtype == np.uint16 else frames
    if frames.dtype == np.uint8 and frames.ndim == 4:
        return [frames]
    low, high = float(frames.min()), float(frames.max())
    sample = frames.reshape(-1)[:: max(1, frames.size // 1_000_000)]
    inner = [float(each) for each in np.percentile(sample, (0.5, 99.5))]
    windows = [(low, high)]
    if inner[1] > inner[0] and high - low > 1.3 * (inner[1] - inner[0]):
        windows.append((inner[0], inner[1]))
    inverted = photometric == "MONOCHROME1"
    return [_windowed(frames, *window, inverted) for window in windows]


def _windowed(frames: np.ndarray, low: float, high: float, inverted: bool) -> np.ndarray:
    shown = np.empty(frames.shape, np.uint8)
    for index, frame in enumerate(frames):
        grey = np.clip((frame.astype(np.float32) - low) * (255 / max(high - low, 1e-6)), 0, 255)
        shown[index] = 255 - grey if inverted else grey
    return shown


def searched(frames: np.ndarray) -> list[np.ndarray]:
    """The pictures to search of a clip.

    Up to eight frames all are searched. Of more: the first, the last and one between, and the brightest, the darkest
    and the median of every pixel over time. What is written in white in one frame alone stands in the brightest.

    Args:
        frames: ``(frame, row, column[, 3])`` uint8.

    Returns:
        Pictures ``(row, column[, 3])``.
    """
    if len(frames) <= EVERY_FRAME_UP_TO:
        return list(frames)
    some = frames[np.linspace(0, len(frames) - 1, 31).round().astype(int)] if len(frames) > 31 else frames
    middle = np.median(some, axis=0).astype(np.uint8)
    return [frames[0], frames[len(frames) // 2], frames[-1], frames.max(0), frames.min(0), middle]
