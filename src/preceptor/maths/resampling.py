"""Bring a whole image onto another grid, once and accurately. (Patches in training: `preceptor.maths.warps`.)"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from .geometry import is_exact

_SIGMA_TO_WIDTH = 2 * math.sqrt(2 * math.log(2))  # of a Gaussian: full width at half maximum over sigma, 2.3548


def resample(
    array: np.ndarray,
    matrix: np.ndarray,
    shape: Sequence[int],
    *,
    nearest: bool = False,
    antialias: bool | Literal["slab"] = False,
    fill: float | None = None,
) -> np.ndarray:
    """Show an image on another grid.

    A map that only reorders, reverses and shifts by whole voxels copies pixels. One along the axes goes axis by axis.
    Half-way between two voxels "the nearest" is no answer and would shift a structure by half a voxel: a label map is
    then decided by the votes of the voxels around, linearly weighted.

    Args:
        array: ``(channel, *space)``; for labels integer codes.
        matrix: Output voxel to input voxel, homogeneous.
        shape: Of the output's space.
        nearest: For labels; otherwise linear.
        antialias: What is done before an axis is sampled more coarsely; nothing is for labels. True smooths by a
            Gaussian; ``slab`` averages over each new voxel's own extent, as a thicker slice would have seen it.
        fill: Where an output voxel lies wholly outside the input; None for the lowest value. In the rim, where it
            overlaps the input's outermost voxels, those are continued.

    Returns:
        ``(channel, *shape)``: float32, or the input's own type for labels and where pixels are copied.

    Source: anti-aliasing by a Gaussian of ``sqrt(factor^2 - 1) / 2.3548`` voxels, Cardoso et al. 2015, "Scale factor
    point spread function matching".
    """
    shape = tuple(int(size) for size in shape)
    if fill is None:
        fill = 0.0 if nearest or not array.size else float(array.min())
    if is_exact(matrix):
        return copy_voxels(array, matrix, shape, fill)
    linear = matrix[:-1, :-1]
    outside = _outside(array.shape[1:], matrix, shape)
    factors = np.linalg.norm(linear, axis=1)
    if antialias is True and not nearest:
        array = smooth(array, factors)
    used = np.abs(linear) > 1e-7
    if (used.sum(0) == 1).all() and (used.sum(1) == 1).all():
        order = [int(np.argmax(used[:, new])) for new in range(len(shape))]
        places = [
            linear[old, new] * np.arange(size) + matrix[old, -1]
            for new, (old, size) in enumerate(zip(order, shape, strict=True))
        ]
        array = np.moveaxis(array, [1 + old for old in order], range(1, 1 + len(shape)))
        if antialias == "slab" and not nearest:
            array, places = _slabs_at(array, places, [factors[old] for old in order])
        out = _labels_at(array, places) if nearest else _linear_at(array, places)
    else:
        if antialias == "slab" and not nearest:
            array, _ = _slabs_at(array, [np.arange(size) for size in array.shape[1:]], factors)
        from scipy import ndimage

        out = np.stack(
            [
                ndimage.affine_transform(each, matrix, output_shape=shape, order=0 if nearest else 1, mode="nearest")
                for each in array
            ]
        )
    if outside is not None:
        out[:, np.broadcast_to(outside, shape)] = fill
    return out


def resample_at(array: np.ndarray, places: np.ndarray, *, nearest: bool = False) -> np.ndarray:
    """Read an image at any places, its outermost voxels continued.

    Args:
        array: ``(channel, *space)``.
        places: ``(axis, *shape)`` in voxels.
        nearest: For labels; otherwise linear.

    Returns:
        ``(channel, *shape)``: float32, or the input's own type for labels.
    """
    from scipy import ndimage

    kind = array.dtype if nearest else np.float32
    order = 0 if nearest else 1

    return np.stack([ndimage.map_coordinates(each, places, output=kind, order=order, mode="nearest") for each in array])


def smooth(array: np.ndarray, factors: Sequence[float]) -> np.ndarray:
    """Smooth each axis for being sampled `factor` times more coarsely; a factor of 1 or less leaves it as it is.

    Args:
        array: ``(channel, *space)``.
        factors: One for each axis of space.

    Returns:
        float32.
    """
    array = array.astype(np.float32, copy=False)
    for axis, factor in enumerate(factors, start=1):
        if factor > 1 + 1e-6:
            from scipy import ndimage

            sigma = math.sqrt(factor**2 - 1) / _SIGMA_TO_WIDTH
            array = ndimage.gaussian_filter1d(array, sigma, axis=axis, mode="nearest", output=np.float32)
    return array


def slab_weights(size: int, centres: np.ndarray, width: float) -> np.ndarray:
    """What each voxel of an axis gives to slabs of one width: its share of the slab, as far as that lies in the image.

    Args:
        size: Voxels along the axis; voxel ``i`` reaches from ``i - 0.5`` to ``i + 0.5``.
        centres: ``(slab,)`` in voxels.
        width: Of a slab, in voxels.

    Returns:
        ``(slab, size)``, rows adding up to 1. A slab wholly outside shows the outermost voxel.
    """
    edges = np.arange(size + 1) - 0.5
    low = np.clip(np.asarray(centres, dtype=float) - width / 2, edges[0], edges[-1])[:, None]
    high = np.clip(np.asarray(centres, dtype=float) + width / 2, edges[0], edges[-1])[:, None]
    shared = np.clip(np.minimum(high, edges[1:]) - np.maximum(low, edges[:-1]), 0, None)
    nearest = np.clip(np.rint(centres), 0, size - 1)[:, None] == np.arange(size)
    shared = np.where(shared.sum(1, keepdims=True) > 1e-9, shared, nearest)
    whole: np.ndarray = shared / shared.sum(1, keepdims=True)
    return whole


def cut(array: np.ndarray, first: Sequence[int], shape: Sequence[int], fill: float = 0) -> np.ndarray:
    """A box of an image.

    Args:
        array: ``(channel, *space)``; of a memory-mapped one only what is shown is read.
        first: Voxel where the box begins; may be negative.
        shape: Of the box.
        fill: Outside the image.

    Returns:
        ``(channel, *shape)``, contiguous, of the input's type if that can hold `fill`.
    """
    source: list[slice] = [slice(None)]
    target: list[slice] = [slice(None)]
    inside = True
    for begin, length, size in zip(first, shape, array.shape[1:], strict=True):
        low = min(max(begin, 0), size)
        high = max(min(begin + length, size), low)
        inside = inside and high - low == length
        source.append(slice(low, high))
        target.append(slice(low - begin, high - begin))
    if inside:
        return np.array(array[tuple(source)], order="C")
    holds = array.dtype
    if holds.kind != "f" and holds.type(fill) != fill:
        holds = np.result_type(holds, np.float32)
    out = np.full((len(array), *shape), fill, dtype=holds)
    out[tuple(target)] = array[tuple(source)]
    return out


def copy_voxels(array: np.ndarray, matrix: np.ndarray, shape: Sequence[int], fill: float) -> np.ndarray:
    """Show an image through a map that only reorders, reverses and shifts by whole voxels: not a bit changes.

    Args:
        array: ``(channel, *space)``; of a memory-mapped one only what is shown is read.
        matrix: Output voxel to input voxel; `preceptor.maths.geometry.is_exact`.
        shape: Of the output's space.
        fill: Outside the input.

    Returns:
        ``(channel, *shape)``, contiguous, of the input's type if that can hold `fill`.
    """
    order = [int(np.argmax(np.abs(matrix[:-1, new]))) for new in range(len(shape))]
    array = np.moveaxis(array, [1 + old for old in order], range(1, 1 + len(shape)))
    first = []
    for new, old in enumerate(order):
        here = round(float(matrix[old, -1]))
        if matrix[old, new] < 0:
            array = np.flip(array, 1 + new)
            here = array.shape[1 + new] - 1 - here
        first.append(here)
    return cut(array, first, shape, fill)


def _outside(size: Sequence[int], matrix: np.ndarray, shape: Sequence[int]) -> np.ndarray | None:
    """Which output voxels overlap no input voxel, in a shape that broadcasts to the output's; None where all overlap one."""
    outside: np.ndarray | None = None
    for axis, length in enumerate(size):
        row = matrix[axis, :-1]
        reach = 0.5 + np.abs(row).sum() / 2 - 1e-6  # half an input voxel and half the output voxel's own extent
        lowest = matrix[axis, -1] + sum(min(0.0, each * (n - 1)) for each, n in zip(row, shape, strict=True))
        highest = matrix[axis, -1] + sum(max(0.0, each * (n - 1)) for each, n in zip(row, shape, strict=True))
        if lowest >= -reach and highest <= length - 1 + reach:
            continue
        place = np.full((1,) * len(shape), matrix[axis, -1], dtype=np.float32)
        for along, each in enumerate(row):
            if abs(each) > 1e-7:
                steps = np.arange(shape[along], dtype=np.float32).reshape(
                    [-1 if i == along else 1 for i in range(len(shape))]
                )
                place = place + np.float32(each) * steps
        beyond = (place < -reach) | (place > length - 1 + reach)
        outside = beyond if outside is None else outside | beyond
    return outside


