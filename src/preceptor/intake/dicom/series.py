"""DICOM files and folders of one series as images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from preceptor.core.errors import PrepareError, safe_name
from preceptor.core.image import UNKNOWN_GEOMETRY, Image

from ..labels import as_label_map
from ..limits import check_dimensions
from ..video.film import film_times_s, is_film
from .file import inverts, read_header, read_pixels, read_values, shown_inverted, value_type
from .guard import guarded
from .planes import Plane, detector_spacing, planes
from .stack import Stack, stack
from .untilting import untilted
from .voi import own_window, padding_value

if TYPE_CHECKING:
    from pydicom import Dataset

_MOST_FILES = 20_000
_OTHER_FILES = (".txt", ".json", ".xml", ".csv", ".tsv", ".html", ".htm", ".md", ".pdf", ".png", ".jpg", ".nii", ".gz")


def read_series(folder: Path, *, is_label: bool = False) -> Image:
    """Read a folder that holds one series.

    Args:
        folder: Its files, those of folders inside it not.
        is_label: Integer codes.

    Returns:
        An `Image` ``(channel, x, y, z)``, with time after channel where positions repeat; ``(channel, x, y)`` for a
        single plane. ``meta['left_out']`` says what was not read (localizers, other files).

    Raises:
        PrepareError: No image, several series, or planes that make no volume for certain.
    """
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    others = [path for path in files if path.name.upper() == "DICOMDIR" or path.suffix.lower() in _OTHER_FILES]
    files = [path for path in files if path not in others]
    if not files or len(files) > _MOST_FILES:
        raise PrepareError(
            f"the folder holds {len(files)} files that could be DICOM",
            where=safe_name(folder),
            expected=f"the files of one series, at most {_MOST_FILES:,}",
            code="no_image",
        )
    left_out = ["1 other file" if len(others) == 1 else f"{len(others)} other files"] if others else []
    with guarded(folder):
        return _read(files, left_out, is_label, safe_name(folder))


def read_file(path: Path, *, is_label: bool = False) -> Image:
    """Read one DICOM file: a picture, a plane, or the frames of a volume or a film.

    Raises:
        PrepareError: As in `read_series`.
    """
    with guarded(path):
        return _read([path], [], is_label, safe_name(path))


def _read(files: Sequence[Path], left_out: list[str], is_label: bool, where: str) -> Image:
    headers = [read_header(path) for path in files]
    kept = [i for i, header in enumerate(headers) if not is_localizer(header)] or list(range(len(files)))
    if len(kept) < len(files):
        gone = len(files) - len(kept)
        left_out = [*left_out, "1 localizer" if gone == 1 else f"{gone} localizers"]
    named = Counter(str(headers[i].get("SeriesInstanceUID", "")) for i in kept)
    if len(named) > 1:
        raise PrepareError(
            f"the folder holds {len(named)} series ({', '.join(map(str, sorted(named.values(), reverse=True)))} files)",
            where=where,
            expected="one series a folder",
            remedy="put each series into a folder of its own (`preceptor scan` lists them)",
            code="several_series",
        )
    _check_alike([headers[i] for i in kept], [files[i] for i in kept])
    found = [plane for i in kept for plane in planes(headers[i], i, files[i])]
    return read_planes(files, headers, found, left_out, is_label, where)


def read_planes(
    files: Sequence[Path],
    headers: Sequence[Dataset],
    found: Sequence[Plane],
    left_out: Sequence[str],
    is_label: bool,
    where: str,
    *,
    untilt: bool = False,
) -> Image:
    """The image that planes of one kind make.

    Args:
        files: Of the series; `Plane.file` counts in them.
        headers: Of each file.
        found: The planes of the image.
        left_out: What was left out before, for ``meta``.
        is_label: Integer codes.
        where: Name of the series for messages.
        untilt: Bring the slices of a tilted gantry onto one grid instead of refusing them.

    Returns:
        As `read_series`.

    Raises:
        PrepareError: The planes make no image for certain, or one can't be decoded.
    """
    first, path = headers[found[0].file], files[found[0].file]
    meta = _facts(first, found[0], left_out, path)
    placements = [plane.placement for plane in found if plane.placement is not None]
    try:
        placed = len(placements) == len(found)
        made = stack(placements, accept_shear=untilt) if placed else _unplaced(found, first, path, meta)
    except PrepareError as error:
        raise with_place(error, where, files, found) from None
    if made.repeated_by:
        meta["repeated_by"] = made.repeated_by
    array = _fill(files, headers, found, made.order)
    image = _image(array, made, meta, is_label, path)
    return untilted(image) if untilt else image


def with_place(error: PrepareError, where: str, files: Sequence[Path], found: Sequence[Plane]) -> PrepareError:
    """The error with the file named, where it concerns one: `stack` knows the plane's number alone."""
    problem, place = error.problem, f"series {where}"
    if problem.where.startswith("plane "):
        plane = found[int(problem.where.removeprefix("plane "))]
        place += f", file {plane.file + 1} of {len(files)} by name ({safe_name(files[plane.file])})"
        place += "" if plane.frame is None else f", frame {plane.frame + 1}"
    return PrepareError.from_problem(replace(problem, where=place))


