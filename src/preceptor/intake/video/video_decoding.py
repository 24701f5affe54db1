"""Video decoded in a process of its own, with limits: the frames that are there, and the time of each.

Containers and codecs are FFmpeg's. The demuxer is named and reads from one open file: nothing is guessed from a name,
and no playlist, link or second file is ever opened.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from ..decoding import confine, output_alone, requests, send
from .gif import frame_delays_s

if TYPE_CHECKING:
    import av

_MEMORY_BYTES = 8 * 2**30

#: A header may count frames that were dropped when the clip was taken; more missing than this means a damaged file.
_MOST_MISSING = 0.05

#: Films of patients shrink by 20 to 500. One that unfolds to much, and by more than this, shows nothing that moves.
_MOST_TIMES = 1000
_MUCH_VALUES = 2**28


class _RefusedError(Exception):
    """Why a clip is refused, as a short code."""


def video_kind(start: bytes) -> str | None:
    """The demuxer for a file, or None where it is no video.

    Args:
        start: Its first bytes, 12 or more.
    """
    if start.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if start[4:8] in (b"ftyp", b"moov", b"mdat", b"wide") or start[4:12] in (b"free\0\0\0\0", b"skip\0\0\0\0"):
        return "mov"
    if start.startswith(b"RIFF") and start[8:11] == b"AVI":
        return "avi"
    if start.startswith(b"\0\0\1\xba"):
        return "mpeg"
    if start.startswith(b"\0\0\1\xb3"):
        return "mpegvideo"
    if start.startswith(b"\x1aE\xdf\xa3"):
        return "matroska"
    return None


def _stream_kind(start: bytes) -> str | None:
    """The demuxer for a bit stream inside DICOM, where it may also come bare or as a transport stream."""
    if start[:1] == b"\x47":
        return "mpegts"
    bare = start.removeprefix(b"\0").removeprefix(b"\0\0\1")
    if len(bare) < len(start) and bare[:1]:
        if bare[0] & 0x1F in (7, 9) and bare[0] < 0x80:
            return "h264"
        if bare[0] >> 1 in (32, 33, 34, 35):
            return "hevc"
    return video_kind(start)


def answer_requests() -> None:
    """What the child runs: one clip after another."""
    import av

    av.logging.set_level(None)
    confine(_MEMORY_BYTES)
    output = output_alone()
    for request in requests():
        try:
            facts, frames = _decoded(request)
        except _RefusedError as error:
            send(output, json.dumps({"error": str(error)}).encode())
            continue
        except Exception as error:  # told by kind alone: the text may hold values of the file
            send(output, json.dumps({"error": f"damaged {type(error).__name__}"}).encode())
            continue
        send(output, json.dumps(facts).encode())
        output.write(struct.pack("<Q", sum(frame.nbytes for frame in frames)))
        for frame in frames:
            output.write(np.ascontiguousarray(frame).data)
        output.flush()


def _decoded(request: dict[str, Any]) -> tuple[dict[str, Any], list[np.ndarray]]:
    import av

    with Path(request["path"]).open("rb") as file:
        stream: IO[bytes] = file
        if request["kind"] == "dicom":
            content = _bit_stream(Path(request["path"]))
            stream, kind = io.BytesIO(content), _stream_kind(content[:16])
        else:
            kind = request["kind"]
        if kind is None:
            raise _RefusedError("no_video")
        with av.open(stream, "r", format=kind) as container:
            facts, frames = _frames(container, request)
        if kind == "gif":
            delays_s = frame_delays_s(Path(request["path"]).read_bytes())
            fits = len(delays_s) == len(frames)
            facts["times_s"] = np.cumsum([0.0, *delays_s[:-1]]).round(2).tolist() if fits else None
        return facts, frames


def _bit_stream(path: Path) -> bytes:
    from pydicom import dcmread
    from pydicom.encaps import generate_fragments, parse_basic_offsets

    pixels = io.BytesIO(dcmread(path).PixelData)
    parse_basic_offsets(pixels)
    return b"".join(generate_fragments(pixels))


def _frames(container: av.container.InputContainer, request: dict[str, Any]) -> tuple[dict[str, Any], list[np.ndarray]]:
    import av

    video = container.streams.best("video")
    if not isinstance(video, av.VideoStream):
        raise _RefusedError("no_video")
    context = video.codec_context
    _check_size(context.width, context.height, request)
    rate = video.average_rate or video.guessed_rate
    length = float(video.duration * video.time_base) if video.duration and video.time_base else 0.0
    expected = video.frames or int(length * float(rate or 0))
    per_frame = context.width * context.height
    if expected > request["frames"] or expected * per_frame > request["values"]:
        raise _RefusedError("too_large")
    frames: list[np.ndarray] = []
    times: list[Fraction | None] = []
    facts: dict[str, Any] = {"codec": context.name}
    read: Callable[[Any], np.ndarray] | None = None
    counted = 0
    for frame in container.decode(video):
        if frame.is_corrupt:
            raise _RefusedError("damaged frame")
        _check_size(frame.width, frame.height, request)
        if read is None:
            read = _reader(frame, facts)
        values = read(frame)
        if frames and values.shape != frames[0].shape:
            raise _RefusedError("size_changes")
        counted += values.size
        if len(frames) >= request["frames"] or counted > request["values"]:
            raise _RefusedError("too_large")
        if counted > _MUCH_VALUES and counted > _MOST_TIMES * container.size:
            raise _RefusedError("bomb")
        frames.append(values)
        if frame.pts is None or frame.time_base is None:
            times.append(None)
        else:
            times.append(Fraction(frame.pts * frame.time_base))
    if not frames:
        raise _RefusedError("damaged no frame")
    if len(frames) < video.frames * (1 - _MOST_MISSING) - 1:
        raise _RefusedError(f"truncated {len(frames)} {video.frames}")
    facts |= {"shape": [len(frames), *frames[0].shape], "dtype": frames[0].dtype.str, "frames_declared": video.frames}
    facts["times_s"] = None if None in times else [float(each - times[0]) for each in times]  # type: ignore[operator]
    aspect = video.sample_aspect_ratio
    facts["pixel_aspect"] = float(aspect) if aspect else 1.0
    return facts, frames


def _check_size(width: int, height: int, request: dict[str, Any]) -> None:
    if not (width > 0 and height > 0 and width * height <= request["pixels"]):
        raise _RefusedError("too_large" if width > 0 and height > 0 else "damaged size")


def _reader(frame: av.VideoFrame, facts: dict[str, Any]) -> Callable[[Any], np.ndarray]:
    """How frames like this one become arrays: grey as stored, all else as RGB of 8 bits."""
    parts = frame.format.components
    bits = max(part.bits for part in parts)
    facts["pixel_format"] = frame.format.name
    facts["rotation"] = int(round(frame.rotation)) % 360
    if frame.interlaced_frame:
        facts["interlaced"] = True
    if facts["rotation"] % 90:
        raise _RefusedError("rotation")
    turns = facts["rotation"] // 90
    if frame.format.name.startswith("gray") and len(parts) == 1 and bits <= 16:
        kind = np.dtype("u1") if bits <= 8 else np.dtype(">u2" if frame.format.name.endswith("be") else "<u2")
        facts["bits"] = bits

        def grey(each: Any) -> np.ndarray:
            plane = np.frombuffer(each.planes[0], kind).reshape(each.height, -1)[:, : each.width]
            return np.rot90(plane, turns).astype(kind.newbyteorder("="))

        return grey
    facts["bits"] = 8
    if bits > 8:
        facts["depth"] = f"{bits} bits a colour read as 8"
    if len(parts) in (2, 4) or frame.format.has_palette:

        def opaque(each: Any) -> np.ndarray:
            shown = each.to_ndarray(format="rgba")
            if (shown[..., 3] != 255).any():
                raise _RefusedError("transparent")
            return np.rot90(shown[..., :3], turns)

        if frame.format.name not in ("bgr0", "rgb0", "0rgb", "0bgr"):
            return opaque
    return lambda each: np.rot90(each.to_ndarray(format="rgb24"), turns)
