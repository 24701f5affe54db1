"""One training example: where its patch lies, how it is varied, and its pixels, read once and interpolated once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from preceptor.core.applied import Applied, Derived, Intensity, Spatial, parts
from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError
from preceptor.core.image import Image
from preceptor.core.plugins import Transform
from preceptor.maths.geometry import embed, is_exact
from preceptor.maths.resampling import copy_voxels, cut
from preceptor.maths.warps import control_points, read_linear, read_nearest, spread

from .compose import compose, stand_in
from .levels import Levels

#: What a mask holds outside its image: the task's truth is unlabelled there, other marks are absent.
UNLABELLED = -1


def place_patch(
    dice: Sequence[float], shape: Sequence[int], patch: Sequence[int], centres: np.ndarray | None
) -> tuple[int, ...]:
    """The first voxel of a patch.

    Args:
        dice: A number in [0, 1) an axis; of several centres the first chooses.
        shape: Of the image.
        patch: Voxels along each axis; where it is larger than the image, the image lies in its middle.
        centres: ``(place, axis)`` voxels to centre on, or None for anywhere inside.

    Returns:
        One number an axis, negative where the patch begins before the image.
    """
    first = []
    centre = shape if centres is None else centres[int(dice[0] * len(centres))].tolist()
    for number, middle, size, width in zip(dice, centre, shape, patch, strict=False):
        room = size - width
        if room < 0:
            first.append(room // 2)
        elif centres is None:
            first.append(int(number * (room + 1)))
        else:
            first.append(min(max(middle - width // 2, 0), room))
    return tuple(first)


def draw(
    augment: Sequence[Transform], rng: np.random.Generator, seen: Sample, shape: Sequence[int]
) -> tuple[Spatial | None, list[Intensity]]:
    """Let every transform decide, and compose what moves voxels.

    Args:
        augment: In order. All that move voxels are applied first, as one map, then the others in order.
        rng: Of this draw of this case.
        seen: The patch before it is varied.
        shape: Of the patch.

    Returns:
        One map (patch voxel to unvaried patch voxel) or None, and the functions of the pixel values.
    """
    return together([transform.draw(rng, seen) for transform in augment], shape)


def together(decided: Sequence[Applied], shape: Sequence[int]) -> tuple[Spatial | None, list[Intensity]]:
    """What transforms decided, as one map and the functions that follow it; see `draw`.

    Raises:
        PrepareError: One works something out of the whole image, which is for the preparation.
    """
    maps: list[Spatial] = []
    intensities = []
    for whole in decided:
        for applied in parts(whole):
            if isinstance(applied, Spatial):
                maps.append(applied)
            elif isinstance(applied, Intensity):
                intensities.append(applied)
            elif isinstance(applied, Derived):
                raise PrepareError(
                    "a step works something out of the whole image",
                    where="augment",
                    expected="steps that move voxels or change grey values",
                    remedy=f"move to `prepare` what makes {', '.join((*applied.images, *applied.masks)) or 'it'}",
                    code="augment_derived",
                )
    # From the last to the first: matrices that follow a displacement are multiplied before it is carried over, once.
    spatial = maps.pop() if maps else None
    while maps and spatial is not None:
        spatial = compose(maps.pop(), spatial, shape)
    return spatial, intensities


def empty_patch(sample: Sample, shape: tuple[int, ...]) -> Sample:
    """For transforms that do not look at pixels: a grid of the patch's shape, laid where the image begins."""
    affine_mm = sample.reference.affine_mm
    images = {view: stand_in(image, shape, affine_mm) for view, image in sample.images.items()}
    return replace(sample, images=images, masks={})


def full_patch(sample: Sample, shape: tuple[int, ...], first: Sequence[int]) -> Sample:
    """The patch before it is varied, with its pixels."""
    shift = np.eye(len(first) + 1)
    shift[:-1, -1] = first
    affine_mm = sample.reference.affine_mm @ embed(shift)

    def part(image: Image) -> Image:
        lead = _lead(image)
        array = copied_patch(image.array.reshape(-1, *image.shape), shift, shape, 0)
        return image.with_array(array.reshape(*lead, *shape), affine_mm)

    return replace(
        sample,
        images={view: part(image) for view, image in sample.images.items()},
        masks={name: part(mask) for name, mask in sample.masks.items()},
    )