def is_localizer(header: Dataset) -> bool:
    """Whether the plane was taken to plan others on."""
    kind = header.get("ImageType") or []
    return len(kind) > 2 and "LOCALIZER" in str(kind[2]).upper()


def _check_alike(headers: Sequence[Dataset], files: Sequence[Path]) -> None:
    names = ("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "Modality")
    for header, path in zip(headers[1:], files[1:], strict=True):
        differing = [name for name in names if header.get(name) != headers[0].get(name)]
        if differing:
            raise PrepareError(
                f"the files of the series differ in {', '.join(differing)}",
                where=safe_name(path),
                expected="planes of one size and kind",
                remedy="split the series",
                code="mixed_planes",
            )


def _facts(header: Dataset, plane: Plane, left_out: Sequence[str], path: Path) -> dict[str, Any]:
    """What travels with the image; nothing that names a person or a place."""
    with guarded(path):
        meta: dict[str, Any] = {
            "source_format": "dicom",
            "geometry": "dicom",
            "modality": str(header.get("Modality", "")),
            "photometric": str(header.get("PhotometricInterpretation", "")),
        }
        if shown_inverted(header):
            meta["monochrome1"] = "inverted" if inverts(header) else "left: the values are a quantity"
        thickness = header.get("SliceThickness")
        if thickness not in (None, ""):
            meta["slice_thickness_mm"] = float(thickness)
        shown = {"padding_value": padding_value(header, plane), "window": own_window(header, plane)}
        meta |= {name: value for name, value in shown.items() if value is not None}
        side = header.get("ImageLaterality") or header.get("Laterality")
        if side:
            meta["laterality"] = str(side)
        declared = header.get("NumberOfSlices") or header.get("ImagesInAcquisition")
        if declared:
            meta["declared_slices"] = int(declared)
        if left_out:
            meta["left_out"] = list(left_out)
        return meta


def _unplaced(found: Sequence[Plane], header: Dataset, path: Path, meta: dict[str, Any]) -> Stack:
    """One picture or one film without a place in space (CR, DX, US, SC): the geometry is unknown, and said to be."""
    has_frames = len(found) > 1 and len({plane.file for plane in found}) == 1 and is_film(header)
    if len(found) > 1 and not has_frames:
        raise PrepareError(
            f"{len(found)} planes without a position, orientation and spacing each",
            expected="ImagePositionPatient, ImageOrientationPatient and PixelSpacing for each plane",
            remedy="export the series with its geometry; where the planes lie can't be guessed",
            code="no_geometry",
        )
    with guarded(path):
        spacing, measured = detector_spacing(header)
    meta |= {"geometry": UNKNOWN_GEOMETRY, "spacing_measured": measured}
    if has_frames:
        meta["repeated_by"] = "time"
        times_s = film_times_s(header, len(found))
        if times_s is not None:
            meta["frame_times_s"] = times_s
    down, across = spacing if spacing and min(spacing) > 0 else (1.0, 1.0)
    return Stack(np.arange(len(found))[:, None], np.diag([across, down, 1.0, 1.0]))


def _fill(files: Sequence[Path], headers: Sequence[Dataset], found: Sequence[Plane], order: np.ndarray) -> np.ndarray:
    """``(repeat, slice, channel, x, y)`` in one type that holds every plane's values."""
    kind = np.result_type(*{value_type(headers[plane.file], plane) for plane in found})
    kind = kind if kind.itemsize <= 4 else np.dtype(np.float32)
    array = np.empty(0)
    place = {int(plane): index for index, plane in np.ndenumerate(order)}
    for file, numbers in groupby(range(len(found)), key=lambda number: found[number].file):
        dataset = read_pixels(files[file])  # each file is opened once, whatever its frames
        for number in numbers:
            values = read_values(files[file], dataset, found[number])
            if not array.size:
                check_dimensions((*order.shape, *values.shape), files[file])
                array = np.empty((*order.shape, *values.shape), kind if values.shape[0] == 1 else values.dtype)
            if values.shape != array.shape[2:]:
                raise PrepareError(
                    "a plane unpacks to another size than its header says",
                    where=safe_name(files[file]),
                    expected=" x ".join(map(str, array.shape[3:])),
                    code="dicom_damaged",
                )
            array[place[number]] = values
    return array


def _image(array: np.ndarray, made: Stack, meta: dict[str, Any], is_label: bool, path: Path) -> Image:
    affine = made.affine_mm.copy()
    if meta["geometry"] == UNKNOWN_GEOMETRY and array.shape[0] > 1:
        array, has_time = np.moveaxis(array[:, 0], 1, 0), True
    else:
        has_time = array.shape[0] > 1
        array = np.moveaxis(array, (0, 1, 2), (1, 4, 0))  # (channel, repeat, x, y, slice)
        if array.shape[-1] == 1:  # one plane: its normal is as long as it is thick
            array = array[..., 0]
            affine[:3, 2] *= max(float(meta.get("slice_thickness_mm", 0)), 0) or 1.0
        if not has_time:
            array = array[:, 0]
    if is_label:
        array = as_label_map(array, path)
    return Image(array, affine, is_label=is_label, has_time=has_time, meta=meta)
