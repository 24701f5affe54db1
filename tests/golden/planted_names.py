"""The experiment of burned-in text: names planted on real pictures and on phantoms, and whether anything is left of them."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

#: Names, numbers and dates as machines write them; no record stands behind any of them.
TEXTS = (
    "ARDEN^ADA",
    "BELLWETHER, BRUNO",
    "Crowe Clara",
    "DUNMORE DMITRI M",
    "Fenwick, Elena",
    "GRAUBNER HUGO",
    "HOLLOWAY^INES",
    "ID 48213077",
    "MRN: 00917342",
    "DOB 14.03.1957",
    "1962-11-30",
    "Juniper, Jonas 61Y",
    "PAT-5521908",
)

#: Size of the font in pixels, as often as each is planted in 20 pictures: two are smaller than what is promised.
SIZES = (8, 10, *(12, 14, 16, 20, 24, 28) * 3)


@dataclass(frozen=True)
class Planted:
    """A picture with a name in it.

    Args:
        picture: ``(row, column[, 3])`` uint8.
        ink: ``(row, column)`` bool: pixels that the letters changed by more than half.
        text: What was written.
        size_px: Of the font.
        contrast: Grey levels between the letters and the median beneath them.
    """

    picture: np.ndarray
    ink: np.ndarray
    text: str
    size_px: int
    contrast: int

    def covered(self, mask: np.ndarray) -> float:
        """Share of the ink that a mask covers."""
        return float(mask[self.ink].mean())

    @property
    def bounds(self) -> tuple[int, int, int, int]:
        """First column, first row, last column, last row of the ink."""
        rows, columns = np.nonzero(self.ink)
        return int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max())


@cache
def font(size: int) -> Any:
    """DejaVu Sans, which matplotlib brings."""
    import matplotlib

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)


def plant(
    picture: np.ndarray, rng: np.random.Generator, size: int, contrast: int | None = None, turned: int = 0
) -> Planted:
    """Write a text in a corner or anywhere, white where it is dark beneath and black where bright.

    Args:
        picture: ``(row, column[, 3])`` uint8.
        rng: Draws the text and the place.
        size: Of the font, in pixels; smaller where the text does not fit.
        contrast: Grey levels from the median beneath; None for white or black.
        turned: Degrees, a multiple of 90.
    """
    text = str(rng.choice(TEXTS))
    rows, columns = picture.shape[:2]
    along = rows if turned % 180 else columns
    while font(size).getlength(text) + 4 > along and len(text) > 6:
        text = text[:-1]
    left, top, right, bottom = font(size).getbbox(text)
    canvas = Image.new("L", (int(right - left) + 2, int(bottom - top) + 2))
    ImageDraw.Draw(canvas).text((1 - left, 1 - top), text, fill=255, font=font(size))
    letters = np.rot90(np.asarray(canvas, np.float32) / 255, turned // 90)
    high, wide = letters.shape
    down, across = rng.random(2)
    if rng.random() < 0.5:
        down, across = round(down), round(across)
    row, column = round(down * max(0, rows - high)), round(across * max(0, columns - wide))
    place = slice(row, row + high), slice(column, column + wide)
    beneath = picture[place].astype(np.float32)
    letters = letters[: beneath.shape[0], : beneath.shape[1]]
    middle = float(np.median(beneath))
    sign = 1 if middle < 128 else -1
    colour = (255.0 if sign > 0 else 0.0) if contrast is None else np.clip(middle + sign * contrast, 0, 255)
    share = letters if picture.ndim == 2 else letters[..., None]
    out, ink = picture.copy(), np.zeros(picture.shape[:2], bool)
    out[place] = np.rint(beneath * (1 - share) + colour * share).astype(np.uint8)
    ink[place] = letters > 0.5
    return Planted(out, ink, text, size, int(abs(colour - middle)))


def pictures(data: Path, number: int, rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    """Backgrounds and their modality, by turns: X-rays, ultrasound (x 3), CT and MR, microscopy (x 3), phantoms.

    Args:
        data: Folder of the real data.
        number: How many.
        rng: Chooses among the files.
    """
    films = _chosen(data / "cxr_covid_ieee8023" / "images", "*", rng)
    clips = _chosen(data / "pocus_lung_us_video" / "clips", "*/08.jpg", rng)
    slices = sorted((data / "dicom_zoo" / "files").glob("*.dcm"))
    slices = [path for path in slices if re.match(_SLICES, path.name)]
    tissue = _chosen(data / "cells_adipocyte" / "images", "*", rng)
    for index in range(number):
        turn, which = index // 5, index % 5
        if which == 0:
            yield "DX", np.asarray(Image.open(films[turn % len(films)]).convert("L"))
        elif which == 1:
            yield "US", _enlarged(Image.open(clips[turn % len(clips)]).convert("L"), 3)
        elif which == 2:
            yield _slice(slices[turn % len(slices)])
        elif which == 3:
            yield "SM", _enlarged(Image.open(tissue[turn % len(tissue)]).convert("RGB"), 3)
        else:
            yield "CT", phantom(rng)


#: Files of the zoo that are a slice of 256 pixels or more with nothing written in it.
_SLICES = r"(052|055|058|061|064|067)_MR|(068|134|135)_|(075|114)_"


def phantom(rng: np.random.Generator, size: int = 320) -> np.ndarray:
    """A body with organs, noise and a bright table: ``(row, column)`` uint8."""
    from preceptor.maths.phantom_shepp_logan import subtype_slice

    values = subtype_slice(rng, int(rng.integers(0, 3)), size)
    values = (values - values.min()) / max(float(np.ptp(values)), 1e-6)
    return np.clip(values * 200 + rng.normal(0, 5, values.shape) + 10, 0, 255).astype(np.uint8)


def _chosen(folder: Path, pattern: str, rng: np.random.Generator) -> list[Path]:
    found = sorted(folder.glob(pattern))
    return [found[index] for index in rng.permutation(len(found))]


def _enlarged(picture: Image.Image, times: int) -> np.ndarray:
    return np.asarray(picture.resize((picture.width * times, picture.height * times), Image.Resampling.BICUBIC))


def _slice(path: Path) -> tuple[str, np.ndarray]:
    from pydicom import dcmread

    dataset = dcmread(path)
    values = dataset.pixel_array.astype(np.float32)
    low, high = np.percentile(values, (1, 99.5))
    return str(dataset.Modality), np.clip((values - low) / max(high - low, 1) * 255, 0, 255).astype(np.uint8)


def reads(picture: np.ndarray, planted: Planted) -> dict[str, str]:
    """What two recognisers read where a text was planted: a crop of it, three times enlarged, turned upright.

    Returns:
        By recogniser; tesseract is absent where the machine has none.
    """
    left, top, right, bottom = planted.bounds
    room = 6
    crop = picture[max(0, top - room) : bottom + room, max(0, left - room) : right + room]
    crop = np.rot90(crop, -1) if crop.shape[0] > 2 * crop.shape[1] else crop
    crop = np.repeat(crop[..., None], 3, 2) if crop.ndim == 2 else crop
    shown = Image.fromarray(np.ascontiguousarray(crop))
    shown = shown.resize((shown.width * 3, shown.height * 3), Image.Resampling.BICUBIC)
    found = {"rapidocr": _recogniser()(np.asarray(shown)[..., ::-1])}
    if shutil.which("tesseract"):
        file = BytesIO()
        shown.save(file, "PNG")
        command = ["tesseract", "stdin", "stdout", "--psm", "7"]
        found["tesseract"] = subprocess.run(command, input=file.getvalue(), capture_output=True).stdout.decode()
    return found


def is_readable(read: str, text: str) -> bool:
    """Whether four letters or digits of a text, in a row, were read."""
    first, second = (re.sub(r"[^A-Z0-9]", "", each.upper()) for each in (read, text))
    matcher = SequenceMatcher(None, first, second, autojunk=False)
    return matcher.find_longest_match().size >= 4


@cache
def _recogniser() -> Any:
    """rapidocr's recogniser by itself: a crop in, its text out."""
    from rapidocr import RapidOCR
    from rapidocr.ch_ppocr_rec import TextRecInput

    threads = {f"EngineConfig.onnxruntime.{which}_op_num_threads": 1 for which in ("intra", "inter")}
    recogniser = RapidOCR(params={"Global.log_level": "critical", **threads})._load_rec_model()

    def read(picture: np.ndarray) -> str:
        answer = recogniser(TextRecInput(img=np.ascontiguousarray(picture)))
        return " ".join(answer.txts or ())

    return read
