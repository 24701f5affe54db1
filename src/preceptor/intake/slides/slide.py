"""A whole slide: its levels with real microns per pixel, and any part of one as pixels.

Nothing of a slide is parsed or decoded in this process: one with limits does it (`serving`), so that a damaged or hostile
file costs itself alone. Places are ``(row, column)`` everywhere, and a slide is as large as its finest level.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from preceptor.core.errors import MissingExtra, PrepareError, safe_name
from preceptor.intake.decoding import Child
from preceptor.intake.limits import MAX_PICTURE_PIXELS

from .refusals import refusal

#: Microns per pixel that a microscope's scanner can mean: 200x oil to a naked eye's picture of the glass.
PLAUSIBLE_MICRONS = (0.05, 50.0)

#: A level this much coarser than what was asked still counts as it: sizes are rounded to whole pixels.
_ROUNDING = 1.02

_SECONDS = 60
_CHILD = Child("preceptor.intake.slides.serving", "answer_requests", _SECONDS)


@dataclass(frozen=True)
class Level:
    """One resolution of a slide.

    Args:
        rows: Pixels from top to bottom.
        columns: Pixels from left to right.
        downsample: How many pixels of level 0 one pixel is wide, on average over both axes.
    """

    rows: int
    columns: int
    downsample: float

    @property
    def size(self) -> tuple[int, int]:
        """``(rows, columns)``."""
        return self.rows, self.columns


class Slide:
    """An open slide; `open_slide` makes it. Leaving its context closes it.

    Attributes:
        levels: From the finest, each with its `Level.size` and `Level.downsample`.
        vendor: Who wrote it: ``aperio``, ``generic-tiff``, ``dicom``, or as OpenSlide calls it.
        reader: The library that reads it, chosen by the file's content: ``tiffslide``, ``openslide`` or ``pydicom``.
        associated: Names of the pictures beside the levels: ``label``, ``macro``, ``thumbnail``. A label may show the
            patient's name.
        microns_found: What the file says of microns per pixel, ``(row, column)``, whether plausible or not; None where it says
            nothing.
    """

    def __init__(self, path: Path, facts: dict[str, Any], microns_given: tuple[float, float] | None = None) -> None:
        self._path, self._given, self._closed = path, microns_given, False
        rows, columns = facts["levels"][0]
        self.levels = tuple(Level(r, c, (rows / r + columns / c) / 2) for r, c in facts["levels"])
        self.vendor: str = facts["vendor"]
        self.reader: str = facts["reader"]
        self.associated: tuple[str, ...] = tuple(facts["associated"])
        found = facts["microns"]
        self.microns_found: tuple[float, float] | None = None if found is None else (found[0], found[1])

    def __enter__(self) -> Slide:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; reading is refused from then on."""
        if not self._closed:
            self._closed = True
            _ask(self._path, {"do": "close"})

    @property
    def size(self) -> tuple[int, int]:
        """``(rows, columns)`` of level 0."""
        return self.levels[0].size

    @property
    def name(self) -> str:
        """A name that shows nothing of the file's."""
        return safe_name(self._path)

    @property
    def microns_plausible(self) -> bool:
        """Whether the file tells microns per pixel that a scanner can mean."""
        low, high = PLAUSIBLE_MICRONS
        return self.microns_found is not None and all(low <= each <= high for each in self.microns_found)

    @property
    def microns_per_pixel(self) -> tuple[float, float]:
        """Of level 0, ``(row, column)``: as given when the slide was opened, else as the file says.

        Raises:
            PrepareError: It is not known, or what the file says can't be: 72 dots an inch, say, that a program wrote without
                knowing.
        """
        if self._given is not None:
            return self._given
        low, high = PLAUSIBLE_MICRONS
        expected, remedy = (
            f"{low} to {high:g} microns per pixel",
            "look it up at the scanner, and give microns_per_pixel",
        )
        if self.microns_found is None:
            raise PrepareError(
                "the slide does not say how large its pixels are",
                where=self.name,
                expected=expected,
                remedy=remedy,
                code="microns_unknown",
            )
        if not self.microns_plausible:
            shown = " x ".join(f"{each:.4g}" for each in self.microns_found)
            raise PrepareError(
                f"the slide says that a pixel is {shown} microns, which no slide scanner's is",
                where=self.name,
                expected=expected,
                remedy=remedy,
                code="microns_implausible",
            )
        return self.microns_found

    def microns_of(self, level: int) -> tuple[float, float]:
        """Microns per pixel of a level, ``(row, column)``.

        Raises:
            PrepareError: As of `microns_per_pixel`.
        """
        row, column = self.microns_per_pixel
        each = self.levels[level]
        return row * self.levels[0].rows / each.rows, column * self.levels[0].columns / each.columns

    def level_for(self, microns_per_pixel: float) -> int:
        """The coarsest level that still shows what pixels of this size would: level 0 where none is as fine.

        Args:
            microns_per_pixel: Wanted.

        Raises:
            PrepareError: As of `microns_per_pixel`.
        """
        fine = [n for n in range(len(self.levels)) if max(self.microns_of(n)) <= microns_per_pixel * _ROUNDING]
        return max(fine, key=lambda n: self.levels[n].downsample, default=0)

    def read(self, corner: tuple[int, int], size: tuple[int, int], level: int = 0) -> np.ndarray:
        """A part of a level. What lies outside the slide, or was never scanned, is white.

        Args:
            corner: ``(row, column)`` of its upper left pixel, in pixels of level 0; it may lie outside.
            size: ``(rows, columns)`` in pixels of `level`.
            level: Which, 0 being the finest.

        Returns:
            ``(rows, columns, 3)`` uint8: red, green, blue.

        Raises:
            PrepareError: There is no such level, the part is larger than a picture may be, or it is damaged.
        """
        if not 0 <= level < len(self.levels):
            raise PrepareError(
                f"the slide has no level {level}",
                where=self.name,
                expected=f"0 to {len(self.levels) - 1}",
                code="no_level",
            )
        rows, columns = int(size[0]), int(size[1])
        if min(rows, columns) < 1 or rows * columns > MAX_PICTURE_PIXELS:
            raise PrepareError(
                f"a part of {rows:,} x {columns:,} pixels is asked for",
                where=self.name,
                expected=f"at least one pixel, at most {MAX_PICTURE_PIXELS:,}",
                remedy="read tile by tile, or a coarser level",
                code="too_large",
            )
        wanted, finest = self.levels[level], self.levels[0]
        top = int(corner[0]) * wanted.rows // finest.rows
        left = int(corner[1]) * wanted.columns // finest.columns
        first, last = max(top, 0), min(top + rows, wanted.rows)
        start, end = max(left, 0), min(left + columns, wanted.columns)
        whole = np.full((rows, columns, 3), 255, np.uint8)
        if first < last and start < end:
            part = {"do": "read", "level": level, "corner": [first, start], "size": [last - first, end - start]}
            whole[first - top : last - top, start - left : end - left] = self._ask(part)[1]
        return whole

    def read_associated(self, name: str) -> np.ndarray:
        """A picture beside the levels: ``(rows, columns, 3)`` uint8.

        Raises:
            PrepareError: There is none of this name, or it is damaged.
        """
        if name not in self.associated:
            raise PrepareError(
                f"the slide has no picture '{name}'",
                where=self.name,
                expected=f"one of {', '.join(self.associated)}" if self.associated else "no other picture",
                code="no_member",
            )
        return self._ask({"do": "associated", "name": name})[1]

    def _ask(self, question: dict[str, Any]) -> tuple[dict[str, Any], np.ndarray]:
        if self._closed:
            raise PrepareError("the slide is closed", where=self.name, remedy="open it again", code="slide_closed")
        return _ask(self._path, question)


