"""Warp patches: where each voxel comes from, and reading the pixels there, without a loop over voxels.

The place of each voxel is a smooth field, so it is written down at a few control points (the corners are enough for an
affine map) and spread over the patch by one small matrix product an axis.

Linear reading in space uses a plane's interpolation: a volume ``(x, y, z)`` is also a tall picture of ``x * y`` rows and
``z`` columns, in which slab ``x + 1`` is the same picture ``y`` rows further down, that is: a second channel
that shares its memory. One two-dimensional `grid_sample`, for which torch has vector code (it has none for volumes on
a CPU), then gives both slabs, and one blend of the two is the trilinear value.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

#: Of numbers: an array, or a tensor.
Field = TypeVar("Field", np.ndarray, Tensor)


def natural_spline(places: np.ndarray, points: int, size: int, derivative: int = 0) -> np.ndarray:
    """What a natural cubic spline through control points that span an axis takes from each of them.

    Written out rather than taken from scipy, whose splines bring 70 MB of modules into each process that loads data.

    Args:
        places: ``(place,)`` in voxels, from 0 to ``size - 1``.
        points: Control points, at least 2, evenly spaced; 2 give a straight line.
        size: Voxels along the axis.
        derivative: 0 for values, 1 for slopes (per voxel).

    Returns:
        ``(place, points)`` float64.

    Source: de Boor 1978, chapter 4: the second derivatives M at the knots solve ``M[i-1] + 4 M[i] + M[i+1] = 6 (y[i-1] -
    2 y[i] + y[i+1]) / h²`` and are 0 at both ends.
    """
    step = max(size - 1, 1) / (points - 1)
    bend = np.zeros((points, points))
    if points > 2:
        inner = np.arange(points - 2)
        system = 4 * np.eye(points - 2) + np.eye(points - 2, k=1) + np.eye(points - 2, k=-1)
        second = np.zeros((points - 2, points))
        second[inner, inner], second[inner, inner + 1], second[inner, inner + 2] = 1, -2, 1
        bend[1:-1] = np.linalg.solve(system, second)
    # With t from 0 to 1 between two knots and M = 6 bend / h²: a straight line, and what bends it at either end.
    left = np.clip(np.floor(places / step).astype(int), 0, points - 2)
    t = (places / step - left)[:, None]
    value, line = np.eye(points), (1 - t, t)
    bent = ((1 - t) ** 3 - (1 - t), t**3 - t)
    if derivative == 1:
        line = (-1 / step, 1 / step)
        bent = ((1 - 3 * (1 - t) ** 2) / step, (3 * t**2 - 1) / step)
    return line[0] * value[left] + line[1] * value[left + 1] + bent[0] * bend[left] + bent[1] * bend[left + 1]


@lru_cache(maxsize=512)
def spline_matrix(points: int, size: int) -> np.ndarray:
    """What each of `size` voxels takes from control points that span them, corners included.

    Args:
        points: Control points, at least 2.
        size: Voxels along the axis.

    Returns:
        ``(size, points)`` float32: a natural cubic spline through the control points; a straight line for two.

    Source: natural cubic spline interpolation (de Boor 1978), which is linear in its knots' values.
    """
    return natural_spline(np.arange(size), points, size).astype(np.float32)


def control_points(points: Sequence[int], shape: Sequence[int]) -> np.ndarray:
    """Where control points lie: ``(axis, *points)`` float64, in voxels of a grid of this shape, corners included."""
    along = [np.linspace(0, max(size - 1, 1), number) for number, size in zip(points, shape, strict=True)]
    return np.stack(np.meshgrid(*along, indexing="ij"))


def spread(control: Field, shape: Sequence[int]) -> Field:
    """A field given at control points, at every voxel.

    Args:
        control: ``(axis, *points)`` float32, or a tensor on any device.
        shape: Of the grid that the control points span.

    Returns:
        ``(axis, *shape)`` of the control points' type.
    """
    return _along_axes(control, [spline_matrix(n, size) for n, size in zip(control.shape[1:], shape, strict=True)])


def bounds(control: np.ndarray, shape: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Between which values a field given at control points lies, without working it out at every voxel.

    Args:
        control: ``(axis, *points)``.
        shape: Of the grid that the control points span.

    Returns:
        Lowest and highest, ``(axis,)`` each. The field stays between them and may stay away from them: they are those of
        its Bézier points.

    Source: Farin 2002, chapter 4 (a polynomial lies in the hull of its Bézier points).
    """
    hull = _along_axes(
        control.astype(float), [_bezier_points(n, size) for n, size in zip(control.shape[1:], shape, strict=True)]
    )
    flat = hull.reshape(len(control), -1)
    return flat.min(1), flat.max(1)


