"""The memory of a batch, made before its examples are: each is written where it will lie, and nothing is copied again."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

_ALIGNED = 64
#: Batches whose memory is kept to be used again: the one in use, the one being made, and one on its way.
_KEPT = 3
#: References to a kept array that nobody else holds: the list's, the loop's, and that of the call that counts them.
_OWN_REFERENCES = 3
_KINDS: Mapping[torch.dtype, Any] = {torch.float32: np.float32, torch.int8: np.int8}


class Frames:
    """Makes the memory of batches.

    Args:
        parts: ``{name: (shape of one example, float32 or int8)}``; none makes empty frames.
    """

    def __init__(self, parts: Mapping[str, tuple[tuple[int, ...], torch.dtype]]) -> None:
        self.parts = dict(parts)
        self._kept: dict[tuple[str, int], list[np.ndarray]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"parts": self.parts, "_kept": {}}

    def of(self, count: int) -> dict[str, Tensor]:
        """Tensors ``{name: (count, *shape)}``, not yet filled.

        Fresh memory of a few MB is fetched from the system page by page, which takes as long as filling it; so what an
        earlier batch lay in is used again as soon as nobody holds that batch, nor any part of it, any longer.
        """
        return {name: torch.from_numpy(self._memory(name, count)) for name in self.parts}

    def _memory(self, name: str, count: int) -> np.ndarray:
        kept = self._kept.setdefault((name, count), [])
        for array in kept:
            if sys.getrefcount(array) == _OWN_REFERENCES:
                return array
        shape, dtype = self.parts[name]
        array = np.empty((count, *shape), _KINDS[dtype])
        if len(kept) < _KEPT:
            kept.append(array)
        return array

    def shared(self, count: int) -> dict[str, Tensor]:
        """The same, in one piece of memory that another process can map: handing the batch over then copies nothing."""
        size, places = 0, {}
        for name, (shape, dtype) in self.parts.items():
            places[name] = size, count * math.prod(shape) * dtype.itemsize
            size = -(-sum(places[name]) // _ALIGNED) * _ALIGNED
        if not places:
            return {}
        packed = torch.empty(0, dtype=torch.uint8).set_(torch.UntypedStorage._new_shared(size))
        return {
            name: packed[first : first + length].view(self.parts[name][1]).view(count, *self.parts[name][0])
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