def copy_patch(
    arrays: Sequence[np.ndarray], fills: Sequence[float], first: Sequence[int], out: Sequence[np.ndarray]
) -> None:
    """Copy the same box of several arrays of one grid to where it shall lie.

    Args:
        arrays: ``(channel, *space)``; of a memory-mapped one only what is shown is read.
        fills: What each holds outside its grid.
        first: The box's first voxel; may lie outside.
        out: ``(channel, *shape)`` each.
    """
    shape, size = out[0].shape[1:], arrays[0].shape[1:]
    inside = True
    source: list[slice] = [_EVERY]
    for begin, length, most in zip(first, shape, size, strict=True):
        inside = inside and 0 <= begin <= most - length
        source.append(slice(begin, begin + length))
    if inside:
        box = tuple(source)
        for array, to in zip(arrays, out, strict=True):
            if isinstance(array, Levels):
                array.into(box, to)
            else:
                to[...] = array[box]
        return
    low = [max(begin, 0) for begin in first]
    high = [max(min(a + n, most), b) for a, n, most, b in zip(first, shape, size, low, strict=True)]
    box = (_EVERY, *(slice(a, b) for a, b in zip(low, high, strict=True)))
    target = (_EVERY, *(slice(a - begin, b - begin) for a, b, begin in zip(low, high, first, strict=True)))
    for array, fill, to in zip(arrays, fills, out, strict=True):
        to.fill(fill)
        to[target] = array[box]


_EVERY = slice(None)


def read_patch(
    images: Sequence[Image], fills: Sequence[float], shape: Sequence[int], first: Sequence[int], spatial: Spatial | None
) -> list[Tensor]:
    """Read the same patch of several images of one grid.

    Args:
        images: Labels are read by nearest neighbour, others linearly, both through the same map.
        fills: What each holds outside its grid.
        shape: Of the patch.
        first: Its first voxel.
        spatial: From patch voxel to unvaried patch voxel; None for the patch as it is.

    Returns:
        ``(channel…, *shape)``: float32, or the label's own type.
    """
    arrays = [image.array.reshape(-1, *image.shape) for image in images]
    if spatial is None:
        copied = [cut(array, first, shape, fill) for array, fill in zip(arrays, fills, strict=True)]
        return [_tensor(array, image) for array, image in zip(copied, images, strict=True)]
    matrix = spatial.matrix.copy()
    matrix[:-1, -1] += first
    if spatial.displacement is None and is_exact(matrix):
        copied = [copied_patch(array, matrix, shape, fill) for array, fill in zip(arrays, fills, strict=True)]
        return [_tensor(array, image) for array, image in zip(copied, images, strict=True)]
    places = spread(moved_control(matrix, spatial, shape), tuple(shape))
    box = _box(places, images[0].shape)
    where, begin = torch.from_numpy(places), [edge for edge, _ in box]
    read = []
    for array, fill, image in zip(arrays, fills, images, strict=True):
        source = _crop(array, box, fill, None if image.is_label else np.float32)
        read.append((read_nearest if image.is_label else read_linear)(source, where, begin))
    return [tensor.view(_lead(image) + tuple(shape)) for tensor, image in zip(read, images, strict=True)]


def copied_patch(array: np.ndarray | Levels, matrix: np.ndarray, shape: Sequence[int], fill: float) -> np.ndarray:
    """A patch that shows whole voxels: `copy_voxels`; of levels only the part that is shown is worked out."""
    if not isinstance(array, Levels):
        return copy_voxels(array, matrix, shape, fill)
    ends = matrix[:-1, :-1] * (np.array(shape) - 1)
    low = np.rint(np.minimum(ends, 0).sum(1) + matrix[:-1, -1]).astype(int)
    high = np.rint(np.maximum(ends, 0).sum(1) + matrix[:-1, -1]).astype(int) + 1
    low, high = (np.clip(each, 0, array.shape[1:]) for each in (low, high))
    moved = matrix.copy()
    moved[:-1, -1] -= low
    return copy_voxels(array[(_EVERY, *(slice(a, b) for a, b in zip(low, high, strict=True)))], moved, shape, fill)


