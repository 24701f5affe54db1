"""Warp patches: where each voxel comes from, and reading the pixels there, without a loop over voxels.

The place of each voxel is a smooth field, so it is written down at a few control points (the corners are enough for an
affine map) and spread over the patch by one small matrix product an axis.

Linear reading in space uses a plane's interpolation: a volume ``(x, y, z)`` is also a tall picture of ``x * y`` rows and
``z`` columns, in which slab ``x + 1`` is the same picture ``y`` rows further down, that is: a second channel that shares
its memory. One two-dimensional `grid_sample`, for which torch has vector code (it has none for volumes on a CPU), then
gives both slabs, and one blend of the two is the trilinear value.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


@lru_cache(maxsize=512)
def spline_matrix(points: int, size: int) -> Tensor:
    """What each of `size` voxels takes from control points that span them, corners included.

    Args:
        points: Control points, at least 2.
        size: Voxels along the axis.

    Returns:
        ``(size, points)`` float32: a natural cubic spline through the control points; a straight line for two.

    Source: natural cubic spline interpolation (de Boor 1978), which is linear in its knots' values.
    """
    from scipy.interpolate import CubicSpline

    knots = np.linspace(0, size - 1, points) if size > 1 else np.arange(points, dtype=float)
    spline = CubicSpline(knots, np.eye(points), bc_type="natural")
    return torch.from_numpy(spline(np.arange(size)).astype(np.float32))


def control_points(points: Sequence[int], shape: Sequence[int]) -> np.ndarray:
    """Where the control points lie: ``(axis, *points)`` float64, in voxels of a grid of this shape, corners included."""
    along = [np.linspace(0, size - 1, number) for number, size in zip(points, shape, strict=True)]
    return np.stack(np.meshgrid(*along, indexing="ij"))


def spread(control: np.ndarray, shape: Sequence[int]) -> Tensor:
    """A field given at control points, at every voxel.

    Args:
        control: ``(axis, *points)``.
        shape: Of the grid that the control points span.

    Returns:
        ``(axis, *shape)`` float32.
    """
    field = torch.from_numpy(np.ascontiguousarray(control, dtype=np.float32))
    dims = field.ndim - 1
    for axis in reversed(range(dims)):
        weights = spline_matrix(field.shape[1 + axis], shape[axis])
        if axis == dims - 1:
            field = field @ weights.T
        else:
            before, after = field.shape[: 1 + axis], field.shape[2 + axis :]
            field = torch.matmul(weights, field.reshape(*before, field.shape[1 + axis], -1)).reshape(
                *before, shape[axis], *after
            )
    return field


def read_linear(source: Tensor, places: Tensor) -> Tensor:
    """Linear interpolation at given places.

    Args:
        source: ``(channel, *space)`` float32, contiguous, at least two voxels along each axis.
        places: ``(axis, *shape)`` float32 voxel coordinates inside ``0 .. size - 1`` of each axis.

    Returns:
        ``(channel, *shape)`` float32.
    """
    channels, shape = source.shape[0], places.shape[1:]
    if source.ndim == 3:
        rows, columns = source.shape[1:]
        grid = torch.stack((places[1] * (2 / (columns - 1)), places[0] * (2 / (rows - 1))), -1).sub_(1)
        return F.grid_sample(source[None], grid[None], padding_mode="border", align_corners=True)[0]
    slabs, rows, columns = source.shape[1:]
    tall = (slabs - 1) * rows
    picture = source.as_strided((channels, 2, tall, columns), (slabs * rows * columns, rows * columns, columns, 1))
    slab = places[0].floor().clamp_(max=slabs - 2)
    grid = torch.empty((2, *shape))
    torch.mul(places[2], 2 / (columns - 1), out=grid[0])
    torch.add(places[1], slab, alpha=rows, out=grid[1])
    grid[1].mul_(2 / (tall - 1))
    grid.sub_(1)
    flat = grid.view(1, 2, 1, -1).permute(0, 2, 3, 1).expand(channels, -1, -1, -1)
    both = F.grid_sample(picture, flat, padding_mode="border", align_corners=True).view(channels, 2, *shape)
    return torch.lerp(both[:, 0], both[:, 1], slab.sub_(places[0]).neg_())


def read_nearest(source: Tensor, places: Tensor) -> Tensor:
    """The nearest voxel at given places.

    Args:
        source: ``(channel, *space)`` of any type, contiguous.
        places: ``(axis, *shape)`` float32 voxel coordinates inside ``0 .. size - 1`` of each axis.

    Returns:
        ``(channel, *shape)`` of the source's type.
    """
    shape, size = places.shape[1:], source.shape[1:]
    whole = places.round()
    if source[0].numel() > 2**24:  # beyond it single precision no longer counts in ones
        whole = whole.long()
    index = whole[0] * size[1] + whole[1]
    if len(size) == 3:
        index = index.mul_(size[2]).add_(whole[2])
    flat = index.view(-1).to(torch.int32 if source[0].numel() < 2**31 else torch.int64)
    return source.flatten(1).index_select(1, flat).view(-1, *shape)
