"""EchoNet-Dynamic: clips of the apical four-chamber view with ejection fraction and volumes."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from preceptor.core.errors import CohortError
from preceptor.intake.annotations.echonet import read_tracings
from preceptor.intake.published import Entry, Published, example_of, rows_of

_ROLES = {"TRAIN": "train", "VAL": "tune", "TEST": "test"}
_TRACED = {
    "left_ventricle_diastole": "end_diastole_frame",
    "left_ventricle_systole": "end_systole_frame",
}


class EchonetDynamic(Published):
    """EchoNet-Dynamic as published: ``FileList.csv``, ``VolumeTracings.csv`` and ``Videos/0X….avi``.

    Clips are of 112 x 112 pixels and read as video (extra ``video``). Outlines of the left ventricle are annotations:
    `preceptor annotations convert VolumeTracings.csv …` gives them in any format.

    Args:
        folder: The folder that holds ``FileList.csv``, seen from the recipe.
        keep_names: Whether keys are the published names.

    Returns (``cases``): One `Case` per clip with the view ``video``; the labels ef (percent), esv and edv (ml); the patient, who
    has one clip each; the fields frame_rate_hz, and end_diastole_frame and end_systole_frame, from 0, where the ventricle was
    traced; the official parts as the roles train, tune and test.

    Raises:
        CohortError: The table or every clip is absent (``data_absent``), or the part of a clip is unknown.

    Source: Ouyang et al. 2020, doi:10.1038/s41586-020-2145-8.

    Example:
        >>> [(case.labels["ef"], case.role) for case in EchonetDynamic.example().cases()]
        [(55.5, 'train')]
    """

    def __init__(self, folder: str = ".", keep_names: bool = False, root: Path = Path()) -> None:
        self.folder, self.keep_names, self.root = folder, keep_names, Path(root)
        self.exclusions = []

    @classmethod
    def example(cls) -> EchonetDynamic:
        head = "FileName,EF,ESV,EDV,FrameHeight,FrameWidth,FPS,NumberOfFrames,Split\n"
        made = example_of(cls, {"FileList.csv": f"{head}0X1A,55.5,30.1,67.6,16,16,50,4,TRAIN\n"})
        videos = made.cohort_root / "Videos"
        videos.mkdir()
        frames = np.arange(4 * 256, dtype=np.uint8).reshape(4, 16, 16)
        (videos / "0X1A.avi").write_bytes(_motion_jpeg(frames, rate_hz=50))
        return made

    def entries(self, base: Path) -> Iterator[Entry]:
        wanted = ("FileName", "EF", "ESV", "EDV", "Split")
        frames: dict[str, dict[str, int]] = {}
        if (base / "VolumeTracings.csv").is_file():
            for traced in read_tracings(base / "VolumeTracings.csv").rows:
                if traced.label in _TRACED and traced.frame is not None:
                    frames.setdefault(traced.case, {})[_TRACED[traced.label]] = traced.frame
        for row in rows_of(base / "FileList.csv", wanted, ["FileName", "Split"]):
            name = str(row["FileName"]).removesuffix(".avi")
            part = str(row["Split"]).upper()
            if part not in _ROLES:
                raise CohortError(
                    "the table names a part that is none",
                    where="FileList.csv",
                    expected=", ".join(_ROLES),
                    remedy="take the table from its source again",
                    code="role_unknown",
                )
            yield Entry(
                name=name,
                images={"video": f"Videos/{name}.avi"},
                patient=name,
                labels={label.lower(): row[label] for label in ("EF", "ESV", "EDV")},
                fields={"frame_rate_hz": row.get("FPS"), **frames.get(name, {})},
                role=_ROLES[part],
            )


def _motion_jpeg(frames: np.ndarray, rate_hz: int) -> bytes:
    """An AVI of JPEG pictures, as the data set's own are; frames ``(time, row, column)`` uint8."""
    from PIL import Image as Pillow

    count, height, width = frames.shape
    pictures = []
    for frame in frames:
        encoded = io.BytesIO()
        Pillow.fromarray(frame).save(encoded, "JPEG", quality=95)
        pictures.append(_chunk(b"00dc", encoded.getvalue()))
    header = struct.pack("<14I", 1_000_000 // rate_hz, 0, 0, 0, count, 0, 1, 0, width, height, 0, 0, 0, 0)
    stream = b"vidsMJPG" + struct.pack("<10I4H", 0, 0, 0, 1, rate_hz, 0, count, 0, 0, 0, 0, 0, width, height)
    picture = struct.pack("<IiiHH4sIiiII", 40, width, height, 1, 24, b"MJPG", width * height * 3, 0, 0, 0, 0)
    told = _chunk(b"LIST", b"strl" + _chunk(b"strh", stream) + _chunk(b"strf", picture))
    lists = _chunk(b"LIST", b"hdrl" + _chunk(b"avih", header) + told) + _chunk(b"LIST", b"movi" + b"".join(pictures))
    return _chunk(b"RIFF", b"AVI " + lists)


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)
