"""Phantoms: images whose truth is known because it was put there. Every draw comes from the caller's generator.

Shapes are drawn in relative coordinates, -1 to 1 along each axis of the field of view, so that one anatomy can be shown
at any size and in any number of views; lesions are drawn in millimetres, so that their volume is known. Grey values lie
in 0 to 1, background 0. What belongs to a person (`Anatomy`), to a lesion (`Lesion`), to one day (`Pose`) and to a
scanner (`preceptor.maths.phantom_scanner`) is drawn apart, as data: changing one leaves the others as they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

#: Rows of `Anatomy.blobs` and `Anatomy.fields` are drawn in three dimensions; flat images use the first two.
_DIMS = 3

#: Softness of an edge: a shape's border fades over this many voxels, as partial volume does.
_EDGE_VOXELS = 1.0


@dataclass(frozen=True)
class Pose:
    """How somebody lay in the scanner on one day.

    Args:
        tilt_rad: Turn in the plane of the first two axes.
        shift: ``(3,)`` in relative coordinates.
    """

    tilt_rad: float = 0.0
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @classmethod
    def draw(cls, rng: np.random.Generator, tilt_deg: tuple[float, float] = (-4.0, 4.0), shift: float = 0.05) -> Pose:
        x, y, z = (float(each) for each in rng.uniform(-shift, shift, _DIMS))
        return cls(math.radians(rng.uniform(*tilt_deg)), (x, y, z))


@dataclass(frozen=True)
class Anatomy:
    """What differs from person to person.

    Args:
        radii: ``(3,)`` half axes of the body.
        blobs: ``(blob, 8)``: centre (3), half axes (3), turn in radians, contrast: organs of this person.
        field: ``(control, control, control)``: texture too coarse to be taken for a lesion.
        grain: ``(control, control, control)``: texture too fine to be.
    """

    radii: np.ndarray
    blobs: np.ndarray
    field: np.ndarray
    grain: np.ndarray

    @classmethod
    def draw(cls, rng: np.random.Generator, blobs: int = 9) -> Anatomy:
        radii = rng.uniform(0.62, 0.94, _DIMS)
        centres = rng.uniform(-0.6, 0.6, (blobs, _DIMS))
        axes = rng.uniform(0.15, 0.4, (blobs, _DIMS))
        turns = rng.uniform(0, math.pi, (blobs, 1))
        contrasts = rng.uniform(0.06, 0.16, (blobs, 1)) * rng.choice([-1.0, 1.0], (blobs, 1))
        textures = (rng.normal(0, 1, (6, 6, 6)), rng.normal(0, 1, (20, 20, 20)))
        return cls(radii, np.concatenate([centres, axes, turns, contrasts], axis=1), *textures)


@dataclass(frozen=True)
class Lesion:
    """One ellipsoid that was put there.

    Args:
        centre_mm: From the centre of the field of view, along each axis.
        radii_mm: Half axes along the image's axes.
        contrast: Added to the grey value inside.
    """

    centre_mm: tuple[float, ...]
    radii_mm: tuple[float, ...]
    contrast: float = 0.3

    @property
    def size(self) -> float:
        """Its volume in mm³, its area in mm² where it has two axes: exact, not counted in voxels."""
        unit_ball = math.pi if len(self.radii_mm) == 2 else 4 / 3 * math.pi
        return unit_ball * math.prod(self.radii_mm)


# ------------------------------------------------------------------ shapes


def coordinates(shape: Sequence[int], pose: Pose = Pose()) -> list[np.ndarray]:  # noqa: B008  frozen, never changed
    """Relative coordinates of the voxel centres, -1 to 1 over the field of view, seen from a posed body.

    Args:
        shape: Voxels along each axis, 2 or 3 of them.
        pose: Of the body.

    Returns:
        One array ``(*shape)`` (or broadcastable to it) for each axis.
    """
    axes = [(np.arange(size) + 0.5) / size * 2 - 1 for size in shape]
    grid = [
        each - shift for each, shift in zip(np.meshgrid(*axes, indexing="ij", sparse=True), pose.shift, strict=False)
    ]
    cos, sin = math.cos(pose.tilt_rad), math.sin(pose.tilt_rad)
    grid[0], grid[1] = cos * grid[0] + sin * grid[1], cos * grid[1] - sin * grid[0]
    return grid


def ellipsoid(
    grid: Sequence[np.ndarray],
    centre: Sequence[float] | np.ndarray,
    radii: Sequence[float] | np.ndarray,
    turn_rad: float = 0.0,
) -> np.ndarray:
    """Squared distance from the centre in units of the half axes: below 1 inside.

    Args:
        grid: Coordinates along each axis, as `coordinates` gives them.
        centre, radii: Along each axis (further entries are not read).
        turn_rad: Turn in the plane of the first two axes.
    """
    away = [axis - c for axis, c in zip(grid, centre, strict=False)]
    cos, sin = math.cos(turn_rad), math.sin(turn_rad)
    away[0], away[1] = cos * away[0] + sin * away[1], cos * away[1] - sin * away[0]
    total = sum((each / radius) ** 2 for each, radius in zip(away, radii, strict=False))
    return np.asarray(total)


def share_inside(square: np.ndarray, shape: Sequence[int], radii: Sequence[float] | np.ndarray) -> np.ndarray:
    """How much of each voxel lies inside an ellipsoid, its border softened over about a voxel.

    Args:
        square: As `ellipsoid` gives it, in relative coordinates.
        shape: Voxels along each axis.
        radii: In relative coordinates.
    """
    radius_voxels = min(radius * size / 2 for radius, size in zip(radii, shape, strict=False))
    return np.clip(0.5 + (1 - np.sqrt(square)) * radius_voxels / _EDGE_VOXELS, 0, 1)


def smooth_field(control: np.ndarray, grid: Sequence[np.ndarray], shape: Sequence[int]) -> np.ndarray:
    """A smooth field through control points over the field of view, linear between them, that moves with the body.

    Args:
        control: Values at the control points, with at least as many axes as `shape`; further axes are cut at index 0.
        grid: Coordinates, as `coordinates` gives them; beyond the control points the nearest ones count.
        shape: Voxels along each axis.
    """
    cut: tuple[Any, ...] = (..., *[0] * (control.ndim - len(shape)))
    field = control[cut]
    total = np.zeros(tuple(shape))
    places = []
    for axis, points in zip(grid, field.shape, strict=True):
        at = np.clip((axis + 1) / 2 * (points - 1), 0, points - 1)
        low = np.minimum(at.astype(int), points - 2)
        places.append((low, at - low))
    for corner in np.ndindex(*[2] * len(shape)):
        index = tuple(low + step for (low, _), step in zip(places, corner, strict=True))
        share = 1.0
        for (_, part), step in zip(places, corner, strict=True):
            share = share * (part if step else 1 - part)
        total = total + share * field[index]
    return total


# ------------------------------------------------------------------ pictures


def body(anatomy: Anatomy, shape: Sequence[int], pose: Pose = Pose(), view: int = 0) -> np.ndarray:  # noqa: B008
    """A person's body, cut or whole: tissue with organs in it, 0 outside.

    Args:
        anatomy: The person's.
        shape: Voxels along each axis.
        pose: Of the day.
        view: 0, or the number of a further contrast of the same anatomy (another MR sequence, say).

    Returns:
        ``(*shape)`` float64 in 0..1.
    """
    grid = coordinates(shape, pose)
    tissue = np.full(tuple(shape), 0.42)
    for place, row in enumerate(anatomy.blobs):
        sign = -1 if view and (place + view) % 2 else 1
        inside = share_inside(ellipsoid(grid, row[:3], row[3:6], row[6]), shape, row[3:6])
        tissue = tissue + sign * row[7] * inside
    tissue = tissue + _texture(anatomy, grid, shape, view)
    inside = share_inside(ellipsoid(grid, (0, 0, 0), anatomy.radii), shape, anatomy.radii)
    return np.clip(tissue, 0.1, 1) * inside


def _texture(anatomy: Anatomy, grid: Sequence[np.ndarray], shape: Sequence[int], view: int) -> np.ndarray:
    """A person's own unevenness of the grey value, different in each view."""
    coarse, fine = (np.roll(each, view, axis=0) for each in (anatomy.field, anatomy.grain))
    return 0.04 * smooth_field(coarse, grid, shape) + 0.05 * smooth_field(fine, grid, shape)


