"""One prepared case on disk: a single safetensors file, mapped into memory, so that a patch costs what a patch weighs."""

from __future__ import annotations

import json
import math
import mmap
import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError
from preceptor.core.files import write_aside
from preceptor.core.image import Image

from .compose import split_by_grid
from .levels import Levels, as_levels

#: How images are kept: as they are, or in 16 bits where that loses nothing.
Storage = Literal["plain", "levels"]

_KINDS = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "<i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "<u1", "BOOL": "<b1",
}  # fmt: skip
_NAMES = {kind: name for name, kind in _KINDS.items()}
#: Arrays of fewer bytes are read as they are met.
_LARGE = 16 * 2**20
_BLOCK = 16
#: No array is so long, nor a file.
_BEYOND = 2**48
_PAGE = mmap.PAGESIZE
#: Places kept of each class, for patches centred on it.
_MOST_CENTRES = 4096
#: Kinds of places that patches are centred on besides the classes: none, and where two classes meet.
ANYWHERE, BOUNDARY = -1, -2


def _end(entry: Mapping[str, Any]) -> int:
    """Where an array ends, its shape and type fitting the bytes it is given."""
    first, end, *shape = numbers = (*entry["data_offsets"], *entry["shape"])
    are_whole = all(type(each) is int and 0 <= each < _BEYOND for each in numbers)  # to Python, true is a number
    if not are_whole or end - first != math.prod(shape) * np.dtype(_KINDS[entry["dtype"]]).itemsize:
        raise ValueError("an array that does not fit its place")
    return int(end)


@dataclass(frozen=True)
class Grid:
    """Views and masks of a case that share one grid.

    Args:
        views, masks: Their names.
        shape: Voxels along each axis.
    """

    views: tuple[str, ...]
    masks: tuple[str, ...]
    shape: tuple[int, ...]


