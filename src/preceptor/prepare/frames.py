"""The memory of a batch, made before its examples are: each is written where it will lie, and nothing is copied again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

_ALIGNED = 64


def frames(parts: Mapping[str, tuple[tuple[int, ...], torch.dtype]], count: int, shared: bool) -> dict[str, Tensor]:
    """Tensors of a batch, not yet filled.

    Args:
        parts: ``{name: (shape of one example, type)}``.
        count: Examples.
        shared: One piece of memory for all of them that another process can map: handing over a batch then copies nothing.

    Returns:
        ``{name: (count, *shape)}``.
    """
    if not shared:
        return {name: torch.empty((count, *shape), dtype=dtype) for name, (shape, dtype) in parts.items()}
    size, places = 0, {}
    for name, (shape, dtype) in parts.items():
        places[name] = size, count * math.prod(shape) * dtype.itemsize
        size = -(-sum(places[name]) // _ALIGNED) * _ALIGNED
    storage = torch.UntypedStorage._new_shared(max(size, 1))
    packed = torch.empty(0, dtype=torch.uint8).set_(storage)
    return {
        name: packed[first : first + length].view(parts[name][1]).view(count, *parts[name][0])
        for name, (first, length) in places.items()
    }


def stacked(column: Sequence[Tensor], frame: Tensor | None = None) -> Tensor:
    """A batch of examples; without copying where each already lies in its place in the frame.

    Args:
        column: One tensor an example, of one shape.
        frame: Where they may lie.
    """
    if frame is not None and len(frame) == len(column):
        first, step = frame.data_ptr(), frame.stride(0) * frame.element_size()
        if all(each.data_ptr() == first + n * step for n, each in enumerate(column)):
            return frame.view(len(column), *column[0].shape)
    return torch.stack(list(column))
