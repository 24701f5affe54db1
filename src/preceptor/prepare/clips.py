"""Clips: images with time. Their frames lie along the axis after the channels, and ``meta`` says when each was taken.

``meta["frame_times_s"]`` holds the seconds of each frame, counted from any moment; ``meta["time_step_s"]`` stands for a
constant step where a file says no more. Without either nothing is assumed.
"""

from __future__ import annotations

import numpy as np

from preceptor.core.errors import PrepareError
from preceptor.core.image import Image


def times_of(clip: Image) -> np.ndarray:
    """``(frame,)`` seconds of each frame.

    Raises:
        PrepareError: The file said nothing of them, or what it said does not fit its frames.
    """
    frames = clip.array.shape[1]
    times, step = clip.meta.get("frame_times_s"), clip.meta.get("time_step_s")
    if times is None and not step:
        raise PrepareError(
            "the clip does not say when its frames were taken",
            where="meta: frame_times_s",
            expected="a time for each frame, or a constant step",
            remedy="read it from a file that tells (DICOM frame time, video, NIfTI with a time step)",
            code="frame_times_unknown",
        )
    found = np.asarray(times, dtype=float) if times is not None else np.arange(frames) * float(step or 0)
    if len(found) != frames or not np.isfinite(found).all() or (np.diff(found) <= 0).any():
        raise PrepareError(
            f"the clip has {frames} frames and {len(found)} times that do not fit them",
            where="meta: frame_times_s",
            expected="one time a frame, each later than the one before",
            remedy="export the clip again, or exclude the case",
            code="frame_times_wrong",
        )
    return found