def chest(anatomy: Anatomy, shape: Sequence[int], pose: Pose = Pose(), view: int = 0) -> np.ndarray:  # noqa: B008
    """A chest as an X-ray shows it: view 0 from the front, view 1 from the side. Air is dark.

    Args:
        anatomy: The person's.
        shape: Two axes: left to right, top to bottom.
        pose: Of the day.
        view: 0 frontal, 1 lateral; further ones alternate.

    Returns:
        ``(*shape)`` float64 in 0..1.
    """
    grid = coordinates(shape, pose)
    wide, tall, heart = anatomy.radii
    picture = 0.62 * share_inside(ellipsoid(grid, (0, 0.1), (wide, 0.98)), shape, (wide, 0.98))
    if view % 2 == 0:
        for side in (-1, 1):
            lung = (0.36 * wide / 0.8, 0.72 * tall / 0.8)
            picture -= 0.42 * share_inside(ellipsoid(grid, (side * 0.42, -0.05), lung, side * 0.08), shape, lung)
        size = (0.3 * heart / 0.8, 0.34)
        picture += 0.3 * share_inside(ellipsoid(grid, (0.14, 0.32), size, 0.5), shape, size)
    else:
        lung = (0.62 * wide / 0.8, 0.72 * tall / 0.8)
        picture -= 0.34 * share_inside(ellipsoid(grid, (-0.05, -0.05), lung, 0.12), shape, lung)
        picture += 0.25 * share_inside(ellipsoid(grid, (0.55, 0.1), (0.16, 0.95)), shape, (0.16, 0.95))
        size = (0.34 * heart / 0.8, 0.3)
        picture += 0.28 * share_inside(ellipsoid(grid, (-0.3, 0.34), size), shape, size)
    ribs = np.cos(
        2 * math.pi * ((4.5 + anatomy.radii[0]) * grid[1] + (0.5 if view % 2 == 0 else 0.2) * np.abs(grid[0]))
    )
    picture = picture + 0.035 * ribs * (picture > 0.05)
    texture = _texture(anatomy, grid, shape, view % 2)
    organs = np.zeros(picture.shape)
    for row in anatomy.blobs:
        inside = share_inside(ellipsoid(grid, row[:2], row[3:5], row[6]), shape, row[3:5])
        organs += row[7] * inside
    return np.clip(picture + (texture + 0.5 * organs) * (picture > 0.05), 0, 1)


