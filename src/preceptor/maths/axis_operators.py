"""Linear operators along one axis of space: smoothing, thick slices, and what an MR scanner does line by line.

A blur, a slab profile or an altered line of k-space acts on each line of an image alike, so it is one small matrix and
one product, at any border and for voxels of any size. Fourier transforms along the other axes would cancel, so none
is made.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from .one_thread import one_thread

#: Axes longer than this are multiplied in blocks where the matrix is zero away from its diagonal.
_BLOCK = 64


def along(image: Tensor, matrix: Tensor, axis: int, *, reach: int | None = None) -> Tensor:
    """Multiply every line of an image along one axis.

    Args:
        image: ``(…, *space)`` float32.
        matrix: ``(size, size)``: what each voxel of the output takes from each voxel of the line.
        axis: Counted from the end: -1 for the last axis of space.
        reach: The matrix is zero further than this from its diagonal; None where it is full.

    Returns:
        A new tensor of the same shape, the same bits on any number of threads.
    """
    with one_thread():
        return _along(image, matrix.to(image.device), axis, reach)


def _along(image: Tensor, matrix: Tensor, axis: int, reach: int | None) -> Tensor:
    size = image.shape[axis]
    last_axis = axis == -1
    lines = image.reshape(-1, size) if last_axis else image.reshape(-1, size, math.prod(image.shape[axis:]) // size)
    if reach is None or size <= 2 * _BLOCK:
        product = torch.matmul(lines, matrix.T) if last_axis else torch.matmul(matrix, lines)
        return product.view(image.shape)
    out = torch.empty_like(lines)
    for first in range(0, size, _BLOCK):
        last = min(first + _BLOCK, size)
        low, high = max(first - reach, 0), min(last + reach, size)
        part = matrix[first:last, low:high]
        if last_axis:
            out[:, first:last] = torch.matmul(lines[:, low:high], part.T)
        else:
            out[:, first:last] = torch.matmul(part, lines[:, low:high])
    return out.view(image.shape)


def gaussian_matrix(size: int, sigma: float) -> tuple[Tensor, int]:
    """A Gaussian blur of a line whose ends are mirrored, so that a constant stays what it is.

    Args:
        size: Voxels of the line.
        sigma: Standard deviation in voxels; 0 leaves the line as it is.

    Returns:
        ``(size, size)`` float32, and its reach in voxels: four standard deviations.
    """
    if sigma <= 0 or size == 1:
        return torch.eye(size), 0
    reach = max(1, min(math.ceil(4 * sigma), size - 1))
    weight = np.zeros(2 * size, dtype=np.float32)
    weight[: reach + 1] = np.exp(-0.5 * (np.arange(reach + 1) / sigma) ** 2)
    weight /= weight[0] + 2 * weight[1:].sum()
    near, before, behind = _distances(size)
    matrix = weight[near]
    # A voxel is seen in its mirror images, too; only at the ends, unless the blur is as wide as the line.
    matrix += weight[before]
    matrix += weight[behind]
    return torch.from_numpy(matrix), reach


@lru_cache(maxsize=64)
def _distances(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``(size, size)`` each: from one voxel to another, to its image before the line, and to that behind the line."""
    one, other = np.arange(size)[:, None], np.arange(size)
    return abs(one - other), one + other + 1, 2 * size - 1 - one - other


def blur(image: Tensor, sigmas: Sequence[float]) -> Tensor:
    """Smooth the last axes of an image with a Gaussian.

    Args:
        image: ``(…, *space)`` float32.
        sigmas: Standard deviation along each axis of space, in voxels.

    Returns:
        A new tensor, or the same where every deviation is 0.
    """
    for axis, sigma in enumerate(sigmas, start=-len(sigmas)):
        if sigma > 0:
            matrix, reach = gaussian_matrix(image.shape[axis], sigma)
            image = along(image, matrix, axis, reach=reach)
    return image


def slab_matrix(size: int, thickness: float, first: float, *, straight: bool) -> Tensor:
    """A line acquired in slabs and brought back to its voxels.

    Each slab holds the mean of what lies in it, a box profile: a voxel at a slab's edge counts by the share of it that
    lies inside. Incomplete slabs at the ends hold the mean of what is there.

    Args:
        size: Voxels of the line.
        thickness: Of a slab, in voxels; 1 or less leaves the line as it is.
        first: Where the first slab begins, in voxels, from ``-thickness`` to 0.
        straight: Whether voxels lie on straight lines between the slabs' middles; otherwise each holds its slab's mean.

    Returns:
        ``(size, size)`` float32 whose rows sum to 1.
    """
    if thickness <= 1:
        return torch.eye(size)
    count = math.ceil((size - first) / thickness - 1e-9)
    begin = first + thickness * np.arange(count)[:, None]
    voxel = np.arange(size)[None]
    share = np.clip(np.minimum(voxel + 1, begin + thickness) - np.maximum(voxel, begin), 0, None)
    kept = share.sum(1) > 1e-6
    share, begin = share[kept], begin[kept]
    mean = share / share.sum(1, keepdims=True)
    if straight and len(mean) > 1:
        place = (np.arange(size) + 0.5 - (begin[0, 0] + thickness / 2)) / thickness
        place = np.clip(place, 0, len(mean) - 1)
        low = np.minimum(place.astype(int), len(mean) - 2)
        rest = place - low
        back = np.zeros((size, len(mean)))
        back[np.arange(size), low] = 1 - rest
        back[np.arange(size), low + 1] += rest
    else:
        back = (share / share.sum(0)).T
    return torch.from_numpy((back @ mean).astype(np.float32))


def line_filter(gains: np.ndarray) -> tuple[Tensor, Tensor]:
    """The operator that multiplies the lines of k-space along one axis.

    Args:
        gains: ``(size,)`` of each line, in the order of acquisition: from the most negative frequency up, so that line
            ``size // 2`` is the middle of k-space.

    Returns:
        Real and imaginary part, each ``(size, size)`` float32: ``inverse transform @ diag(gains) @ transform``.
    """
    size = len(gains)
    kernel = np.fft.ifft(np.fft.ifftshift(gains))
    turned = kernel[(np.arange(size)[:, None] - np.arange(size)) % size]
    return torch.from_numpy(turned.real.astype(np.float32)), torch.from_numpy(turned.imag.astype(np.float32))
