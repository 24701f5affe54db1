"""Shepp-Logan phantoms: the slice with three subtypes that ClinicaDL draws, and the additive volume.

There is no single three-dimensional phantom: tables differ in the ellipsoids' heights and turns. The one here is Shepp
and Logan's ten ellipses with Toft's intensities and ODL's third axis, where every centre lies at height 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy.ndimage import gaussian_filter

#: Intensity; half axes (3); centre (3); turn about the third axis in degrees. Coordinates -1 to 1.
ELLIPSOIDS: tuple[tuple[float, tuple[float, float, float], tuple[float, float, float], float], ...] = (
    (1.0, (0.69, 0.92, 0.81), (0.0, 0.0, 0.0), 0.0),
    (-0.8, (0.6624, 0.874, 0.78), (0.0, -0.0184, 0.0), 0.0),
    (-0.2, (0.11, 0.31, 0.22), (0.22, 0.0, 0.0), -18.0),
    (-0.2, (0.16, 0.41, 0.28), (-0.22, 0.0, 0.0), 18.0),
    (0.1, (0.21, 0.25, 0.41), (0.0, 0.35, 0.0), 0.0),
    (0.1, (0.046, 0.046, 0.05), (0.0, 0.1, 0.0), 0.0),
    (0.1, (0.046, 0.046, 0.05), (0.0, -0.1, 0.0), 0.0),
    (0.1, (0.046, 0.023, 0.05), (-0.08, -0.605, 0.0), 0.0),
    (0.1, (0.023, 0.023, 0.02), (0.0, -0.606, 0.0), 0.0),
    (0.1, (0.023, 0.046, 0.02), (0.06, -0.605, 0.0), 0.0),
)

#: Places in `ELLIPSOIDS` of the upper region and of the lower three.
UPPER, LOWER = (4,), (7, 8, 9)

#: Which region is small in each subtype: (upper, lower).
_SMALL = ((False, False), (False, True), (True, False))


def volume(
    size: int | Sequence[int], grid: Literal["centres", "corners"] = "centres", scales: Sequence[float] = (1.0,) * 10
) -> np.ndarray:
    """The additive phantom.

    Args:
        size: Voxels along every axis, or along each.
        grid: Where voxels lie in -1 to 1: at the middle of their cell (``centres``), or from border to border with
            both ends included (``corners``, as MATLAB has it).
        scales: Of the half axes of each ellipsoid.

    Returns:
        ``(x, y, z)`` float64, rounded to six decimals: ``1 - 0.8 - 0.2`` is 5.6e-17 in floating point.

    Source: Toft 1996, The Radon Transform (table B.1) with the third axis as in ODL.
    """
    sizes = (size,) * 3 if isinstance(size, int) else tuple(size)
    if grid == "centres":
        axes = [(np.arange(each) + 0.5) / each * 2 - 1 for each in sizes]
    else:
        axes = [np.linspace(-1, 1, each) for each in sizes]
    x, y, z = np.meshgrid(*axes, indexing="ij", sparse=True)
    total = np.zeros(sizes)
    for (value, radii, centre, degrees), scale in zip(ELLIPSOIDS, scales, strict=True):
        cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        across, along = x - centre[0], y - centre[1]
        square = ((cos * across + sin * along) / (scale * radii[0])) ** 2
        square = square + ((cos * along - sin * across) / (scale * radii[1])) ** 2
        square = square + ((z - centre[2]) / (scale * radii[2])) ** 2
        total[square <= 1] += value
    return np.round(total, 6)


def subtype_volume(rng: np.random.Generator, subtype: int, size: int | Sequence[int]) -> np.ndarray:
    """The volume with its upper and lower regions large or small, as the subtype has it.

    Args:
        rng: Draws the scale of each region: large 1 to 1.2, small 0.8 to 0.9.
        subtype: 0 both large, 1 the lower small, 2 the upper small.
        size: As in `volume`.
    """
    scales = np.ones(len(ELLIPSOIDS))
    for places, small in zip((UPPER, LOWER), _SMALL[subtype], strict=True):
        scales[list(places)] = _scale(rng, small)
    return volume(size, scales=tuple(map(float, scales)))


def subtype_slice(rng: np.random.Generator, subtype: int, size: int = 128, smoothing: bool = False) -> np.ndarray:
    """One slice: a skull, a brain, two ventricles, and grey regions of which some are small.

    Args:
        rng: Of this slice.
        subtype: 0 all large, 1 the three lower small, 2 the upper small.
        size: Pixels along each side.
        smoothing: Blur with a standard deviation drawn from 0 to a hundredth of the size.

    Returns:
        ``(size, size)`` float64; skull 1, brain 0.2, ventricles and background 0, regions 0.4 to 0.6, each turned by an
        angle of its own. The first axis runs from the upper region to the lower.

    Source: ``clinicadl generate shepplogan`` (Thibeau-Sutre et al. 2022), from its code of 2024.
    """
    centre = (size + 1) / 2
    long, short = centre - 2, 2 * centre / 3 - 2
    colour = rng.uniform(0.4, 0.6)
    furthest = max(1.0, size / 32)
    down, right = np.meshgrid(np.arange(1, size + 1.0), np.arange(1, size + 1.0), indexing="ij", sparse=True)
    picture = np.zeros((size, size))

    def paint(value: float, at: tuple[float, float], radii: tuple[float, float], degrees: float = 0.0) -> None:
        cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        away = down - at[0], right - at[1]
        square = ((cos * away[0] + sin * away[1]) / radii[0]) ** 2 + ((cos * away[1] - sin * away[0]) / radii[1]) ** 2
        picture[square <= 1] = value

    def region(at: tuple[float, float], radii: tuple[float, float], small: bool) -> None:
        place = at[0] + rng.uniform(1, furthest), at[1] + rng.uniform(1, furthest)
        scaled = radii[0] * _scale(rng, small), radii[1] * _scale(rng, small)
        paint(colour, place, scaled, rng.uniform(-180, 180))

    jitter = rng.uniform(1, furthest)
    paint(1.0, (centre, centre), (long, short))
    paint(0.2, (centre, centre), (long - jitter, short - jitter))
    for side in (-1, 1):
        wide = rng.uniform(0.8, 1.2, 2)
        leaning = side * (22.5 + rng.uniform(-11.25, 11.25))
        paint(0.0, (centre, centre + side * centre / 4), (long / 3 * wide[0], long / 6 * wide[1]), leaning)
    upper_small, lower_small = _SMALL[subtype]
    region((centre, centre), (short / 6, short / 6), small=False)
    region((0.6 * centre, centre), (short / 4, short / 3), small=upper_small)
    for at in (1.0, 1.1, 0.9):
        region((1.5 * centre, at * centre), (short / 10, short / 10), small=lower_small)
    return gaussian_filter(picture, rng.uniform(0, 1) * size / 100) if smoothing else picture


def _scale(rng: np.random.Generator, small: bool) -> float:
    return float(rng.uniform(0.8, 0.9) if small else rng.uniform(1.0, 1.2))