def open_slide(path: str | Path, microns_per_pixel: float | tuple[float, float] | None = None) -> Slide:
    """Open a whole slide.

    Args:
        path: A TIFF (Aperio SVS, OME, generic pyramids), a file of another vendor that OpenSlide reads, or DICOM: the folder
            of a series, or a file of it, whose siblings of the same series are its other levels.
        microns_per_pixel: Of level 0, where the file does not say or says something wrong: one number, or ``(row, column)``.

    Returns:
        The slide, to be used in a ``with`` statement.

    Raises:
        PrepareError: It is absent, damaged, no slide, claims an absurd size, or is not in colours of 8 bits; or the microns
            given can't be.
        MissingExtra: ``preceptor[pathology]`` is not installed, and the slide is no DICOM.

    Source: TIFF 6.0 by tiffslide and tifffile; DICOM PS3.3 A.32.8; other formats by OpenSlide.

    Example:
        >>> with open_slide("slide.svs") as slide:  # doctest: +SKIP
        ...     tile = slide.read((0, 0), (512, 512), slide.level_for(1.0))
    """
    path = Path(path).absolute()
    given = _checked(microns_per_pixel, path)
    if not path.exists():
        raise refusal("absent", path)
    if not path.is_dir() and not _is_dicom(path) and find_spec("tiffslide") is None:
        raise MissingExtra.of("pathology", "reading a whole slide")
    return Slide(path, _ask(path, {"do": "facts"})[0], given)


def _checked(given: float | tuple[float, float] | None, path: Path) -> tuple[float, float] | None:
    if given is None:
        return None
    both = (float(given), float(given)) if isinstance(given, int | float) else (float(given[0]), float(given[1]))
    low, high = PLAUSIBLE_MICRONS
    if not all(low <= each <= high for each in both):
        raise PrepareError(
            f"{' x '.join(f'{each:.4g}' for each in both)} microns per pixel are given",
            where=safe_name(path),
            expected=f"{low} to {high:g}",
            remedy="0.25 is a scan at 40x, 0.5 one at 20x",
            code="microns_implausible",
        )
    return both


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _ask(path: Path, question: dict[str, Any]) -> tuple[dict[str, Any], np.ndarray]:
    try:
        return _CHILD.ask({"path": str(path), **question})
    except ValueError as error:
        raise refusal(str(error), path) from None
    except RuntimeError as error:
        raise refusal("decoder", path) from error
