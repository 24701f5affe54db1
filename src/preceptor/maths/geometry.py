"""Maps between voxel grids: homogeneous matrices from output voxel to input voxel, and affines from voxel to millimetres.

A *map* is ``(space_dims + 1, space_dims + 1)``: it takes a voxel of the output to the place in the input that it
shows. An *affine* is 4x4 and takes a voxel to RAS+ millimetres, for planes too (the normal is its third column). For
every map, ``affine_out = affine_in @ embed(map)``: what is shown moves between grids, never in the patient.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

#: The anatomical axes in RAS+ order, by the names a recipe uses.
ANATOMICAL_AXES = ("left-right", "posterior-anterior", "inferior-superior")
#: Other ways to write them.
_SYNONYMS = {"right-left": 0, "anterior-posterior": 1, "superior-inferior": 2, "head-foot": 2, "feet-head": 2}


def anatomical_axis(name: str) -> int:
    """0 for left-right, 1 for posterior-anterior, 2 for inferior-superior; either way round.

    Raises:
        KeyError: It is none of them.
    """
    return {**dict(zip(ANATOMICAL_AXES, range(3), strict=True)), **_SYNONYMS}[name]


def closest_axes(affine_mm: np.ndarray, space_dims: int) -> list[tuple[int, int]]:
    """The anatomical axis that each array axis runs along most closely.

    Args:
        affine_mm: 4x4, voxel to RAS+ millimetres.
        space_dims: 2 or 3: how many array axes there are.

    Returns:
        For each array axis ``(anatomical axis, +1 or -1)``; no two share an anatomical axis.
    """
    return list(_closest_axes(affine_mm[:3, :3].astype(float).tobytes())[:space_dims])


@lru_cache(maxsize=1024)
def _closest_axes(axes_mm: bytes) -> tuple[tuple[int, int], ...]:
    columns = np.frombuffer(axes_mm).reshape(3, 3)
    left, _, right = np.linalg.svd(columns / np.linalg.norm(columns, axis=0))
    rotation = left @ right  # the nearest rotation: sheared axes (a tilted gantry) share their error fairly
    found: dict[int, tuple[int, int]] = {}
    remaining = np.abs(rotation)
    for _ in range(3):
        row, column = np.unravel_index(np.argmax(remaining), remaining.shape)
        found[int(column)] = (int(row), 1 if rotation[row, column] > 0 else -1)
        remaining[row, :] = -1
        remaining[:, column] = -1
    return tuple(found[axis] for axis in range(3))


def embed(matrix: np.ndarray) -> np.ndarray:
    """A map of a plane as 4x4, the normal left as it is; a map of space as it is."""
    if len(matrix) == 4:
        return matrix
    whole = np.eye(4)
    whole[:2, :2] = matrix[:2, :2]
    whole[:2, 3] = matrix[:2, 2]
    return whole


def voxel_map(affine_in_mm: np.ndarray, affine_out_mm: np.ndarray, space_dims: int) -> np.ndarray:
    """The map between two grids of one patient: output voxel to the input voxel at the same place.

    For planes, what lies off the input's plane is seen from along its normal.
    """
    whole = np.linalg.inv(affine_in_mm) @ affine_out_mm
    if space_dims == 3:
        return whole
    return whole[np.ix_((0, 1, 3), (0, 1, 3))]


def orient_ras_map(affine_mm: np.ndarray, shape: Sequence[int]) -> tuple[np.ndarray, tuple[int, ...]]:
    """The map that reorders and turns round axes until each grows towards Right, Anterior, Superior, in this order.

    Nothing is interpolated: an oblique image stays oblique. The axes of a plane keep the anatomical order among
    themselves.

    Returns:
        The map, and the shape of the output.
    """
    axes = closest_axes(affine_mm, len(shape))
    order = sorted(range(len(shape)), key=lambda axis: axes[axis][0])
    matrix = np.zeros((len(shape) + 1, len(shape) + 1))
    matrix[-1, -1] = 1.0
    for new, old in enumerate(order):
        sign = axes[old][1]
        matrix[old, new] = sign
        matrix[old, -1] = 0.0 if sign > 0 else shape[old] - 1
    return matrix, tuple(int(shape[old]) for old in order)


def flip_map(shape: Sequence[int], axes: Sequence[int]) -> np.ndarray:
    """The map that reverses array axes."""
    matrix = np.eye(len(shape) + 1)
    for axis in axes:
        matrix[axis, axis] = -1.0
        matrix[axis, -1] = shape[axis] - 1
    return matrix


def spacing_map(
    shape: Sequence[int], spacing_mm: Sequence[float], new_spacing_mm: Sequence[float]
) -> tuple[np.ndarray, tuple[int, ...]]:
    """The map to another spacing. The outer corners of the first voxels coincide: nothing shifts by half a voxel.

    Returns:
        The map, and the shape: ``ceil(voxels * spacing / new spacing)``.
    """
    ratio = np.asarray(new_spacing_mm, dtype=float) / np.asarray(spacing_mm, dtype=float)
    matrix = np.diag([*ratio, 1.0])
    matrix[:-1, -1] = (ratio - 1) / 2
    # A ratio that is whole but for rounding must not gain a voxel.
    return matrix, tuple(max(1, math.ceil(round(size / each, 6))) for size, each in zip(shape, ratio, strict=True))


def stack_map(
    slices: int, thickness_mm: float, new_thickness_mm: float | None, new_slices: int | None
) -> tuple[np.ndarray, int]:
    """The map along a stack to another thickness, another number of slices, or both.

    A thickness alone keeps the first slice's outer edge, a number alone both outer edges, both together the physical
    centre.

    Returns:
        ``(2, 2)`` homogeneous, new slice to old one, and how many slices there are.

    Raises:
        ValueError: Neither is given.
    """
    if new_thickness_mm is None:
        if new_slices is None:
            raise ValueError("a thickness or a number of slices is needed")
        new_thickness_mm = slices * thickness_mm / new_slices
    ratio = new_thickness_mm / thickness_mm
    if new_slices is None:
        matrix, (number,) = spacing_map((slices,), (thickness_mm,), (new_thickness_mm,))
        return matrix, number
    first = (slices - 1) / 2 - ratio * (new_slices - 1) / 2
    return np.array([[ratio, first], [0.0, 1.0]]), new_slices


def centred_window_map(shape: Sequence[int], new_shape: Sequence[int]) -> np.ndarray:
    """The map of a window of `new_shape` about the middle: a crop where it is smaller, room around where it is larger."""
    matrix = np.eye(len(shape) + 1)
    matrix[:-1, -1] = [(old - new) // 2 for old, new in zip(shape, new_shape, strict=True)]
    return matrix


def window_map(first: Sequence[int]) -> np.ndarray:
    """The map of a window that begins at a voxel, which may lie outside the image."""
    matrix = np.eye(len(first) + 1)
    matrix[:-1, -1] = first
    return matrix


def box_of(inside: np.ndarray) -> tuple[list[int], list[int]]:
    """First voxel and shape of the smallest box around what is true.

    Args:
        inside: ``(*space)`` bool, somewhere true.
    """
    first, shape = [], []
    for axis in range(inside.ndim):
        along = np.flatnonzero(inside.any(axis=tuple(other for other in range(inside.ndim) if other != axis)))
        first.append(int(along[0]))
        shape.append(int(along[-1] - along[0] + 1))
    return first, shape


def grown(first: Sequence[int], shape: Sequence[int], multiple_of: int) -> tuple[list[int], list[int]]:
    """A box enlarged about its middle until each side is a multiple; the one more at the end."""
    larger = [-(-each // multiple_of) * multiple_of for each in shape]
    return [a - (new - old) // 2 for a, old, new in zip(first, shape, larger, strict=True)], larger


def about_centre(linear: np.ndarray, shift: Sequence[float], shape: Sequence[int]) -> np.ndarray:
    """The map ``output -> centre + linear @ (output - centre) + shift``, in voxels, about the middle of the grid."""
    centre = (np.asarray(shape, dtype=float) - 1) / 2
    matrix = np.eye(len(shape) + 1)
    matrix[:-1, :-1] = linear
    matrix[:-1, -1] = centre - linear @ centre + np.asarray(shift, dtype=float)
    return matrix


def physical_map(
    linear: np.ndarray,
    shift_mm: Sequence[float] | np.ndarray,
    spacing_mm: Sequence[float] | np.ndarray,
    shape: Sequence[int],
) -> np.ndarray:
    """The voxel map of a linear change in millimetres about the middle of the grid, seen from the output.

    Args:
        linear: ``(axis, axis)``: from a place in the output to the place in the input that it shows, both in millimetres from
            the middle, along the array's axes.
        shift_mm: How far what is shown moves along each axis.
        spacing_mm: Of the voxels, which need not be cubes.
        shape: Of the grid.
    """
    spacing = np.asarray(spacing_mm)
    return about_centre(linear * spacing / spacing[:, None], -np.asarray(shift_mm) / spacing, shape)


def rotation(angles: Sequence[float] | np.ndarray) -> np.ndarray:
    """A rotation: one angle in a plane; in space about x, then y, then z (radians, right-handed)."""
    if len(angles) == 1:
        c, s = math.cos(angles[0]), math.sin(angles[0])
        return np.array([[c, -s], [s, c]])
    whole = np.eye(3)
    for axis, angle in enumerate(angles):
        c, s = math.cos(angle), math.sin(angle)
        turn = np.eye(3)
        i, j = (axis + 1) % 3, (axis + 2) % 3
        turn[i, i], turn[i, j], turn[j, i], turn[j, j] = c, -s, s, c
        whole = turn @ whole
    return whole


def is_exact(matrix: np.ndarray) -> bool:
    """Whether a map only reorders, reverses and shifts by whole voxels: pixels are then copied, not interpolated."""
    whole = np.rint(matrix)
    off, linear = np.abs(matrix - whole), np.abs(whole[:-1, :-1])
    return bool(
        off[:, :-1].max() < 1e-6
        and off[:, -1].max() < 1e-4
        and linear.max() == 1
        and (linear.sum(0) == 1).all()
        and (linear.sum(1) == 1).all()
    )


def same_grid(shape: Sequence[int], affine_mm: np.ndarray, other_shape: Sequence[int], other_mm: np.ndarray) -> bool:
    """Whether two grids coincide to a hundredth of a voxel (headers keep affines in single precision)."""
    if tuple(shape) != tuple(other_shape):
        return False
    corners = np.array([[0, 0, 0, 1], [*(n - 1 for n in shape), *([0] * (3 - len(shape))), 1]], dtype=float).T
    apart = np.linalg.norm((affine_mm - other_mm) @ corners, axis=0).max()
    turned = np.abs(affine_mm[:3, :3] - other_mm[:3, :3]).max() * max(shape)
    spacing = np.linalg.norm(affine_mm[:3, :3], axis=0)[: len(shape)].min()
    return bool(max(apart, turned) <= 0.01 * spacing)
