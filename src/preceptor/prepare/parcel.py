"""A batch on its way from a worker: all its tensors in one piece of memory, since every piece is handed over by itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from preceptor.core.batch import Batch

_ALIGNED = 64
#: Tensors of at most so many bytes travel in the message itself.
_SMALL = 4096


@dataclass(frozen=True)
class Parcel:
    """A batch whose tensors are packed.

    Args:
        batch: The batch with places instead of tensors.
        packed: ``(bytes,)`` uint8.
    """

    batch: Batch
    packed: Tensor

    def pin_memory(self) -> Parcel:
        """Page-locked; the data loader calls this."""
        return replace(self, packed=self.packed.pin_memory())


@dataclass(frozen=True)
class _Place:
    first: int
    shape: tuple[int, ...]
    dtype: torch.dtype


def pack(batch: Batch, frame: Mapping[str, Tensor]) -> Parcel:
    """Pack a batch's tensors into one piece of memory.

    Args:
        batch: What is small travels in the message itself.
        frame: Tensors of one shared piece of memory in which parts of the batch lie already; these are not copied. Empty
            where there is none.
    """
    kept = next(iter(frame.values())).untyped_storage() if frame else None
    size, pieces = 0, []

    def put(value: Any) -> Any:
        nonlocal size
        if not isinstance(value, Tensor):
            return value
        if kept is not None and value.untyped_storage().data_ptr() == kept.data_ptr():
            return _Place(int(value.storage_offset()) * value.element_size(), tuple(value.shape), value.dtype)
        if value.numel() * value.element_size() <= _SMALL:
            return value.numpy()
        if kept is not None:
            return value
        place = _Place(-(-size // _ALIGNED) * _ALIGNED, tuple(value.shape), value.dtype)
        pieces.append((place, value))
        size = place.first + value.numel() * value.element_size()
        return place

    told = _each_tensor(batch, put)
    if kept is not None:
        return Parcel(told, torch.empty(0, dtype=torch.uint8).set_(kept))
    packed = torch.empty(size, dtype=torch.uint8)
    for place, tensor in pieces:
        _cut(packed, place).copy_(tensor)
    return Parcel(told, packed)


def unpack(parcel: Parcel) -> Batch:
    """The batch again; its tensors share the parcel's memory."""

    def take(value: Any) -> Any:
        if isinstance(value, _Place):
            return _cut(parcel.packed, value)
        return torch.from_numpy(value) if isinstance(value, np.ndarray) else value

    return _each_tensor(parcel.batch, take)


def _cut(packed: Tensor, place: _Place) -> Tensor:
    size = math.prod(place.shape) * place.dtype.itemsize
    return packed[place.first : place.first + size].view(place.dtype).view(place.shape)


def _each_tensor(batch: Batch, change: Any) -> Batch:
    def changed(values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: change(value) for name, value in values.items()}

    return Batch(
        images=changed(batch.images),
        present=changed(batch.present),
        targets=changed(batch.targets),
        rows=change(batch.rows),
        keys=batch.keys,
        fields=changed(batch.fields),
        masks=changed(batch.masks),
        points=changed(batch.points),
        boxes=changed(batch.boxes),
    )
