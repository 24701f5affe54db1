"""When each frame of a clip was taken, and what a clip of another frame rate shows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

#: A frame this little beyond the last is the last: times are sums of rounded numbers.
_SLACK = 1e-6


def frame_times(
    frames: int, *, rate_hz: float | None = None, increments_ms: Sequence[float] | None = None
) -> np.ndarray:
    """Seconds from the first frame to each.

    Args:
        frames: How many.
        rate_hz: Frames a second, where it is constant.
        increments_ms: Or what DICOM calls the frame time vector: milliseconds from the frame before, the first 0.

    Returns:
        ``(frame,)`` float, beginning at 0.

    Raises:
        ValueError: Neither or both are given, or they do not fit.

    Source: DICOM PS3.3 C.7.6.5.1 (Frame Time Vector (0018,1065)).
    """
    if (rate_hz is None) == (increments_ms is None):
        raise ValueError("a rate or increments are needed")
    if rate_hz is not None:
        if not rate_hz > 0:
            raise ValueError("a rate is greater than 0")
        return np.arange(frames) / rate_hz
    steps = np.asarray(increments_ms, dtype=float)
    if len(steps) != frames or (steps[1:] <= 0).any():
        raise ValueError("there is one increment a frame, and each frame comes after the one before")
    return np.cumsum(steps - np.where(np.arange(frames) == 0, steps, 0)) / 1000


def mean_rate_hz(times_s: np.ndarray) -> float:
    """Frames a second: the intervals, one fewer than the frames, over the time they took. NaN of one frame."""
    if len(times_s) < 2:
        return float("nan")
    return float((len(times_s) - 1) / (times_s[-1] - times_s[0]))


def new_times(times_s: np.ndarray, rate_hz: float) -> np.ndarray:
    """The times of a clip at another rate: from the first frame on, none after the last: nothing is extrapolated."""
    number = math.floor((times_s[-1] - times_s[0]) * rate_hz + _SLACK) + 1
    there: np.ndarray = np.minimum(times_s[0] + np.arange(number) / rate_hz, times_s[-1])
    return there


def places_at(times_s: np.ndarray, there_s: np.ndarray) -> np.ndarray:
    """``(new frame,)`` fractional frame numbers: linear between the two frames around each time."""
    found: np.ndarray = np.interp(there_s, times_s, np.arange(len(times_s)))
    return found


def nearest_at(times_s: np.ndarray, there_s: np.ndarray) -> np.ndarray:
    """``(new frame,)`` the frame that is nearest in time; of two as near, the earlier."""
    after = np.clip(np.searchsorted(times_s, there_s), 1, max(len(times_s) - 1, 1))
    if len(times_s) == 1:
        return np.zeros(len(there_s), dtype=np.intp)
    early, late = there_s - times_s[after - 1], times_s[after] - there_s
    found: np.ndarray = np.where(late < early - _SLACK * np.diff(times_s).min(), after, after - 1)
    return found
