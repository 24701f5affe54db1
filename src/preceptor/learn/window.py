"""How a scan is walked through: windows, and the cells between their borders that are whole sooner than the scan."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from .arena import Arena, Places

Box = tuple[slice, ...]

#: Numbers decoded at a time: half a megabyte, which stays in the processor's cache.
_SLAB_NUMBERS = 2**17


@dataclass(frozen=True)
class Window:
    """A window that slides over a scan.

    Args:
        patch: Voxels along each axis.
        overlap: Share of the window by which neighbours overlap at least, 0 ≤ overlap < 1.
        batch: Windows that go through the network together.
        blend: How much a window says of each of its voxels: "gaussian" trusts its centre (a deviation of an eighth of
            the window along each axis), "constant" all of it alike.
        skip_span: Windows whose pixels span no more than this, in every view, are background and not computed. None
            computes every window.
    """

    patch: tuple[int, ...]
    overlap: float = 0.5
    batch: int = 1
    blend: Literal["gaussian", "constant"] = "gaussian"
    skip_span: float | None = None

    def starts(self, shape: Sequence[int]) -> list[list[int]]:
        """First voxel of the windows along each axis: as few as the overlap allows, spread evenly.

        An axis shorter than the window has one that hangs over on both sides (its start is negative).
        """
        return [_starts(size, patch, self.overlap) for size, patch in zip(shape, self.patch, strict=True)]

    def weight(self) -> Tensor:
        """``(*patch,)`` float32: how much a window says of each of its voxels."""
        weight = torch.ones(())
        for size in self.patch:
            if self.blend == "constant":
                line = torch.ones(size)
            else:
                offset = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
                line = torch.exp(-(offset**2) / (2 * (size / 8) ** 2)).float()
            weight = weight[..., None] * line
        return weight


def _starts(size: int, patch: int, overlap: float) -> list[int]:
    if size <= patch:
        return [-((patch - size) // 2)]
    step = max(1, math.floor(patch * (1 - overlap)))
    number = math.ceil((size - patch) / step) + 1
    return [round(index * (size - patch) / (number - 1)) for index in range(number)]


@dataclass
class _Cell:
    """A box between neighbouring borders of windows: every window holds all of it or nothing.

    Args:
        box: Where it lies in the scan.
        expected: Windows that hold it and have not been by.
        channels: ``(channel, *box)`` weighted sums; None before the first window.
        weight: ``(*box,)`` summed weights.
    """

    box: Box
    expected: int
    channels: Tensor | None = None
    weight: Tensor | None = None


@dataclass
class Mosaic:
    """Adds windows up, and lets every part of the scan go as soon as the last window over it has been by.

    Windows go by with the longest axis outermost, so what is pending is a slab across the two shorter axes: the
    memory does not grow with the length of the scan. All buffers lie in one allocation, whose size is worked out
    beforehand by letting the windows go by on paper.

    Args:
        window: The window.
        shape: Of the scan.
        finish: ``finish(box, channels)`` is called once for every part of the scan with the weighted mean
            ``(channel, *box)``, which is only good during the call; with None where every window over it was skipped.
        device: Where to add up.
        even: Cut the scan's ends as finely as its middle. Cells then have a few sizes only and lie in the allocation
            with hardly a gap: a tenth less memory, for twice the cells. It pays where there are many channels.
    """

    window: Window
    shape: tuple[int, ...]
    finish: Callable[[Box, Tensor | None], None]
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    even: bool = False

    def __post_init__(self) -> None:
        self._weight = self.window.weight().to(self.device)
        self._starts = self.window.starts(self.shape)
        self._cuts = [
            _cuts(size, patch, starts, self.even)
            for size, patch, starts in zip(self.shape, self.window.patch, self._starts, strict=True)
        ]
        self._pending: dict[tuple[int, ...], _Cell] = {}
        self._arena: Arena | None = None

    def corners(self) -> Iterator[tuple[int, ...]]:
        """First voxel of every window, the longest axis outermost."""
        order = sorted(range(len(self.shape)), key=lambda axis: -self.shape[axis])
        for starts in itertools.product(*(self._starts[axis] for axis in order)):
            yield tuple(starts[order.index(axis)] for axis in range(len(order)))

    def add(
        self, corner: Sequence[int], output: Tensor, decode: Callable[[Tensor], Tensor], share: float = 1.0
    ) -> None:
        """Add one answer to a window.

        Args:
            corner: Its first voxel.
            output: ``(1, channel, *patch)`` as the network gave it.
            decode: Voxel by voxel, ``(1, channel, *box) -> (1, channel, *box)``. It is called on a few megabytes at a
                time, which stay in the processor's cache.
            share: Factor, where several answers to one window are averaged.
        """
        for cell, inside in self._cells(corner):
            weight = self._weight[inside] * share
            is_first = cell.channels is None
            for slab in _slabs(cell.box, output.shape[1]):
                part = slice(inside[0].start + slab.start, inside[0].start + slab.stop)
                piece = output[(slice(None), slice(None), part, *inside[1:])].contiguous()  # softmax is twice as fast
                channels = decode(piece)[0]
                if cell.channels is None:
                    cell.channels = self._buffer(len(channels), cell.box)
                if is_first:
                    torch.mul(channels, weight[slab], out=cell.channels[:, slab])
                else:
                    cell.channels[:, slab].addcmul_(channels, weight[slab])
            cell.weight = weight if is_first or cell.weight is None else cell.weight + weight

    def done(self, corner: Sequence[int]) -> None:
        """The window has been by, or is skipped: cells that wait for no other are finished."""
        for cell, _ in self._cells(corner):
            cell.expected -= 1
            if cell.expected:
                continue
            if cell.channels is None or cell.weight is None:
                self.finish(cell.box, None)
            else:
                for slab in _slabs(cell.box, len(cell.channels)):
                    start = cell.box[0].start
                    box = (slice(start + slab.start, start + slab.stop), *cell.box[1:])
                    self.finish(box, cell.channels[:, slab].div_(cell.weight[slab]))
                self._give_back(cell.channels)
            del self._pending[tuple(side.start for side in cell.box)]

    def _boxes(self, corner: Sequence[int]) -> Iterator[Box]:
        """Where the cells of a window lie in the scan."""
        lines = []
        for cuts, start, patch in zip(self._cuts, corner, self.window.patch, strict=True):
            pairs = itertools.pairwise(cuts)
            lines.append([slice(low, high) for low, high in pairs if start <= low and high <= start + patch])
        return itertools.product(*lines)

    def _cells(self, corner: Sequence[int]) -> list[tuple[_Cell, Box]]:
        """The cells that a window holds, and where they lie inside it."""
        found = []
        for box in self._boxes(corner):
            place = tuple(side.start for side in box)
            if place not in self._pending:
                self._pending[place] = _Cell(box, self._windows_over(box))
            inside = tuple(slice(s.start - c, s.stop - c) for s, c in zip(box, corner, strict=True))
            found.append((self._pending[place], inside))
        return found

    def _windows_over(self, box: Box) -> int:
        return math.prod(
            sum(start <= side.start and side.stop <= start + patch for start in starts)
            for side, patch, starts in zip(box, self.window.patch, self._starts, strict=True)
        )

    def _buffer(self, channels: int, box: Box) -> Tensor:
        if self._arena is None:
            self._arena = Arena(self._most_pending() * channels, self.device)
        return self._arena.take((channels, *(side.stop - side.start for side in box)))

    def _give_back(self, buffer: Tensor) -> None:
        if self._arena is not None:
            self._arena.give(buffer)

    def _most_pending(self) -> int:
        """Voxels that the arena needs: the windows go by, and only the places of their cells are kept."""
        places, starts, expected = Places(), {}, {}
        corners = self.corners()
        while batch := list(itertools.islice(corners, self.window.batch)):
            boxes = [list(self._boxes(corner)) for corner in batch]
            for box in itertools.chain.from_iterable(boxes):
                place = tuple(side.start for side in box)
                if place not in starts:
                    starts[place] = places.take(math.prod(side.stop - side.start for side in box))
                    expected[place] = self._windows_over(box)
            for box in itertools.chain.from_iterable(boxes):
                place = tuple(side.start for side in box)
                expected[place] -= 1
                if not expected[place]:
                    places.give(starts[place])
        return places.most


def _cuts(size: int, patch: int, starts: Sequence[int], even: bool) -> list[int]:
    """Where windows begin and end along one axis; `even` lets windows that are not there go on beyond both ends."""
    begins = list(starts)
    if even and len(starts) > 1:
        step = starts[1] - starts[0]
        begins += range(starts[0] - step, -patch, -step)
        begins += range(starts[-1] + step, size, step)
    inside = (min(max(cut, 0), size) for begin in begins for cut in (begin, begin + patch))
    return sorted({0, size, *inside})


def _slabs(box: Box, channels: int) -> Iterator[slice]:
    """A cell in slabs across its first axis, of a few megabytes each."""
    size, *others = (side.stop - side.start for side in box)
    step = max(1, _SLAB_NUMBERS // (channels * math.prod(others)))
    return (slice(start, min(start + step, size)) for start in range(0, size, step))