def structures(
    anatomy: Anatomy,
    shape: Sequence[int],
    number: int,
    pose: Pose = Pose(),
    view: int = 0,  # noqa: B008
) -> tuple[np.ndarray, np.ndarray]:
    """Structures in a row along the second axis, the first in front, each of its own brightness, in a body.

    Args:
        anatomy: The person's; it decides their sizes and places.
        shape: Voxels along each axis.
        number: How many structures.
        pose: Of the day.
        view: As in `body`.

    Returns:
        The image ``(*shape)`` in 0..1, and the label map ``(*shape)`` uint8: 0 outside, 1 for the first structure …
    """
    image, grid = body(anatomy, shape, pose, view), coordinates(shape, pose)
    labels = np.zeros(tuple(shape), np.uint8)
    length = 0.9 / number
    for index in range(number):
        person = anatomy.blobs[index % len(anatomy.blobs)]
        centre = (0.3 * person[0], 0.45 - length * (2 * index + 1) / 2, 0.3 * person[2])
        radii = (0.26 + 0.3 * person[3], length * 0.62, 0.26 + 0.3 * person[5])
        square = ellipsoid(grid, centre, radii, 0.3 * person[1])
        bright = 0.62 + 0.3 * index / max(number - 1, 1) if view % 2 == 0 else 0.22 - 0.12 * index / max(number - 1, 1)
        inside = share_inside(square, shape, radii) * (labels == 0)
        image = image * (1 - inside) + bright * inside
        labels[(square < 1) & (labels == 0)] = index + 1
    return image, labels


def draw_lesions(
    rng: np.random.Generator,
    number: int,
    extent_mm: Sequence[float],
    radius_mm: tuple[float, float],
    contrast: float = 0.3,
    reach: float = 0.45,
) -> tuple[Lesion, ...]:
    """Lesions that lie inside the body and do not touch one another.

    Args:
        rng: The patient's.
        number: How many are asked for; fewer come back where no more have room.
        extent_mm: Of the field of view along each axis.
        radius_mm: Shortest and longest half axis.
        contrast: Of each.
        reach: How far from the centre, in relative coordinates.
    """
    found: list[Lesion] = []
    for _ in range(60 * number):
        if len(found) == number:
            break
        radii = rng.uniform(*radius_mm, len(extent_mm))
        centre = rng.uniform(-reach, reach, len(extent_mm)) * np.asarray(extent_mm) / 2
        apart = [math.dist(centre, each.centre_mm) > max(radii) + max(each.radii_mm) for each in found]
        if all(apart):
            found.append(Lesion(tuple(map(float, centre)), tuple(map(float, radii)), contrast))
    return tuple(found)


def plant(
    image: np.ndarray,
    lesions: Sequence[Lesion],
    spacing_mm: Sequence[float],
    pose: Pose = Pose(),  # noqa: B008
) -> tuple[np.ndarray, np.ndarray]:
    """Put lesions into an image.

    Args:
        image: ``(*space)`` in 0..1.
        lesions: What to put there; they move with the body.
        spacing_mm: Along each axis.
        pose: Of the body.

    Returns:
        The image with the lesions, and their mask ``(*space)`` uint8: voxels whose centre lies inside.
    """
    half_mm = [size * step / 2 for size, step in zip(image.shape, spacing_mm, strict=True)]
    grid_mm = [axis * half for axis, half in zip(coordinates(image.shape, pose), half_mm, strict=True)]
    mask = np.zeros(image.shape, np.uint8)
    for lesion in lesions:
        square = ellipsoid(grid_mm, lesion.centre_mm, lesion.radii_mm)
        relative = [radius / half for radius, half in zip(lesion.radii_mm, half_mm, strict=True)]
        image = image + lesion.contrast * share_inside(square, image.shape, relative)
        mask[square < 1] = 1
    return np.clip(image, 0, 1), mask
