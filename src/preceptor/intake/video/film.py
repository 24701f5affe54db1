"""Frames that follow one another in time: which files hold such, and when each frame was taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from preceptor.maths.frame_times import frame_times

if TYPE_CHECKING:
    from pydicom import Dataset

_FILMS = (  # ultrasound, angiography, fluoroscopy of several frames
    "1.2.840.10008.5.1.4.1.1.3.1",
    "1.2.840.10008.5.1.4.1.1.12.1",
    "1.2.840.10008.5.1.4.1.1.12.2",
)
_TIMED = {0x00181063, 0x00181065}  # FrameTime, FrameTimeVector


def is_film(header: Dataset) -> bool:
    """Whether the frames follow one another in time: the file says so, or is of a kind that holds nothing else."""
    if str(header.get("SOPClassUID", "")) in _FILMS:
        return True
    pointer = header.get("FrameIncrementPointer")
    pointed = {int(tag) for tag in (pointer if isinstance(pointer, (list, tuple)) else [pointer]) if tag is not None}
    return bool(pointed & _TIMED) or any(name in header for name in ("FrameTime", "FrameTimeVector", "CineRate"))


def film_times_s(header: Dataset, frames: int) -> list[float] | None:
    """Seconds of each frame, where the file tells them and they can be true; the rates it wants to be shown at do not.

    Source: DICOM PS3.3 C.7.6.5.1.
    """
    vector, step_ms = header.get("FrameTimeVector"), header.get("FrameTime")
    try:
        if vector not in (None, ""):
            return frame_times(frames, increments_ms=[float(each) for each in vector]).tolist()
        if step_ms not in (None, ""):
            return frame_times(frames, rate_hz=1000 / float(step_ms)).tolist()
    except (TypeError, ValueError, ZeroDivisionError):
        return None  # times that do not fit the frames tell nothing; a step that needs them says so
    return None
