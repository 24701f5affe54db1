"""What of a batch's cases its patches will show, cut out and not yet varied: on its way to the device that varies them.

All of it lies in one piece of memory, so that one copy brings it to a GPU.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from preceptor.core.applied import Spatial
from preceptor.core.image import Image
from preceptor.maths.geometry import is_exact
from preceptor.maths.warps import bounds, read_linear, read_nearest, spread

from .decided import Told
from .patches import box_of, copied_patch, crop_into, moved_control

_ALIGNED = 64


@dataclass(frozen=True)
class Cut:
    """What a patch of several images of one grid is read from.

    Args:
        shape: Of the patch.
        arrays: Of each image: where it lies in the memory, its shape ``(channel, *space)`` and its type.
        leads: Of each image: the axes before those of space.
        labels: Of each image: whether it is read by nearest neighbour.
        first: The voxel at which what was cut out begins.
        size: Of the whole images.
        control: ``(axis, *points)`` float32: where voxels come from, at control points. None where the arrays are the patch.
    """

    shape: tuple[int, ...]
    arrays: tuple[tuple[int, tuple[int, ...], torch.dtype], ...]
    leads: tuple[tuple[int, ...], ...]
    labels: tuple[bool, ...]
    first: tuple[int, ...] = ()
    size: tuple[int, ...] = ()
    control: np.ndarray | None = None

    def read(self, packed: Tensor) -> list[Tensor]:
        """The patch of each image, ``(channel…, *shape)``, on the device on which the memory lies."""
        arrays = [_view(packed, *each) for each in self.arrays]
        if self.control is not None:
            places = _places(torch.from_numpy(self.control).to(packed.device), self.shape)
            for along, size in zip(places, self.size, strict=True):
                along.clamp_(-1, size)
            read = [read_nearest if is_label else read_linear for is_label in self.labels]
            arrays = [each(array, places, self.first) for each, array in zip(read, arrays, strict=True)]
        return [array.view(lead + self.shape) for array, lead in zip(arrays, self.leads, strict=True)]


def _places(control: Tensor, shape: Sequence[int]) -> Tensor:
    """In double precision, which no device's setting rounds to fewer digits; where there is none, in single."""
    if control.device.type == "mps":
        return spread(control, shape)
    return spread(control.double(), shape).float()


def _view(packed: Tensor, first: int, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    return packed[first : first + math.prod(shape) * dtype.itemsize].view(dtype).view(shape)


@dataclass(frozen=True)
class Gathered:
    """What a batch is made of.

    Args:
        told: Of each example, as the loader planned it.
        places: Of each example: its points and boxes, moved.
        cuts: Of each example and each of its grids.
        packed: ``(bytes,)`` uint8: the memory that the cuts lie in.
    """

    told: Sequence[Told]
    places: Sequence[Mapping[tuple[str, str], Tensor]]
    cuts: Sequence[Sequence[Cut]]
    packed: Tensor

    def pin_memory(self) -> Gathered:
        """Page-locked; the data loader calls this."""
        return replace(self, packed=self.packed.pin_memory())


@dataclass
class Cutter:
    """Cuts out what patches show, into one piece of memory: first all are planned, then all are cut."""

    _size: int = 0
    _jobs: list[Any] = field(default_factory=list)

    def plan(
        self,
        images: Sequence[Image],
        fills: Sequence[float],
        shape: Sequence[int],
        first: Sequence[int],
        spatial: Spatial | None,
    ) -> Cut:
        """Plan what several images of one grid are cut down to; arguments as those of `read_patch`."""
        shape = tuple(shape)
        arrays = [image.array.reshape(-1, *image.shape) for image in images]
        matrix = np.eye(len(shape) + 1) if spatial is None else spatial.matrix.copy()
        matrix[:-1, -1] += first
        control, box = None, None
        if spatial is not None and (spatial.displacement is not None or not is_exact(matrix)):
            control = moved_control(matrix, spatial, shape)
            box = box_of(*bounds(control, shape), images[0].shape)
        placed = []
        for array, fill, image in zip(arrays, fills, images, strict=True):
            space = shape if box is None else tuple(last - begin + 1 for begin, last in box)
            kind = np.dtype(array.dtype if image.is_label else np.float32)
            place = (self._size, (len(array), *space), torch.from_numpy(np.empty(0, kind)).dtype)
            self._jobs.append((array, fill, matrix, shape, box, place))
            placed.append(place)
            self._size = -(-(self._size + math.prod(place[1]) * kind.itemsize) // _ALIGNED) * _ALIGNED
        return Cut(
            shape,
            tuple(placed),
            tuple(image.array.shape[: image.array.ndim - image.space_dims] for image in images),
            tuple(image.is_label for image in images),
            () if box is None else tuple(begin for begin, _ in box),
            images[0].shape,
            control,
        )

    def cut(self, *, shared: bool) -> Tensor:
        """Cut out all that was planned.

        Args:
            shared: Whether the memory shall be one that another process can map.
        """
        size = max(self._size, 1)
        storage = torch.UntypedStorage._new_shared(size) if shared else torch.UntypedStorage(size)
        packed = torch.empty(0, dtype=torch.uint8).set_(storage)
        for array, fill, matrix, shape, box, place in self._jobs:
            out = _view(packed, *place).numpy()
            if box is None:
                out[...] = copied_patch(array, matrix, shape, fill)
            else:
                crop_into(array, box, fill, out)
        return packed
