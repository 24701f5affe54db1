"""Buffers of many sizes that come and go inside one allocation."""

from __future__ import annotations

import bisect
from collections.abc import Iterable

import torch
from torch import Tensor


class Places:
    """First fit: each piece lies in the lowest gap that holds it."""

    def __init__(self) -> None:
        self._taken: list[tuple[int, int]] = []  # (start, stop) in order
        self.most = 0

    def take(self, size: int) -> int:
        """Where a piece goes."""
        start = 0
        for low, high in self._taken:
            if low - start >= size:
                break
            start = high
        bisect.insort(self._taken, (start, start + size))
        self.most = max(self.most, start + size)
        return start

    def give(self, start: int) -> None:
        """The piece that starts there is gone."""
        del self._taken[bisect.bisect_left(self._taken, (start, 0))]


class Arena:
    """One allocation that large buffers share, so that their coming and going leaves the heap in one piece.

    Freed and made one by one, buffers of many sizes leave gaps that nothing fits into, and a process grows to twice what
    it holds.

    Args:
        length: Numbers it holds. What does not fit gets a buffer of its own.
        device: Where it lies.
    """

    def __init__(self, length: int, device: torch.device) -> None:
        self._storage = torch.empty(length, device=device)
        self._places = Places()
        self._starts: dict[int, int] = {}

    def take(self, shape: Iterable[int]) -> Tensor:
        """A buffer; what it holds is anything."""
        shape = tuple(shape)
        size = torch.Size(shape).numel()
        start = self._places.take(size)
        if start + size > len(self._storage):
            self._places.give(start)
            return torch.empty(shape, device=self._storage.device)
        buffer = self._storage[start : start + size].view(shape)
        self._starts[buffer.data_ptr()] = start
        return buffer

    def give(self, buffer: Tensor) -> None:
        """A buffer is no longer needed."""
        start = self._starts.pop(buffer.data_ptr(), None)
        if start is not None:
            self._places.give(start)