class PreparedCase:
    """A prepared case as it lies on the disk. Arrays are read when, and as far as, they are looked at.

    Args:
        path: Written by `write_prepared`.

    Raises:
        PrepareError: The file is damaged.
    """

    def __init__(self, path: Path) -> None:
        try:
            # Read, not mapped: touching a map reads the megabytes ahead that the system thinks will follow.
            with path.open("rb", buffering=0) as file:
                (length,) = struct.unpack("<Q", file.read(8))
                if length > path.stat().st_size:
                    raise ValueError("a header longer than the file")
                header = json.loads(file.read(length))
                self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self._path, self._start, self._header = path, 8 + length, header
            record = json.loads(header.pop("__metadata__")["preceptor"])
            if len(self._bytes) != self._start + max(map(_end, header.values()), default=0):
                raise ValueError("shorter than its header says")
            self._describe(record)
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, struct.error) as error:
            raise PrepareError(
                "a prepared case is damaged",
                where=path.name,
                remedy="delete the run's folder 'prepared'; the case is then prepared again",
                code="prepared_damaged",
            ) from error
        self._known: dict[str, Image] = {}
        self._flat: dict[str, np.ndarray] = {}
        self._centres: dict[int, np.ndarray] = {}
        self._asked: dict[str, np.ndarray] = {}
        self._read = 0
        self.is_held = False
        self.shown: dict[tuple, Sample] = {}  # for whoever draws from the case, as long as it is open

    def _describe(self, record: Mapping[str, Any]) -> None:
        """What the file says of its arrays; each of them must be there."""
        self._images: Mapping[str, Any] = dict(record["images"])
        self._masks: Mapping[str, Any] = dict(record["masks"])
        for kind, named in (("image", self._images), ("mask", self._masks)):
            for name, facts in named.items():
                if f"{kind}:{name}" not in self._header or not {"is_label", "has_time"} <= set(facts):
                    raise ValueError("an array that is not there, or of which too little is said")
                dict(facts["meta"])
                if np.array(facts["affine_mm"], float).shape != (4, 4):
                    raise ValueError("no affine")
        self.grids = tuple(Grid(tuple(g["views"]), tuple(g["masks"]), tuple(g["shape"])) for g in record["grids"])
        self.points = {name: np.array(each, dtype=float) for name, each in record.get("points", {}).items()}
        self.boxes = {name: np.array(each, dtype=float) for name, each in record.get("boxes", {}).items()}
        self.strata = {int(value): count for value, count in record["strata"].items()}

    @property
    def nbytes(self) -> int:
        """Of its file."""
        return len(self._bytes)

    @property
    def is_worn(self) -> bool:
        """Whether as much was read of its large arrays, patch by patch, as the file holds: holding it would have paid."""
        return self._read >= self.nbytes and hasattr(mmap, "MADV_HUGEPAGE")

    def hold(self) -> None:
        """Read the whole file into memory of this process's own.

        A map of a file has pages of 4 kB, and a patch of a large volume lies in thousands of them: looking each up takes as
        long as copying. Memory of one's own has pages of 2 MB.
        """
        held = mmap.mmap(-1, self.nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        held.madvise(mmap.MADV_HUGEPAGE)
        with self._path.open("rb", buffering=0) as file:
            read, view = 0, memoryview(held)
            while read < self.nbytes:
                more = file.readinto(view[read:])
                if not more:
                    raise PrepareError(
                        "a prepared case changed while in use", where=self._path.name, code="prepared_damaged"
                    )
                read += more
        self._bytes, self.is_held = held, True
        self._known.clear()
        self._flat.clear()
        self.shown.clear()

    @classmethod
    def is_whole(cls, path: Path) -> bool:
        """Whether a file of the right size is there."""
        try:
            cls(path)
        except PrepareError:
            return False
        return True

    def _array(self, name: str) -> np.ndarray:
        entry = self._header[name]
        shape = entry["shape"]
        offset = self._start + entry["data_offsets"][0]
        return np.frombuffer(self._bytes, _KINDS[entry["dtype"]], math.prod(shape), offset).reshape(shape)

    def image(self, view: str) -> Image:
        return self.named(f"image:{view}")

    def mask(self, name: str) -> Image:
        return self.named(f"mask:{name}")

    @staticmethod
    def names_of(grid: Grid) -> tuple[str, ...]:
        """Views, then masks, as `named` and `flat` take them."""
        return (*(f"image:{view}" for view in grid.views), *(f"mask:{mask}" for mask in grid.masks))

    def flat(self, name: str) -> np.ndarray:
        """``(channel, *space)`` of an image or mask as it is kept, time among the channels."""
        array = self._flat.get(name)
        if array is None:
            image = self.kept(name)
            array = self._flat[name] = image.array.reshape(-1, *image.shape)
        return array

    def kept(self, name: str) -> Image:
        """As `named`; where it is kept in 16 bits the array is a `Levels`, of which only what is looked at is worked out."""
        if name not in self._known:
            kind, _, own = name.partition(":")
            facts = (self._images if kind == "image" else self._masks)[own]
            array: Any = self._array(name)
            if facts.get("levels"):
                array = Levels(array, *facts["levels"])
            self._known[name] = Image(
                array, np.array(facts["affine_mm"]), facts["is_label"], facts["has_time"], facts["meta"]
            )
        return self._known[name]

    def named(self, name: str) -> Image:
        """The image ``image:<view>`` or the mask ``mask:<name>``."""
        image = self.kept(name)
        return image.with_array(np.asarray(image.array)) if isinstance(image.array, Levels) else image

    def fetch_ahead(self, grid: Grid, first: Sequence[int], shape: Sequence[int]) -> None:
        """Ask for the part of large arrays that a patch is about to read, all of it at once.

        Reading through a map waits for the disk page by page; told beforehand, the system reads the pages side by side. A part
        is asked for once: asking again would cost more than it saves, since by then it is in memory.

        Args:
            grid: Whose arrays.
            first, shape: Of the patch, in voxels; it may reach beyond the image.
        """
        if self.is_held or self.nbytes < _LARGE:
            return
        for name in self.names_of(grid):
            array = self._array(name)
            if array.nbytes >= _LARGE and hasattr(self._bytes, "madvise"):
                self._read += array.nbytes * math.prod(shape) // math.prod(grid.shape)
                self._ask_for(name, array, grid, first, shape)

    def _ask_for(self, name: str, array: np.ndarray, grid: Grid, first: Sequence[int], shape: Sequence[int]) -> None:
        begin = [max(each, 0) for each in first]
        end = [min(each + width, size) for each, width, size in zip(first, shape, grid.shape, strict=True)]
        if any(a >= b for a, b in zip(begin, end, strict=True)):
            return
        # Along the first axis slab by slab; along the others in one run, by blocks.
        rows, blocks = slice(begin[0], end[0]), slice(begin[1] // _BLOCK, -(-end[1] // _BLOCK))
        known = self._asked.setdefault(name, np.zeros((grid.shape[0], -(-grid.shape[1] // _BLOCK)), dtype=bool))[
            rows, blocks
        ]
        if known.all() or self._is_at_hand(name, begin, end, array, grid):
            return
        block = _BLOCK * array.strides[-len(grid.shape) + 1]
        slab = array.strides[-len(grid.shape)]
        channels = len(array) if len(array.shape) == len(grid.shape) + 1 else array.size // math.prod(grid.shape)
        start = self._start + self._header[name]["data_offsets"][0]
        for channel in range(channels):
            for row in np.flatnonzero(~known.all(1)):
                place = start + (channel * grid.shape[0] + begin[0] + int(row)) * slab + blocks.start * block
                length = min((blocks.stop - blocks.start) * block, slab - blocks.start * block)
                self._bytes.madvise(mmap.MADV_WILLNEED, place // _PAGE * _PAGE, length + place % _PAGE)
        known[:] = True

    def _is_at_hand(self, name: str, begin: Sequence[int], end: Sequence[int], array: np.ndarray, grid: Grid) -> bool:
        """Whether the system holds both ends of a patch in memory: then asking for it would cost more than reading it."""
        if not hasattr(os, "RWF_NOWAIT"):
            return False
        strides = array.strides[-len(grid.shape) :]
        start = self._start + self._header[name]["data_offsets"][0]
        corners = (begin, [each - 1 for each in end])
        places = [start + sum(a * b for a, b in zip(corner, strides, strict=True)) for corner in corners]
        with self._path.open("rb", buffering=0) as file:
            for place in places:
                try:
                    os.preadv(file.fileno(), [bytearray(1)], place, os.RWF_NOWAIT)
                except OSError:  # the disk would have to be waited for, or this file system can't tell
                    return False
        return True

    def centres(self, stratum: int) -> np.ndarray:
        """``(place, axis)`` int32: voxels of a class, or of the boundary; all of them or an even draw."""
        if stratum not in self._centres:
            entry = self._header[f"centres:{stratum}"]
            begin, end = entry["data_offsets"]
            with self._path.open("rb", buffering=0) as file:
                file.seek(self._start + begin)
                raw = file.read(end - begin)
            self._centres[stratum] = np.frombuffer(raw, _KINDS[entry["dtype"]]).reshape(entry["shape"])
        return self._centres[stratum]

    @property
    def views(self) -> tuple[str, ...]:
        return tuple(self._images)

    @property
    def masks(self) -> tuple[str, ...]:
        return tuple(self._masks)


def write_prepared(path: Path, sample: Sample, dense: str | None, storage: Storage = "plain") -> None:
    """Write a prepared case, aside and renamed.

    Args:
        path: ``….safetensors``.
        sample: On the prepared grid.
        dense: Name of the mask (class indices) whose classes patches may be centred on.
        storage: ``levels`` keeps images whose values lie on 65,536 evenly spaced levels or fewer in 16 bits.

    Raises:
        OSError: The disk is full or not writable.
    """
    arrays = {f"image:{view}": image.array for view, image in sample.images.items()}
    arrays |= {f"mask:{name}": mask.array for name, mask in sample.masks.items()}
    levels = {view: as_levels(image.array) for view, image in sample.images.items() if storage == "levels"}
    spaced = {view: each for view, each in levels.items() if each is not None}
    arrays |= {f"image:{view}": each.codes for view, each in spaced.items()}
    strata = {}
    if dense is not None and dense in sample.masks:
        index = sample.masks[dense].array[0]
        for stratum, places in {**_places(index), BOUNDARY: _boundary(index)}.items():
            if len(places):
                strata[stratum] = len(places)
                arrays[f"centres:{stratum}"] = _fewer(places, stratum)
    record = {
        "images": {
            view: _facts(image) | ({"levels": [spaced[view].middle, spaced[view].step]} if view in spaced else {})
            for view, image in sample.images.items()
        },
        "masks": {name: _facts(mask) for name, mask in sample.masks.items()},
        "grids": [
            {"views": list(part.images), "masks": list(part.masks), "shape": part.reference.shape}
            for part in split_by_grid(sample)
        ],
        "strata": strata,
        "points": {name: places.tolist() for name, places in sample.points.items()},
        "boxes": {name: places.tolist() for name, places in sample.boxes.items()},
    }
    with write_aside(path, durable=False) as aside:  # thousands of waits for the disk would cost more than the work
        _write(aside, arrays, {"preceptor": json.dumps(record)})


def _write(path: Path, arrays: Mapping[str, np.ndarray], facts: Mapping[str, str]) -> None:
    """A safetensors file whose arrays begin at a page of memory, the largest first: aligned rows are copied faster."""
    header: dict[str, Any] = {"__metadata__": facts}
    offset, largest_first = 0, sorted(arrays, key=lambda name: -arrays[name].nbytes)
    for name in largest_first:
        array = arrays[name]
        kind = _NAMES[array.dtype.newbyteorder("<").str.replace("|", "<")]
        header[name] = {"dtype": kind, "shape": array.shape, "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-(8 + len(text)) % _PAGE)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in largest_first:
            array = arrays[name]
            file.write(np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False)).data)


def _facts(image: Image) -> dict[str, Any]:
    return {
        "affine_mm": image.affine_mm.tolist(),
        "is_label": image.is_label,
        "has_time": image.has_time,
        "meta": dict(image.meta),
    }


def _places(index: np.ndarray) -> dict[int, np.ndarray]:
    """``{class: (place, axis)}`` of every class but the background (0) and what is unlabelled (-1)."""
    flat = np.flatnonzero(index > 0)
    classes = index.reshape(-1)[flat]
    return {
        int(value): np.stack(np.unravel_index(flat[classes == value], index.shape), axis=1).astype(np.int32)
        for value in np.unique(classes)
    }


def _boundary(index: np.ndarray) -> np.ndarray:
    """``(place, axis)`` of voxels one of whose neighbours along an axis is of another class; what is unlabelled is of none."""
    meets = np.zeros(index.shape, dtype=bool)
    for axis in range(index.ndim):
        before = (slice(None),) * axis
        low, high = (*before, slice(None, -1)), (*before, slice(1, None))
        differs = (index[low] != index[high]) & (index[low] >= 0) & (index[high] >= 0)
        meets[low] |= differs
        meets[high] |= differs
    return np.stack(np.unravel_index(np.flatnonzero(meets), index.shape), axis=1).astype(np.int32)


def _fewer(places: np.ndarray, stratum: int) -> np.ndarray:
    if len(places) <= _MOST_CENTRES:
        return places
    chosen = np.random.default_rng(abs(stratum)).choice(len(places), _MOST_CENTRES, replace=False)
    return places[np.sort(chosen)]
