"""Packets of one video copied into a new container, in a process of its own with limits."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from preceptor.intake.decoding import confine, output_alone, requests, send, send_answer

from ..slides.streams import words_of_jpeg
from .parameter_sets import without_messages

if TYPE_CHECKING:
    import av

_MEMORY_BYTES = 4 * 2**30
_MOST_GROWTH = 1 << 22

#: Messages between pictures, by codec, as FFmpeg's filter of units counts them: supplemental information and user data.
_MESSAGES = {"h264": "6", "hevc": "39-40", "mpeg1video": "178", "mpeg2video": "178", "av1": "5"}
_OTHERS = ("mpeg4", "mjpeg", "vp8", "vp9", "ffv1", "huffyuv", "ffvhuff", "rawvideo")

_USER_DATA = re.compile(rb"\x00\x00\x01\xb2(.*?)(?=\x00\x00\x01|\Z)", re.DOTALL)
#: What coders of MPEG-4 write of themselves; decoders read it, for they know each one's faults.
_CODER = re.compile(rb"(?:Lavc|FFmpeg|XviD|DivX)[0-9a-zA-Z.]{0,16}\x00*")


class _RefusedError(Exception):
    """Why a clip is refused, as a short code."""


def answer_requests() -> None:
    """What the child runs: one clip after another."""
    import av

    av.logging.set_level(None)
    confine(_MEMORY_BYTES)
    output = output_alone()
    for request in requests():
        try:
            counts = _remuxed(request)
        except _RefusedError as error:
            send(output, json.dumps({"error": str(error)}).encode())
            continue
        except Exception:  # told by nothing: the text may hold values of the file
            send(output, json.dumps({"error": "damaged"}).encode())
            continue
        send_answer(output, {"counts": counts}, np.zeros(0, np.uint8))


def _remuxed(request: dict[str, Any]) -> dict[str, int]:
    import av

    counts: Counter[str] = Counter()
    source, target = Path(request["path"]), Path(request["target"])
    with source.open("rb") as file, av.open(file, "r", format=request["kind"]) as container:
        if len(container.streams.video) != 1:
            raise _RefusedError("several" if len(container.streams.video) else "no_video")
        video = container.streams.video[0]
        codec = video.codec_context.name
        if codec not in (*_MESSAGES, *_OTHERS):
            raise _RefusedError("codec")
        counts["streams removed"] = len(container.streams) - 1
        counts["removed"] = len(container.metadata) + sum(len(stream.metadata) for stream in container.streams)
        options = {"fflags": "+bitexact"}
        with av.open(str(target), "w", format=request["form"], options=options) as made:
            copy = made.add_stream_from_template(video)
            made.metadata.clear()
            copy.metadata.clear()
            room = source.stat().st_size + _MOST_GROWTH
            for packet in _packets(container, video, copy, codec, counts):
                packet.stream = copy
                made.mux(packet)
                if target.stat().st_size > room:
                    raise _RefusedError("damaged")
    return dict(counts)


def _packets(
    container: av.container.InputContainer,
    video: av.VideoStream,
    copy: av.VideoStream,
    codec: str,
    counts: Counter[str],
) -> Iterator[av.Packet]:
    """The packets in order, without messages."""
    from av.bitstream import BitStreamFilterContext

    if codec in _MESSAGES:
        messages = BitStreamFilterContext(f"filter_units=remove_types={_MESSAGES[codec]}", video, copy)
        if codec in ("h264", "hevc"):  # the filter has brought the stream's head into its own form, messages and all
            copy.codec_context.extradata = without_messages(copy.codec_context.extradata or b"", codec)
        for packet in container.demux(video):
            if packet.size:
                yield from messages.filter(packet)
        yield from messages.filter(None)
        return
    if codec == "mpeg4" and copy.codec_context.extradata:
        copy.codec_context.extradata = _without_user_data(copy.codec_context.extradata, counts)
    for packet in container.demux(video):
        if not packet.size:
            continue
        if codec in ("mjpeg", "mpeg4"):
            content = bytes(packet)
            cleaned = _without_comments(content, counts) if codec == "mjpeg" else _without_user_data(content, counts)
            if cleaned != content:
                packet.update(cleaned)
        yield packet


def _without_comments(picture: bytes, counts: Counter[str]) -> bytes:
    made = bytearray(picture)
    try:
        found = words_of_jpeg(picture)
    except ValueError:
        raise _RefusedError("damaged") from None
    for at, length in found:
        made[at : at + length] = bytes(length)
    counts["words in pictures"] += len(found)
    return bytes(made)


def _without_user_data(content: bytes, counts: Counter[str]) -> bytes:
    """MPEG-4 with every user data that no coder wrote of itself overwritten."""
    made = bytearray(content)
    for found in _USER_DATA.finditer(content):
        if not _CODER.fullmatch(found[1]):
            made[found.start(1) : found.end(1)] = b"." * len(found[1])
            counts["words in pictures"] += 1
    return bytes(made)