def _slabs_at(
    array: np.ndarray, places: Sequence[np.ndarray], factors: Sequence[float]
) -> tuple[np.ndarray, list[np.ndarray]]:
    """The image averaged over slabs at these places along each axis that grows coarser, and the places that remain."""
    array, remaining = array.astype(np.float32, copy=False), list(places)
    for axis, (place, factor) in enumerate(zip(places, factors, strict=True)):
        if factor > 1 + 1e-6:
            weights = slab_weights(array.shape[1 + axis], place, factor).astype(np.float32)
            array = np.moveaxis(np.tensordot(weights, array, (1, 1 + axis)), 0, 1 + axis)
            remaining[axis] = np.arange(len(place), dtype=float)
    return array, remaining


def _linear_at(array: np.ndarray, places: Sequence[np.ndarray]) -> np.ndarray:
    """Linear interpolation axis by axis, the axis that loses most first; the outermost voxels are continued."""
    array = array.astype(np.float32, copy=False)
    for axis in sorted(range(len(places)), key=lambda axis: len(places[axis]) / array.shape[1 + axis]):
        size, place = array.shape[1 + axis], np.clip(places[axis], 0, array.shape[1 + axis] - 1)
        below = np.minimum(np.floor(place).astype(np.intp), max(size - 2, 0))
        weight = (place - below).astype(np.float32).reshape([-1 if i == 1 + axis else 1 for i in range(array.ndim)])
        out = np.take(array, below, axis=1 + axis)
        rise = np.take(array, np.minimum(below + 1, size - 1), axis=1 + axis)
        rise -= out
        rise *= weight
        out += rise
        array = out
    return array


