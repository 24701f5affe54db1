"""Pictures for the report: a volume turned, sliced and windowed the way a radiologist reads it, and what lies on it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from preceptor.core.image import Image

LONGEST_SIDE = 320
_MOST_SLICES = 48


@dataclass(frozen=True)
class Stack:
    """Slices on their way to the page: ``(slice, row, column)``, row 0 on top.

    Args:
        grey: uint8 ``(slice, row, column)`` or ``(slice, row, column, 3)``.
        low, high: What 0 and 255 stand for, so that a value can be told.
        pixel: Height and width of a pixel on the page, in the same unit.
        sides: What lies left, right, above and below ("R", "L", "A", "P"); empty where unknown.
        places: What each slice is called.
    """

    grey: np.ndarray
    low: float
    high: float
    pixel: tuple[float, float] = (1.0, 1.0)
    sides: tuple[str, str, str, str] = ("", "", "", "")
    places: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layer:
    """Something drawn over the slices.

    Args:
        name: For the legend and the value under the pointer.
        kind: ``outline`` and ``fill`` hold class indices, ``heat`` holds 0..255.
        array: uint8 ``(slice, row, column)``.
        names: Of the class indices, background first.
        low, high: For heat, what 0 and 255 stand for; a map below zero is drawn in two colours about zero.
    """

    name: str
    kind: Literal["outline", "fill", "heat"]
    array: np.ndarray
    names: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 1.0


@dataclass(frozen=True)
class View:
    """How a volume is turned and sliced for looking: the same for an image and the maps that lie on it.

    Args:
        order: Axes as (slice, row, column) of the array; for a flat picture (row, column).
        flips: Which of them are reversed.
        slices: Which slices are shown.
        step: Every how many pixels along row and column is kept.
    """

    order: tuple[int, ...]
    flips: tuple[bool, ...]
    slices: tuple[int, ...]
    step: int

    def of(self, array: np.ndarray) -> np.ndarray:
        """``(x, y[, z])`` or ``(x, y[, z], 3)`` as ``(slice, row, column[, 3])``."""
        turned = np.transpose(array, (*self.order, *range(len(self.order), array.ndim)))
        turned = turned[tuple(slice(None, None, -1 if flip else None) for flip in self.flips)]
        if len(self.order) == 2:
            turned = turned[None]
        return turned[list(self.slices)][:, :: self.step, :: self.step]


def view_of(image: Image, centre: int | None = None) -> tuple[View, Stack]:
    """Turn an image the way it is read, cut it to what a page can carry, and window its grey values.

    Volumes are sliced along the axis with the thickest voxels (axial where they are cubes), the patient's right on the
    reader's left; flat pictures stay as they are stored.

    Args:
        image: The first channel is shown, or all three where there are three.
        centre: A voxel along the slicing axis that must be among the slices shown.

    Returns:
        How it was turned, and its slices.
    """
    order, flips, letters = _orientation(image)
    shape = [image.shape[axis] for axis in order]
    count = shape[0] if len(order) == 3 else 1
    step = max(1, math.ceil(max(shape[-2:]) / LONGEST_SIDE))
    shown = _chosen(count, min(count, _MOST_SLICES), centre, flips[0] if len(order) == 3 else False)
    view = View(order, flips, tuple(shown), step)
    pixels = image.array[:, 0] if image.has_time else image.array
    if len(pixels) == 3:
        colour = np.moveaxis(np.asarray(pixels), 0, -1)
        grey, low, high = _eight_bits(view.of(colour), percentiles=(0, 100))
    else:
        grey, low, high = _eight_bits(view.of(np.asarray(pixels[0])))
    spacing = image.spacing_mm
    pixel = (spacing[order[-2]], spacing[order[-1]]) if image.has_known_geometry else (1.0, 1.0)
    places = _places(image, order, flips, shown) if len(order) == 3 else ("",)
    return view, Stack(grey, low, high, pixel, letters, places)


def label_layer(
    name: str, kind: Literal["outline", "fill"], array: np.ndarray, view: View, names: Sequence[str]
) -> Layer:
    """A label map of class indices ``(x, y[, z])`` as a layer."""
    return Layer(name, kind, np.ascontiguousarray(view.of(array).astype(np.uint8)), tuple(names))


def heat_layer(name: str, array: np.ndarray, view: View) -> Layer:
    """A map ``(x, y[, z])`` as a layer, from 0 to its largest value, or as far below 0 where it has negative ones."""
    known = np.nan_to_num(array.astype(np.float32), nan=0.0)
    largest = float(np.abs(known).max()) or 1.0
    low, high = (-largest if (known < 0).any() else 0.0), largest
    scaled = np.clip((known - low) / (high - low) * 255, 0, 255).round().astype(np.uint8)
    return Layer(name, "heat", np.ascontiguousarray(view.of(scaled)), (), low, high)


def most_shown(array: np.ndarray) -> int | None:
    """The slice ``(slice, row, column)`` with the most of a label or a map; None where there is nothing."""
    amount = np.abs(array.astype(np.float64)).reshape(len(array), -1).sum(1)
    return int(amount.argmax()) if amount.any() else None


# -------------------------------------------------------------------- turning


def _orientation(image: Image) -> tuple[tuple[int, ...], tuple[bool, ...], tuple[str, str, str, str]]:
    """Axes and flips of (slice, row, column), and what lies at the four sides of the page."""
    if image.space_dims == 2:
        return (1, 0), (False, False), ("", "", "", "")
    import nibabel

    towards = nibabel.io_orientation(image.affine_mm)  # per array axis: which of R, A, S, and its sense
    axis_of = {int(world): axis for axis, (world, _) in enumerate(towards)}
    grows = {int(world): sense > 0 for world, sense in towards}
    spacing = image.spacing_mm
    thickest = max(range(3), key=lambda world: spacing[axis_of[world]])
    sliced = thickest if spacing[axis_of[thickest]] > 1.5 * min(spacing) else 2
    # world axes: 0 right, 1 anterior, 2 superior. Rows run from the top of the page down, columns to its right.
    row, column = {2: (1, 0), 1: (2, 0), 0: (2, 1)}[sliced]
    names = {0: ("L", "R"), 1: ("P", "A"), 2: ("I", "S")}
    up = names[row][1]
    left, right = ("A", "P") if sliced == 0 else ("R", "L")
    order = (axis_of[sliced], axis_of[row], axis_of[column])
    # From below to above; the top of the page is anterior or superior; the left is the patient's right, or anterior.
    flips = (not grows[sliced], grows[row], grows[column])
    known = image.has_known_geometry
    return order, flips, (left, right, up, names[row][0]) if known else ("", "", "", "")


def _places(image: Image, order: Sequence[int], flips: Sequence[bool], shown: Sequence[int]) -> tuple[str, ...]:
    """``slice 12 of 35`` with its place in millimetres where the geometry is known."""
    axis, count = order[0], image.shape[order[0]]
    names = []
    for index in shown:
        voxel = count - 1 - index if flips[0] else index
        words = f"slice {index + 1} of {count}"
        if image.has_known_geometry:
            middle = [(size - 1) / 2 for size in image.shape]
            middle[axis] = voxel
            place = image.affine_mm @ [*middle, 1.0]
            world = int(np.abs(image.affine_mm[:3, axis]).argmax())
            name = ("right–left", "front–back", "foot–head")[world]
            words += f", {name} {place[world]:.0f} mm".replace("-", "−")
        names.append(words)
    return tuple(names)


def _chosen(count: int, most: int, centre: int | None, flipped: bool) -> list[int]:
    """Evenly spaced slices; the one asked for is among them."""
    if count <= most:
        return list(range(count))
    chosen = sorted({round(index * (count - 1) / (most - 1)) for index in range(most)})
    if centre is not None:
        wanted = count - 1 - centre if flipped else centre
        chosen = sorted({*chosen, wanted})
    return chosen


def _eight_bits(values: np.ndarray, percentiles: tuple[float, float] = (0.5, 99.5)) -> tuple[np.ndarray, float, float]:
    values = np.nan_to_num(np.asarray(values, dtype=np.float32))
    sampled = values.reshape(-1)[:: max(1, values.size // 500_000)]
    low, high = (float(each) for each in np.percentile(sampled, percentiles))
    if high <= low:
        low, high = float(values.min()), float(values.max())
    span = (high - low) or 1.0
    return np.clip((values - low) / span * 255, 0, 255).round().astype(np.uint8), low, high
