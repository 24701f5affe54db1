"""Slides in DICOM (VL Whole Slide Microscopy): a series of instances, each a level, a label or an overview."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .bounds import RefusedError, check_level, in_colour
from .dicom_frames import Frames

_KIND = "1.2.840.10008.5.1.4.1.1.77.1.6"
_NAMES = {"LABEL": "label", "OVERVIEW": "macro", "THUMBNAIL": "thumbnail"}
_MOST_FILES = 1000


class DicomSlide:
    """The instances of one series as a slide.

    Args:
        path: The folder of a series, or a file of it, whose siblings are looked through.
    """

    vendor = "dicom"
    reader = "pydicom"

    def __init__(self, path: Path) -> None:
        instances = [_Instance(each) for each in _series(path)]
        volumes = [each for each in instances if each.flavour not in _NAMES]
        if not volumes:
            raise RefusedError("no_slide")
        self._volumes = sorted(volumes, key=lambda each: -each.size[0] * each.size[1])
        self._others = {_NAMES[each.flavour]: each for each in instances if each.flavour in _NAMES}
        self.levels = [each.size for each in self._volumes]
        if len(set(self.levels)) < len(self.levels):
            raise RefusedError("several_planes")
        self.microns = self._volumes[0].microns
        self.associated = sorted(self._others)

    def read(self, level: int, corner: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
        """A part of a level; frames that are not there are white."""
        return self._volumes[level].read(corner, size)

    def read_associated(self, name: str) -> np.ndarray:
        other = self._others[name]
        return other.read((0, 0), other.size)

    def close(self) -> None:
        for each in (*self._volumes, *self._others.values()):
            each.close()


def _series(path: Path) -> list[Path]:
    """The files of the slide's series: those of the folder, or the siblings of the file."""
    from pydicom.filereader import read_partial

    def identity(file: Path) -> tuple[str, str]:
        with file.open("rb") as stream:
            if stream.read(132)[128:] != b"DICM":
                return "", ""
            stream.seek(0)
            head = read_partial(stream, stop_when=lambda tag, vr, length: tag > 0x0020000E)
            return str(head.get("SOPClassUID", "")), str(head.get("SeriesInstanceUID", ""))

    folder = path if path.is_dir() else path.parent
    files = [each for each in sorted(folder.iterdir()) if each.is_file() and not each.is_symlink()][:_MOST_FILES]
    found = {each: identity(each) for each in files}
    if path.is_dir():
        series = {name for kind, name in found.values() if kind == _KIND}
        if len(series) != 1:
            raise RefusedError("several_series" if series else "no_slide")
        wanted = _KIND, series.pop()
    else:
        wanted = found.get(path) or identity(path)
    if wanted[0] != _KIND:
        raise RefusedError("no_slide")
    return [each for each, named in found.items() if named == wanted] if wanted[1] or path.is_dir() else [path]


class _Instance:
    """One file: a matrix of pixels in frames of one size."""

    def __init__(self, path: Path) -> None:
        from pydicom import dcmread

        self._file = path.open("rb")
        data = self._data = dcmread(self._file, stop_before_pixels=True)
        after = self._file.tell()
        self.flavour = str((list(data.ImageType) + ["", "", ""])[2])
        if int(data.BitsAllocated) != 8 or int(data.SamplesPerPixel) not in (1, 3):
            raise RefusedError("not_colour")
        self.tile = int(data.Rows), int(data.Columns)
        self.size = int(data.TotalPixelMatrixRows), int(data.TotalPixelMatrixColumns)
        check_level(*self.size, self.tile)
        if int(data.get("TotalPixelMatrixFocalPlanes") or 1) > 1 or int(data.get("NumberOfOpticalPaths") or 1) > 1:
            raise RefusedError("several_planes")
        self.microns = self._microns()
        count = int(data.get("NumberOfFrames") or 1)
        self._frames = Frames(self._file, data, after, count)
        self._cells: dict[tuple[int, int], list[tuple[int, int, int]]] = {}
        for number, (row, column) in enumerate(self._corners(count)):
            cell = self._cells.setdefault((row // self.tile[0], column // self.tile[1]), [])
            if any((row, column) == each[:2] for each in cell):
                raise RefusedError("several_planes")
            cell.append((row, column, number))

    def _microns(self) -> tuple[float, float] | None:
        shared = self._data.get("SharedFunctionalGroupsSequence") or [{}]
        measures = shared[0].get("PixelMeasuresSequence") or [{}]
        if spacing := measures[0].get("PixelSpacing"):
            return float(spacing[0]) * 1000, float(spacing[1]) * 1000
        height, width = self._data.get("ImagedVolumeHeight"), self._data.get("ImagedVolumeWidth")
        if not height or not width:
            return None
        return float(height) * 1000 / self.size[0], float(width) * 1000 / self.size[1]

    def _corners(self, count: int) -> Iterator[tuple[int, int]]:
        """``(row, column)`` of each frame's upper left pixel: in rows (TILED_FULL), or as each frame says (TILED_SPARSE)."""
        (rows, columns), (tall, wide) = self.size, self.tile
        groups = self._data.get("PerFrameFunctionalGroupsSequence")
        if str(self._data.get("DimensionOrganizationType", "")) == "TILED_FULL" or not groups:
            if -(-rows // tall) * -(-columns // wide) != count:
                raise RefusedError("damaged frames")
            yield from ((row, column) for row in range(0, rows, tall) for column in range(0, columns, wide))
            return
        if len(groups) != count:
            raise RefusedError("damaged frames")
        for group in groups:
            place = group.PlanePositionSlideSequence[0]
            yield (
                int(place.RowPositionInTotalImagePixelMatrix) - 1,
                int(place.ColumnPositionInTotalImagePixelMatrix) - 1,
            )

    def read(self, corner: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
        (top, left), (rows, columns), (tall, wide) = corner, size, self.tile
        pixels = np.full((rows, columns, 3), 255, np.uint8)
        for row, column, number in self._near(top, left, rows, columns):
            first, last = max(row, top), min(row + tall, top + rows)
            start, end = max(column, left), min(column + wide, left + columns)
            if first < last and start < end:
                frame = in_colour(self._frames.decoded(number))
                part = frame[first - row : last - row, start - column : end - column]
                pixels[first - top : last - top, start - left : end - left] = part
        return pixels

    def _near(self, top: int, left: int, rows: int, columns: int) -> Iterator[tuple[int, int, int]]:
        """Frames that may reach into a part: those whose corner lies in its cells, or in the ones before."""
        tall, wide = self.tile
        for down in range(top // tall - 1, (top + rows - 1) // tall + 1):
            for across in range(left // wide - 1, (left + columns - 1) // wide + 1):
                yield from self._cells.get((down, across), ())

    def close(self) -> None:
        self._file.close()