@lru_cache(maxsize=512)
def _bezier_points(points: int, size: int) -> np.ndarray:
    """What each Bézier point of a natural spline takes from its control points: ``(3 (points - 1) + 1, points)``."""
    knots = np.linspace(0, max(size - 1, 1), points)
    third = (knots[1] - knots[0]) / 3
    value, slope = (natural_spline(knots, points, size, derivative) for derivative in (0, 1))
    inner = np.stack([(value + third * slope)[:-1], (value - third * slope)[1:]], axis=1)
    return np.concatenate([np.concatenate([value[:-1, None], inner], axis=1).reshape(-1, points), value[-1:]])


def _along_axes(field: Field, matrices: Sequence[np.ndarray]) -> Field:
    """A field ``(component, *space)`` with a matrix ``(new, old)`` applied along each axis of space."""
    for axis in reversed(range(len(matrices))):  # the last axis first: the largest product is then left to the end
        matrix: Any = matrices[axis]
        if isinstance(field, Tensor):
            matrix = torch.from_numpy(matrix).to(field.device, field.dtype)
        before, after = field.shape[: 1 + axis], field.shape[2 + axis :]
        field = (matrix @ field.reshape(*before, field.shape[1 + axis], -1)).reshape(*before, len(matrix), *after)
    return field


def field_at(control: np.ndarray, places: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """A field given at control points, at any places of the grid; beyond the grid it stays what it is at the edge.

    Args:
        control: ``(axis, *points)``.
        places: ``(axis, *any)`` in voxels of the grid.
        shape: Of the grid that the control points span.

    Returns:
        ``(axis, *any)`` float64.
    """
    weights = [
        natural_spline(np.clip(place.reshape(-1), 0, max(size - 1, 1)), number, size)
        for place, size, number in zip(places, shape, control.shape[1:], strict=True)
    ]
    letters = "abc"[: len(shape)]
    terms = ",".join(f"p{letter}" for letter in letters)
    field = np.einsum(f"d{letters},{terms}->dp", control.astype(float), *weights)
    return field.reshape(len(control), *places.shape[1:])


def read_linear(source: Tensor, places: Tensor, first: Sequence[int]) -> Tensor:
    """Linear interpolation at given places.

    Args:
        source: ``(channel, *space)`` float32, contiguous, at least two voxels along each axis.
        places: ``(axis, *shape)`` float32 voxel coordinates, inside the source but for rounding.
        first: The coordinates of the source's first voxel.

    Returns:
        ``(channel, *shape)`` float32.
    """
    channels, shape, size = source.shape[0], places.shape[1:], source.shape[1:]
    grid = places.new_empty((2, *shape))
    if len(size) == 2:
        _scaled(places[1], size[1], first[1], grid[0])
        _scaled(places[0], size[0], first[0], grid[1])
        flat = grid.view(1, 2, 1, -1).permute(0, 2, 3, 1)
        return torch.grid_sampler(source[None], flat, _BILINEAR, _BORDER, True).view(channels, *shape)
    slabs, rows, columns = size
    tall = (slabs - 1) * rows
    picture = source.as_strided((channels, 2, tall, columns), (slabs * rows * columns, rows * columns, columns, 1))
    slab = places[0].floor().clamp_(first[0], first[0] + slabs - 2)
    _scaled(places[2], columns, first[2], grid[0])
    _scaled(places[1], tall, first[1] + rows * first[0], grid[1])
    grid[1].add_(slab, alpha=2 * rows / (tall - 1))
    flat = grid.view(1, 2, 1, -1).permute(0, 2, 3, 1).expand(channels, -1, -1, -1)
    both = torch.grid_sampler(picture, flat, _BILINEAR, _BORDER, True).view(channels, 2, *shape)
    return torch.lerp(both[:, 0], both[:, 1], torch.sub(places[0], slab, out=slab))


#: Of `torch.grid_sampler`.
_BILINEAR, _BORDER = 0, 1


def _scaled(places: Tensor, size: int, first: int, out: Tensor) -> None:
    """Voxels as `grid_sample` counts them: -1 is the first, 1 the last."""
    step = 2 / (size - 1)
    torch.add(torch.tensor(-1 - first * step), places, alpha=step, out=out)


def read_nearest(source: Tensor, places: Tensor, first: Sequence[int]) -> Tensor:
    """The nearest voxel at given places.

    Args:
        source: ``(channel, *space)`` of any type, contiguous.
        places: ``(axis, *shape)`` float32 voxel coordinates, not half a voxel outside the source.
        first: The coordinates of the source's first voxel.

    Returns:
        ``(channel, *shape)`` of the source's type.
    """
    shape, size = places.shape[1:], source.shape[1:]
    whole = places.round()
    if source[0].numel() > 2**23:  # far beyond it single precision no longer counts in ones
        whole = whole.long()
    index, offset = whole[0], first[0]
    for axis in range(1, len(size)):
        index = torch.add(whole[axis], index, alpha=size[axis])
        offset = offset * size[axis] + first[axis]
    flat = index.sub_(offset).view(-1).to(torch.int32 if source[0].numel() < 2**31 else torch.int64)
    return torch.stack([channel.view(-1).index_select(0, flat) for channel in source]).view(-1, *shape)
