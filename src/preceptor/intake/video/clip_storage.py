"""Clips stored: as arrays or compressed video, and what of them is lost, measured on what was written."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from preceptor.core.errors import MissingExtra, PrepareError
from preceptor.core.files import write_aside
from preceptor.core.image import Image

from ..read import read_image

Form = Literal["array", "ffv1", "h264"]

#: Times are stored in whole microseconds.
_TICK = Fraction(1, 1_000_000)

_SUFFIX = {"array": ".npz", "ffv1": ".mp4", "h264": ".mp4"}


class Stored(NamedTuple):
    """What became of a clip that was stored.

    Args:
        path: The file.
        lossless: Whether every value came back as it was; measured by reading the file again, not promised.
        bytes: On disk.
        share: Of the bytes that the pixels take in memory.
        worst: Largest difference of a value.
        root_mean_square: Of the differences.
        time_error_s: Largest error of a frame's time; 0 where none was known.
        lost: What the form can't hold, in words.
    """

    path: Path
    lossless: bool
    bytes: int
    share: float
    worst: float
    root_mean_square: float
    time_error_s: float
    lost: tuple[str, ...]


def write_clip(path: Path, clip: Image, form: Form = "ffv1", quality: int = 18) -> Stored:
    """Store a clip and read it again.

    ``array`` (an ``.npz`` of ``frames``, ``frame_times_s`` and ``affine_mm``) holds any values and the geometry. ``ffv1`` holds
    the same integers at a fraction of the size, ``h264`` what looks the same; both forget millimetres.

    Args:
        path: Ending in ``.npz`` for an array, ``.mp4`` for a video.
        clip: ``(channel, time, x, y)``; with times, or with a constant step.
        form: ``array``: any type, lossless. ``ffv1``: uint8 of 1 or 3 channels, uint16 of one, lossless. ``h264``: uint8,
            lossy.
        quality: Of ``h264``: the constant rate factor, 0 best and 51 worst; 18 is taken for invisible to the eye, which is
            no promise for a measurement.

    Returns:
        What was lost, measured.

    Raises:
        PrepareError: The image is no clip, the form can't hold its values, or a form that is lossless came back changed.
        MissingExtra: PyAV, or its encoder, is not installed.

    Source: FFV1 (RFC 9043); H.264 (ITU-T H.264) by FFmpeg's libx264.

    Example:
        >>> import tempfile
        >>> moving = Image(np.zeros((1, 3, 4, 4), np.uint8), np.eye(4), has_time=True, meta={"time_step_s": 0.04})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_clip(Path(folder) / "clip.npz", moving, "array").lossless
        True
    """
    path = Path(path)
    if not clip.has_time or clip.space_dims != 2:
        raise _unfit("the image is no clip", "(channel, time, x, y)", "write volumes as NIfTI")
    if path.suffix != _SUFFIX[form]:
        raise _unfit(f"the form '{form}' is not stored as '{path.suffix}'", _SUFFIX[form], "name the file so")
    frames = clip.array.swapaxes(-1, -2)
    frames = frames[0] if len(frames) == 1 else np.moveaxis(frames, 0, -1)
    times_s = _times(clip)
    with write_aside(path) as aside:
        if form == "array":
            members = {"frames": frames, "affine_mm": clip.affine_mm, "known": np.array(clip.has_known_geometry)}
            if times_s is not None:
                members["frame_times_s"] = times_s
            with aside.open("wb") as file:
                np.savez(file, allow_pickle=False, **members)
        else:
            if times_s is None:
                raise _unfit("the clip's times are not known", "a time for each frame", "store it as an array")
            _encode(aside, frames, times_s, form, quality)
    return _measured(path, clip, times_s, form)


def _times(clip: Image) -> np.ndarray | None:
    times, step = clip.meta.get("frame_times_s"), clip.meta.get("time_step_s")
    if times is None and not step:
        return None
    found = np.asarray(times, dtype=float) if times is not None else np.arange(clip.array.shape[1]) * float(step or 0)
    return found - found[0]


def _encode(path: Path, frames: np.ndarray, times_s: np.ndarray, form: Form, quality: int) -> None:
    try:
        import av
    except ImportError as error:
        raise MissingExtra.of("video", "storing a clip as video") from error
    codec = {"ffv1": "ffv1", "h264": "libx264"}[form]
    if codec not in av.codecs_available:
        raise MissingExtra.of("video", f"storing a clip as {form}: this FFmpeg has no encoder, which")
    given, stored = _pixel_formats(frames, form)
    height, width = frames.shape[1:3]
    with av.open(path, "w", format="mp4") as container:
        stream = container.add_stream(codec, rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, stored
        stream.time_base = stream.codec_context.time_base = _TICK
        if form == "h264":
            stream.options = {"crf": str(quality)}
        for values, time_s in zip(frames, times_s, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(values), format=given)
            frame.pts, frame.time_base = round(time_s / _TICK), _TICK
            for packet in stream.encode(frame.reformat(format=stored)):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)


def _pixel_formats(frames: np.ndarray, form: Form) -> tuple[str, str]:
    """As given and as stored."""
    colours = frames.shape[3] if frames.ndim == 4 else 1
    if frames.dtype == np.uint8 and colours == 1 and form == "ffv1":
        return "gray", "gray"
    if frames.dtype == np.uint16 and colours == 1 and form == "ffv1":
        return "gray16le", "gray16le"
    if frames.dtype == np.uint8 and colours == 3 and form == "ffv1":
        return "rgb24", "bgr0"
    if frames.dtype == np.uint8 and colours in (1, 3) and form == "h264":
        even = not (frames.shape[1] % 2 or frames.shape[2] % 2)
        return "gray" if colours == 1 else "rgb24", "yuv420p" if even else "yuv444p"
    raise _unfit(
        f"a clip of {colours} channels of {frames.dtype.name} does not fit the form '{form}'",
        "uint8 of 1 or 3 channels" + (", or uint16 of 1" if form == "ffv1" else ""),
        "store it as an array",
    )


def _measured(path: Path, clip: Image, times_s: np.ndarray | None, form: Form) -> Stored:
    back = read_image(path.parent, path.name)
    given = clip.array if clip.array.shape[1] > 1 else clip.array[:, 0]
    lost = ["millimetres and the place in space"] if form != "array" and clip.has_known_geometry else []
    if form == "h264" and len(given) == 1:
        lost.append("one channel of grey comes back as three that are alike")
        given = np.repeat(given, 3, axis=0)
    if back.array.shape != given.shape:
        raise _changed(path)
    difference = np.abs(back.array.astype(np.float64) - given.astype(np.float64))
    lossless = bool((difference == 0).all()) and back.array.dtype == clip.array.dtype
    if not lossless and form != "h264":
        raise _changed(path)
    late = 0.0
    if times_s is not None and len(times_s) > 1:
        late = float(np.abs(np.asarray(back.meta["frame_times_s"]) - times_s).max())
    size = path.stat().st_size
    return Stored(
        path,
        lossless,
        size,
        size / clip.array.nbytes,
        float(difference.max()),
        float(np.sqrt((difference**2).mean())),
        late,
        tuple(lost),
    )


def _unfit(what: str, expected: str, remedy: str) -> PrepareError:
    return PrepareError(what, where="clip", expected=expected, remedy=remedy, code="clip_form")


def _changed(path: Path) -> PrepareError:
    path.unlink()
    return PrepareError(
        "the stored clip differs from the one given; the file was taken away again",
        where="clip",
        expected="every value as it was",
        remedy="store it as an array",
        code="clip_changed",
    )
