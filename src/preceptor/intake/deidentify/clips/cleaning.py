"""A clip without its titles, days and places: the pictures' own packets in a new container, and every frame compared."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from preceptor.core.errors import MissingExtra, PrepareError
from preceptor.core.files import write_aside
from preceptor.intake.decoding import Child
from preceptor.intake.video.clips import decode_video
from preceptor.intake.video.video_decoding import video_kind

from .gif import without_words

_SECONDS = 300
_CHILD = Child("preceptor.intake.deidentify.clips.remuxing", "answer_requests", _SECONDS)

_LARGEST_GIF_BYTES = 2**30
#: What a container is written as: its muxer and its suffix, by its demuxer and, where several share one, its first bytes.
#: A program stream of MPEG keeps neither an index nor its length: it becomes MP4.
_FORMS = {"avi": ("avi", ".avi"), "mov": ("mp4", ".mp4"), "matroska": ("matroska", ".mkv"), "mpeg": ("mp4", ".mp4")}
_FLAG = "a clip: writing in its pictures was not searched for"


@dataclass(frozen=True)
class CleanedClip:
    """What became of a clip.

    Args:
        suffix: Of the file that was written.
        counts: How often each rule was applied.
        flags: What a person should look at.
    """

    suffix: str
    counts: Counter[str]
    flags: tuple[str, ...]


def clean_clip(source: Path, kind: str, target: Path) -> CleanedClip:
    """Write a clip anew with nothing but its pictures and their times.

    Titles, comments, days, places, chapters, attachments, sound, subtitles and data streams stay behind, and so do messages,
    comments and user data between the pictures. Nothing is encoded anew; both files are decoded, and the new one is refused
    where a frame or its time differs.

    Args:
        source: The clip.
        kind: Its demuxer, from `preceptor.intake.video.video_decoding.video_kind`.
        target: The file to write.

    Raises:
        PrepareError: It is damaged, too large to be compared, of a codec or container that can't be cleaned, or came back
            changed.
        MissingExtra: PyAV is not installed.

    Source: ISO/IEC 14496-12 (MP4), Matroska (RFC 9559), GIF89a; FFmpeg's bit-stream filters.
    """
    if find_spec("av") is None:
        raise MissingExtra.of("video", "cleaning a video")
    if kind == "gif":
        counts = _clean_gif(source, target)
        suffix = ".gif"
    else:
        form, suffix = _form(source, kind)
        request = {
            "path": str(Path(source).absolute()),
            "kind": kind,
            "target": str(Path(target).absolute()),
            "form": form,
        }
        try:
            facts, _ = _CHILD.ask(request)
        except ValueError as error:
            raise _refusal(str(error)) from None
        except RuntimeError:
            raise _refusal("ended") from None
        counts = Counter(facts["counts"])
    _compare(source, target, kind)
    return CleanedClip(suffix, counts, (_FLAG,))


def _form(source: Path, kind: str) -> tuple[str, str]:
    if kind not in _FORMS:
        raise PrepareError(
            "a clip in this container can't be cleaned",
            expected="MP4, MOV, AVI, Matroska, a program stream of MPEG, or GIF",
            remedy="put it into another container without encoding it: ffmpeg -i IN -c copy OUT.mp4",
            code="clip_container",
        )
    with Path(source).open("rb") as stream:
        start = stream.read(64)
    if kind == "mov" and (start[4:8] != b"ftyp" or start[8:12] == b"qt  "):
        return "mov", ".mov"
    if kind == "matroska" and b"webm" in start:
        return "webm", ".webm"
    return _FORMS[kind]


def _clean_gif(source: Path, target: Path) -> Counter[str]:
    if Path(source).stat().st_size > _LARGEST_GIF_BYTES:
        raise PrepareError("the GIF is larger than 1 GiB", expected="a clip", code="too_large")
    try:
        content, removed = without_words(Path(source).read_bytes())
    except ValueError:
        raise _refusal("damaged") from None
    with write_aside(Path(target), durable=False) as aside:
        aside.write_bytes(content)
    return Counter({"removed": removed})


def _compare(source: Path, target: Path, kind: str) -> None:
    """Refuse what does not show the same frames at the same times."""
    before, frames = decode_video(source, kind)
    with Path(target).open("rb") as stream:
        written = video_kind(stream.read(64))
    after, same = decode_video(target, written or kind)
    told = ("shape", "times_s", "rotation", "pixel_aspect")
    alike = all(_near(before.get(name), after.get(name)) for name in told)
    if not alike or not np.array_equal(frames, same):
        raise _refusal("changed")


def _near(one: object, other: object) -> bool:
    """Alike, times to a hundredth of a millisecond: containers count in ticks of their own."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and bool(np.allclose(one, other, rtol=0, atol=1e-5))
    return one == other


def _refusal(told: str) -> PrepareError:
    what, expected, remedy, code = {
        "codec": (
            "the clip's pictures are coded in a way that can't be searched for words",
            "H.264, HEVC, MPEG-1, -2 or -4, Motion JPEG, VP8, VP9, FFV1, HuffYUV or raw frames",
            "code it anew, as FFV1 without loss: ffmpeg -i IN -map 0:v -c:v ffv1 OUT.mkv",
            "codec",
        ),
        "changed": (
            "the clip without its words shows other frames than the original, or at other times",
            "the same frames",
            "code it anew, as FFV1 without loss: ffmpeg -i IN -map 0:v -c:v ffv1 OUT.mkv",
            "clip_changed",
        ),
        "several": ("the clip holds several videos", "one", "part it into its videos", "several_videos"),
    }.get(
        told,
        (
            "the clip can't be de-identified for certain: it is damaged",
            "a whole clip",
            "copy or export it again",
            "clip_damaged",
        ),
    )
    return PrepareError(what, expected=expected, remedy=remedy, code=code)