def _labels_at(array: np.ndarray, places: Sequence[np.ndarray]) -> np.ndarray:
    """The nearest label; where several voxels are equally near, the one that most of them hold."""
    snapped = [_snapped(place, size) for place, size in zip(places, array.shape[1:], strict=True)]
    if any((place % 1 != 0).any() for place in snapped):
        return _voted(array, snapped)
    for axis, place in enumerate(snapped, start=1):
        array = np.take(array, place.astype(np.intp), axis=axis)
    return array


def _snapped(place: np.ndarray, size: int) -> np.ndarray:
    """Places brought to the nearest voxel, or left exactly half-way between two."""
    place = np.clip(place, 0, size - 1)
    half = np.abs(place % 1 - 0.5) < 1e-4
    return np.where(half, np.floor(place) + 0.5, np.rint(place))


def _voted(array: np.ndarray, places: Sequence[np.ndarray]) -> np.ndarray:
    """The label that most of the equally near voxels hold.

    A dead heat goes to the lower and the higher label in turn, like the squares of a chessboard, so that no structure is
    shifted, and none grows at another's cost.
    """
    shape = (len(array), *(len(place) for place in places))
    dark = np.indices(shape, sparse=True)
    odd = sum(dark[1:]) % 2 == 1
    best = np.zeros(shape, dtype=array.dtype)
    most = np.full(shape, -1.0, dtype=np.float32)
    for label in np.unique(array):
        votes = _linear_at((array == label).astype(np.float32), places)
        wins = (votes > most + 1e-4) | ((votes > most - 1e-4) & odd)
        best[wins] = label
        most = np.maximum(most, votes, out=most)
    return best
