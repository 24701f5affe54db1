"""Video as clips: GIF, MP4, MOV, AVI, MPEG and Matroska, and the compressed streams inside DICOM.

A clip is ``(channel, time, x, y)`` with ``meta["frame_times_s"]``: the seconds from its first frame to each, as the file's own
timestamps say, so that a variable rate stays one. Sound, titles, places and other metadata are never read.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core.errors import MissingExtra, PrepareError, safe_name
from preceptor.core.image import UNKNOWN_GEOMETRY, Image

from ..decoding import Child
from ..limits import MAX_PICTURE_PIXELS, MAX_VOXELS

#: Most frames of one clip: eleven minutes at thirty a second.
MAX_FRAMES = 20_000

#: A clip that takes longer is no clip, or a trap.
SECONDS = 120

_CHILD = Child("preceptor.intake.video.video_decoding", "answer_requests", SECONDS)

_REASONS = {
    "too_large": (
        "the video is larger than a clip can be",
        f"at most {MAX_FRAMES:,} frames and {MAX_VOXELS:,} values in all",
        "cut it, or export it at a smaller size",
    ),
    "bomb": (
        "the video unfolds to thousands of times its bytes: nothing moves in it, or it is a decompression bomb",
        "a film of something",
        "keep one of its frames",
    ),
    "no_video": ("the file holds no video", "a picture stream", "export the clip again"),
    "transparent": (
        "the video is partly transparent: what is seen there depends on the background",
        "opaque frames",
        "flatten it onto the background it is meant for",
    ),
    "size_changes": ("the frames differ in size", "frames of one size", "split the clip where its size changes"),
    "rotation": ("the frames are turned by an odd angle", "a multiple of 90 degrees", "export the clip again, upright"),
}


def read_video(path: Path, kind: str, *, is_label: bool = False) -> Image:
    """Read a clip with the true time of each frame.

    Grey is kept as stored, in 8 or up to 16 bits; all else becomes RGB of 8 bits by FFmpeg's conversion. A rotation that
    the file asks for is applied and recorded, and pixels that are not square give the affine its two spacings. A file of
    one frame is a picture, without time.

    Args:
        path: The file.
        kind: Its demuxer, from `video_kind`, or ``dicom`` for the stream inside a DICOM file.
        is_label: Refused: a lossy picture holds no codes.

    Returns:
        An `Image` ``(channel, time, x, y)``; ``meta`` has ``frame_times_s`` where the file tells times that increase,
        ``codec``, ``pixel_format`` and what was changed. The geometry is unknown.

    Raises:
        PrepareError: Too large (told before decoding where the header says so), damaged, cut short, transparent, a label map;
            or no decoder finished in two minutes.
        MissingExtra: PyAV is not installed.

    Source: FFmpeg by PyAV; presentation timestamps of ISO/IEC 14496-12 and 13818-1.
    """
    if is_label:
        raise PrepareError(
            "a video is given as a label map",
            where=safe_name(path),
            expected="integer codes, stored without loss",
            remedy="store the label map as an array or NIfTI",
            code="label_video",
        )
    facts, frames = decode_video(path, kind)
    meta: dict[str, Any] = {"source_format": "video" if kind == "dicom" else kind, "geometry": UNKNOWN_GEOMETRY}
    meta |= {name: facts[name] for name in ("codec", "pixel_format", "depth", "interlaced") if name in facts}
    if facts["rotation"]:
        meta["rotated_degrees"] = facts["rotation"]
    if facts["frames_declared"] > len(frames):
        meta["frames_declared"] = facts["frames_declared"]
    times_s = facts["times_s"]
    if times_s is not None and (np.diff(times_s) > 0).all():
        meta["frame_times_s"] = times_s
    elif times_s is not None:
        meta["frame_times"] = "the file's own do not increase: left out"
    sideways = facts["rotation"] % 180 != 0
    aspect = facts["pixel_aspect"] if np.isfinite(facts["pixel_aspect"]) and facts["pixel_aspect"] > 0 else 1.0
    affine_mm = np.diag([1.0, aspect, 1.0, 1.0] if sideways else [aspect, 1.0, 1.0, 1.0])
    return clip(frames, affine_mm, meta)


def decode_video(path: Path, kind: str) -> tuple[dict[str, Any], np.ndarray]:
    """The frames ``(frame, row, column[, channel])`` and what the file says of them, from a process with limits.

    Raises:
        PrepareError, MissingExtra: As in `read_video`.
    """
    from importlib.util import find_spec

    if find_spec("av") is None:
        raise MissingExtra.of("video", "reading a video")
    request = {
        "path": str(Path(path).absolute()),
        "kind": kind,
        "pixels": MAX_PICTURE_PIXELS,
        "frames": MAX_FRAMES,
        "values": MAX_VOXELS,
    }
    try:
        return _CHILD.ask(request)
    except ValueError as error:
        raise _refusal(str(error), path) from None
    except RuntimeError as error:
        raise PrepareError(
            f"the video could not be decoded within {SECONDS} s, or ended its decoder",
            where=safe_name(path),
            expected="a clip of seconds to minutes",
            remedy="export it again, or cut it",
            code="video_decoder",
        ) from error


def dicom_frames(path: Path) -> np.ndarray:
    """The frames ``(frame, row, column[, channel])`` of the stream inside a DICOM file; of the last file they are kept.

    Raises:
        PrepareError, MissingExtra: As in `read_video`.
    """
    facts = path.stat()
    return _dicom_frames(path, facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=1)
def _dicom_frames(path: Path, size: int, changed: int) -> np.ndarray:
    return decode_video(path, "dicom")[1]


def _refusal(told: str, path: Path) -> PrepareError:
    code, _, rest = told.partition(" ")
    if code == "truncated":
        there, declared = rest.split()
        what, expected = f"the video is cut short: {there} of {declared} frames are there", "every frame declared"
        return PrepareError(what, where=safe_name(path), expected=expected, remedy="copy it again", code="truncated")
    what, expected, remedy = _REASONS.get(
        code, (f"the video is damaged ({rest})", "a whole video", "copy or export the file again")
    )
    code = {"bomb": "decompression_bomb"}.get(code, code if code in ("too_large", "transparent") else f"video_{code}")
    return PrepareError(what, where=safe_name(path), expected=expected, remedy=remedy, code=code)


def clip(frames: np.ndarray, affine_mm: np.ndarray, meta: dict[str, Any]) -> Image:
    """Frames ``(frame, row, column[, channel])`` as an image with time; a single one as a picture without."""
    array = frames[None] if frames.ndim == 3 else np.moveaxis(frames, -1, 0)
    array = array.swapaxes(-1, -2)
    if array.shape[1] == 1:
        meta = {name: value for name, value in meta.items() if name != "frame_times_s"}
        return Image(np.ascontiguousarray(array[:, 0]), affine_mm, meta=meta)
    return Image(np.ascontiguousarray(array), affine_mm, has_time=True, meta=meta)
