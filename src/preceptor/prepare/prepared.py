"""One prepared case on disk: a single safetensors file, mapped into memory, so that a patch costs what a patch weighs."""

from __future__ import annotations

import json
import math
import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError
from preceptor.core.files import write_aside
from preceptor.core.image import Image

from .compose import split_by_grid

_KINDS = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "<i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "<u1", "BOOL": "?",
}  # fmt: skip
#: Places kept of each class, for patches centred on it.
_MOST_CENTRES = 4096


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
            with path.open("rb") as file:
                self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            (length,) = struct.unpack("<Q", self._bytes[:8])
            header = json.loads(self._bytes[8 : 8 + length])
            self._start, self._header = 8 + length, header
            record = json.loads(header.pop("__metadata__")["preceptor"])
            if len(self._bytes) != self._start + max(
                (entry["data_offsets"][1] for entry in header.values()), default=0
            ):
                raise ValueError("shorter than its header says")
        except (OSError, ValueError, KeyError, struct.error) as error:
            raise PrepareError(
                "a prepared case is damaged",
                where=path.name,
                remedy="delete the run's folder 'prepared'; the case is then prepared again",
                code="prepared_damaged",
            ) from error
        self._known: dict[str, Image] = {}
        self.shown: dict[tuple, Sample] = {}  # for whoever draws from the case, as long as it is open
        self._images: Mapping[str, Any] = record["images"]
        self._masks: Mapping[str, Any] = record["masks"]
        self.grids = tuple(Grid(tuple(g["views"]), tuple(g["masks"]), tuple(g["shape"])) for g in record["grids"])
        self.strata = {int(value): count for value, count in record["strata"].items()}

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
        return self._opened(f"image:{view}", self._images[view])

    def mask(self, name: str) -> Image:
        return self._opened(f"mask:{name}", self._masks[name])

    def _opened(self, name: str, facts: Mapping[str, Any]) -> Image:
        if name not in self._known:
            self._known[name] = Image(
                self._array(name), np.array(facts["affine_mm"]), facts["is_label"], facts["has_time"], facts["meta"]
            )
        return self._known[name]

    def centres(self, stratum: int) -> np.ndarray:
        """``(place, axis)`` int32: voxels of a class, all of them or an even draw."""
        return self._array(f"centres:{stratum}")

    @property
    def views(self) -> tuple[str, ...]:
        return tuple(self._images)

    @property
    def masks(self) -> tuple[str, ...]:
        return tuple(self._masks)


def write_prepared(path: Path, sample: Sample, dense: str | None) -> None:
    """Write a prepared case, aside and renamed.

    Args:
        path: ``….safetensors``.
        sample: On the prepared grid.
        dense: Name of the mask (class indices) whose classes patches may be centred on.

    Raises:
        OSError: The disk is full or not writable.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    arrays = {f"image:{view}": np.ascontiguousarray(image.array) for view, image in sample.images.items()}
    arrays |= {f"mask:{name}": np.ascontiguousarray(mask.array) for name, mask in sample.masks.items()}
    strata = {}
    if dense is not None and dense in sample.masks:
        for value, places in _places(sample.masks[dense].array[0]).items():
            strata[value] = len(places)
            arrays[f"centres:{value}"] = _fewer(places, value)
    record = {
        "images": {view: _facts(image) for view, image in sample.images.items()},
        "masks": {name: _facts(mask) for name, mask in sample.masks.items()},
        "grids": [
            {"views": list(part.images), "masks": list(part.masks), "shape": part.reference.shape}
            for part in split_by_grid(sample)
        ],
        "strata": strata,
    }
    with write_aside(path, durable=False) as aside:  # thousands of waits for the disk would cost more than the work
        try:
            save_file(arrays, aside, {"preceptor": json.dumps(record)})
        except SafetensorError as error:
            raise OSError(str(error)) from error


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


def _fewer(places: np.ndarray, value: int) -> np.ndarray:
    if len(places) <= _MOST_CENTRES:
        return places
    chosen = np.random.default_rng(value).choice(len(places), _MOST_CENTRES, replace=False)
    return places[np.sort(chosen)]