def _tensor(array: np.ndarray, image: Image) -> Tensor:
    """A copied patch of an image, of the type and with the leading axes that training takes."""
    kind = array.dtype if image.is_label else np.float32
    return torch.from_numpy(array.astype(kind, copy=False).reshape(_lead(image) + array.shape[1:]))


def _lead(image: Image) -> tuple[int, ...]:
    return image.array.shape[: image.array.ndim - image.space_dims]


@lru_cache(maxsize=64)
def _control_points(points: tuple[int, ...], shape: tuple[int, ...]) -> np.ndarray:
    return control_points(points, shape).astype(np.float32)


def moved_control(matrix: np.ndarray, spatial: Spatial, shape: Sequence[int]) -> np.ndarray:
    """Where voxels of the patch come from, at control points: affine and displacement are one smooth field.

    Args:
        matrix: Patch voxel to image voxel: the map's, moved to where the patch lies.
        spatial: The map.
        shape: Of the patch.

    Returns:
        ``(axis, *points)`` float32, which `maths.warps.spread` brings to every voxel.
    """
    dims = len(shape)
    control = None if spatial.displacement is None else spatial.displacement.control
    points = (2,) * dims if control is None else control.shape[1:]
    here = _control_points(points, tuple(shape))
    if control is not None:
        here = here + control
    moved = matrix[:-1, :-1].astype(np.float32) @ here.reshape(dims, -1)
    moved += matrix[:-1, -1:].astype(np.float32)
    return moved.reshape(dims, *points)


def _box(places: np.ndarray, size: Sequence[int]) -> list[tuple[int, int]]:
    """`box_of` places, which are brought into it: what lies further out looks the same."""
    flat = places.reshape(len(size), -1)
    low, high = flat.min(1), flat.max(1)
    for along, lowest, highest, length in zip(flat, low.tolist(), high.tolist(), size, strict=True):
        if lowest < -1 or highest > length:
            np.clip(along, -1, length, out=along)
    return box_of(low, high, size)


def box_of(low: np.ndarray, high: np.ndarray, size: Sequence[int]) -> list[tuple[int, int]]:
    """The part of an image that is needed: first and last voxel of each axis, two voxels or more.

    Args:
        low, high: ``(axis,)``: between which coordinates it is read.
        size: Of the image; the part reaches at most one voxel beyond it.
    """
    box = []
    for lowest, highest, length in zip(low.tolist(), high.tolist(), size, strict=True):
        lowest, highest = min(max(lowest, -1), length), max(min(highest, length), -1)
        first = min(math.floor(lowest), length - 1)
        box.append((first, max(math.ceil(highest), first + 1)))
    return box


def _crop(array: np.ndarray, box: Sequence[tuple[int, int]], fill: float, kind: type | None) -> Tensor:
    """A contiguous copy of a box that may reach beyond the array."""
    shape = (len(array), *(last - first + 1 for first, last in box))
    out = np.empty(shape, dtype=kind or array.dtype)
    crop_into(array, box, fill, out)
    return torch.from_numpy(out)


def crop_into(array: np.ndarray, box: Sequence[tuple[int, int]], fill: float, out: np.ndarray) -> None:
    """Copy a box that may reach beyond an array.

    Args:
        array: ``(channel, *space)``.
        box: First and last voxel of each axis.
        fill: What lies beyond the array.
        out: ``(channel, *box)``.
    """
    inside = [(max(first, 0), min(last + 1, size)) for (first, last), size in zip(box, array.shape[1:], strict=True)]
    if any(cut != (first, last + 1) for cut, (first, last) in zip(inside, box, strict=True)):
        out.fill(fill)
    target = tuple(slice(a - first, b - first) for (a, b), (first, _) in zip(inside, box, strict=True))
    out[(slice(None), *target)] = array[(slice(None), *(slice(a, b) for a, b in inside))]
