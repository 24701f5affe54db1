"""A batch on its way from a worker: all its tensors in one piece of memory, since every piece is handed over by itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from preceptor.core.batch import Batch

_ALIGNED = 64


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


@dataclass
class _Pieces:
    tensors: list[tuple[int, Tensor]] = field(default_factory=list)
    size: int = 0

    def put(self, tensor: Tensor) -> _Place:
        first = -(-self.size // _ALIGNED) * _ALIGNED
        self.tensors.append((first, tensor))
        self.size = first + tensor.numel() * tensor.element_size()
        return _Place(first, tuple(tensor.shape), tensor.dtype)


def pack(batch: Batch) -> Parcel:
    """Pack a batch's tensors into one."""
    pieces = _Pieces()
    told = _each_tensor(batch, lambda value: pieces.put(value) if isinstance(value, Tensor) else value)
    packed = torch.empty(pieces.size, dtype=torch.uint8)
    for first, tensor in pieces.tensors:
        _cut(packed, _Place(first, tuple(tensor.shape), tensor.dtype)).copy_(tensor)
    return Parcel(told, packed)


def unpack(parcel: Parcel) -> Batch:
    """The batch again; its tensors share the parcel's memory."""
    return _each_tensor(parcel.batch, lambda value: _cut(parcel.packed, value) if isinstance(value, _Place) else value)


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
    )
