"""The planes of one series told apart into images: by size and kind, orientation, spacing, then by the varying tag.

What one series number holds may be several images: two echoes, a scout beside a volume, two acquisitions. Each part is
stacked by its geometry, or refused with the reason that `stack` gives.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from preceptor.core.errors import PrepareError, Problem

from ..video.film import is_film
from .guard import guarded
from .planes import Plane, planes
from .series import is_localizer, with_place
from .stack import Stack, stack

if TYPE_CHECKING:
    from pydicom import Dataset

_T = TypeVar("_T")
_KIND = ("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "Modality")
#: What makes images of two kinds out of planes at the same positions: never one image with time.
_NEVER_TIME = ("ImageType", "ConvolutionKernel")
#: What may tell several images apart where all planes together make none.
_APART_BY = ("AcquisitionNumber", "TemporalPositionIdentifier", "EchoNumbers", "EchoTime", "DiffusionBValue")
_SPLITTABLE = ("duplicate_position", "gap", "uneven", "shear")
_MOST_LONE_PLANES = 3


@dataclass(frozen=True)
class Part:
    """One image of a series, or what makes none.

    Args:
        planes: Its planes.
        apart_by: What sets it apart from the other parts; empty where there is one.
        stack: How its planes lie; None where they have no place (a radiograph, a film), or make no image.
        problem: Why it makes no image.
        is_localizer: Taken to plan others on.
    """

    planes: tuple[Plane, ...]
    apart_by: str = ""
    stack: Stack | None = None
    problem: Problem | None = None
    is_localizer: bool = False

    @property
    def files(self) -> tuple[int, ...]:
        """Numbers of its files in the series."""
        return tuple(dict.fromkeys(plane.file for plane in self.planes))


def parts(headers: Sequence[Dataset], files: Sequence[Path], where: str) -> list[Part]:
    """Every image that the files of one series hold.

    Args:
        headers: Of each file.
        files: Of one series, in order of name.
        where: Name of the series for messages.

    Returns:
        Images, refused parts and localizers, in order of their first file.

    Raises:
        PrepareError: A header is damaged.
    """
    found: list[Part] = []
    with guarded(files[0]):
        numbers = list(range(len(files)))
        for kind in _grouped(numbers, lambda i: (is_localizer(headers[i]), *(str(headers[i].get(n)) for n in _KIND))):
            loose = [plane for i in kind for plane in planes(headers[i], i, files[i])]
            made = list(_of_one_kind(loose, headers, files, where))
            if is_localizer(headers[kind[0]]):
                made = [replace(part, is_localizer=True) for part in made]
            elif len(kind) < len(numbers):
                made = [replace(part, apart_by=part.apart_by or "size and kind") for part in made]
            found += made
    images = [part for part in found if not part.is_localizer]
    if len(images) == 1:
        found = [replace(part, apart_by="") if part is images[0] else part for part in found]
    return sorted(found, key=lambda part: (part.planes[0].file, part.planes[0].frame or 0))


def _grouped(items: Iterable[_T], key: Callable[[_T], Hashable]) -> list[list[_T]]:
    groups: dict[Hashable, list[_T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return list(groups.values())


def _of_one_kind(
    found: Sequence[Plane], headers: Sequence[Dataset], files: Sequence[Path], where: str
) -> Iterable[Part]:
    placed = [plane for plane in found if plane.placement is not None]
    for file in _grouped([plane for plane in found if plane.placement is None], lambda plane: plane.file):
        if len(file) == 1 or is_film(headers[file[0].file]):
            yield Part(tuple(file), "" if len(file) == len(found) else "one picture a file")
        else:
            yield Part(tuple(file), problem=_no_geometry(len(file), where))
    shapes = _by_geometry(placed)
    if len(shapes) > _MOST_LONE_PLANES and all(len(shape) == 1 for shape in shapes):
        yield _stacked(placed, files, where)  # refused: each plane looks another way
        return
    for shape in shapes:
        apart = [] if len(shapes) == 1 else ["orientation and spacing"]
        for part in _told_apart(shape, headers, files, where):
            yield replace(part, apart_by=", ".join([*apart, *filter(None, [part.apart_by])]))


def _by_geometry(placed: Sequence[Plane]) -> list[list[Plane]]:
    """Planes that are parallel and of one spacing, within what `stack` accepts."""
    shapes: list[list[Plane]] = []
    for plane in placed:
        assert plane.placement is not None
        for shape in shapes:
            first = shape[0].placement
            assert first is not None
            turned = np.abs(plane.placement.orientation - first.orientation).max()
            if turned <= 1e-3 and np.allclose(plane.placement.spacing_mm, first.spacing_mm, rtol=1e-4):
                shape.append(plane)
                break
        else:
            shapes.append([plane])
    return shapes


def _told_apart(
    found: Sequence[Plane], headers: Sequence[Dataset], files: Sequence[Path], where: str
) -> Iterable[Part]:
    for name in _NEVER_TIME:
        groups = _grouped(found, partial(_of_file, headers, name))
        if len(groups) > 1 and _share_positions(groups):
            for group in groups:
                for part in _told_apart(group, headers, files, where):
                    yield replace(part, apart_by=", ".join(filter(None, [name, part.apart_by])))
            return
    whole = _stacked(found, files, where)
    if whole.problem is None or whole.problem.code not in _SPLITTABLE:
        yield whole
        return
    for name in _APART_BY:
        groups = _grouped(found, partial(_of_plane, name))
        if len(groups) < 2 or min(map(len, groups)) < 2:
            continue
        tried = [_stacked(group, files, where) for group in groups]
        if any(part.problem is None for part in tried):
            yield from (replace(part, apart_by=name) for part in tried)
            return
    yield whole


def _of_file(headers: Sequence[Dataset], name: str, plane: Plane) -> str:
    return str(headers[plane.file].get(name))


def _of_plane(name: str, plane: Plane) -> str | None:
    return plane.placement.repeats.get(name) if plane.placement else None


def _share_positions(groups: Sequence[Sequence[Plane]]) -> bool:
    """Whether each group lies where the first one lies."""
    places = [np.array([plane.placement.position_mm for plane in group if plane.placement]) for group in groups]
    rounded = [{tuple(row) for row in np.round(each, 2)} for each in places]
    return all(each == rounded[0] for each in rounded[1:])


def _stacked(found: Sequence[Plane], files: Sequence[Path], where: str) -> Part:
    placements = [plane.placement for plane in found if plane.placement is not None]
    try:
        return Part(tuple(found), stack=stack(placements))
    except PrepareError as error:
        return Part(tuple(found), problem=with_place(error, where, files, found).problem)


def _no_geometry(number: int, where: str) -> Problem:
    return Problem(
        f"{number} planes without a position, orientation and spacing each",
        f"series {where}",
        "ImagePositionPatient, ImageOrientationPatient and PixelSpacing for each plane",
        "export the series with its geometry; where the planes lie can't be guessed",
        "no_geometry",
    )
