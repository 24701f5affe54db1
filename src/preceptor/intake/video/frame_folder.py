"""A clip as a folder of pictures, one a frame, with the times that its source names."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core.errors import PrepareError, safe_name
from preceptor.core.image import UNKNOWN_GEOMETRY, Image
from preceptor.maths.frame_times import frame_times

from ..limits import check_dimensions
from ..raster import read_picture
from .clips import MAX_FRAMES, clip

_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"BM")


def frame_files(folder: Path) -> list[Path]:
    """The pictures of a folder that holds nothing else, in the order of the numbers in their names; else an empty list."""
    files = [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
    for path in files:
        with path.open("rb") as file:
            if not file.read(4).startswith(_PICTURES):
                return []
    return sorted(files, key=lambda path: [int(part) if part.isdigit() else part for part in _parts(path.name)])


def _parts(name: str) -> list[str]:
    """Text and numbers in turn, text first: frame 10 comes after frame 9."""
    return re.split(r"(\d+)", name)


def timed_source(folder: str, times_s: Sequence[float]) -> str:
    """How a case names a folder of frames and their times: ``folder::times_s=0,0.04,0.11``."""
    return f"{folder}::times_s=" + ",".join(f"{time:.9g}" for time in times_s)


def evenly_timed_source(root: Path, folder: str, rate_hz: float, of_frames: int | None = None) -> str:
    """The source of a folder whose frames are evenly spaced over a longer clip: each has the time it was taken at.

    Args:
        root: Folder that the source is relative to.
        folder: The source without times.
        rate_hz: Frames a second of the clip that they come from.
        of_frames: How many frames that clip has; those here are its first, its last, and the nearest to even spacing between.
            None where all are here.
    """
    path = root / folder
    frames = len(frame_files(path)) if path.is_dir() else 0
    if not frames:
        return folder
    places = np.arange(frames) if of_frames is None else np.linspace(0, of_frames - 1, frames).round()
    return timed_source(folder, (places / rate_hz).tolist())


def read_frame_folder(files: Sequence[Path], member: str | None) -> Image:
    """Read pictures as the frames of a clip.

    Args:
        files: In order.
        member: What the source says of time: ``rate_hz=25``, ``times_s=0,0.04,0.11``, or None where it is not known. A
            step that needs times then refuses; they are not assumed.

    Returns:
        An `Image` ``(channel, time, x, y)`` of unknown geometry.

    Raises:
        PrepareError: Too many frames, frames of different sizes or kinds, or times that do not fit them.
    """
    if len(files) > MAX_FRAMES:
        raise _wrong(files[0], f"the folder holds {len(files):,} frames", f"at most {MAX_FRAMES:,}", "too_large")
    first = read_picture(files[0])
    check_dimensions((len(files), *first.array.shape), files[0])
    frames = np.empty((len(files), *first.array.shape), first.array.dtype)
    for number, path in enumerate(files):
        frame = first if number == 0 else read_picture(path)
        if frame.array.shape != first.array.shape or frame.array.dtype != first.array.dtype:
            raise _wrong(path, "the frame differs in size or colours from the first", "frames alike", "frames_differ")
        frames[number] = frame.array
    meta: dict[str, Any] = {"source_format": f"folder of {first.meta['source_format']}", "geometry": UNKNOWN_GEOMETRY}
    if member is not None:
        meta["frame_times_s"] = _times(member, len(files), files[0].parent)
    # (frame, channel, x, y) to (frame, row, column, channel), which a clip is made of.
    return clip(frames[:, 0].swapaxes(1, 2) if first.channels == 1 else frames.transpose(0, 3, 2, 1), np.eye(4), meta)


def _times(member: str, frames: int, folder: Path) -> list[float]:
    name, _, text = member.partition("=")
    try:
        if name == "rate_hz":
            return frame_times(frames, rate_hz=float(text)).tolist()
        times = [float(each) for each in text.split(",")] if name == "times_s" else []
    except ValueError:
        times = []
    rising = all(before < after for before, after in zip(times, times[1:], strict=False))
    if len(times) != frames or not rising or not all(map(math.isfinite, times)):
        raise _wrong(
            folder,
            f"what is said of time ('{name}') does not fit {frames} frames",
            "rate_hz=<frames a second>, or times_s=<seconds of each, rising>",
            "frame_times_wrong",
        )
    return times


def _wrong(path: Path, what: str, expected: str, code: str) -> PrepareError:
    remedy = "look at the folder, or at the table that names it"
    return PrepareError(what, where=safe_name(path), expected=expected, remedy=remedy, code=code)
