"""A beating heart in short-axis slices: half ellipsoids whose volume over time is known, cut into slices exactly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

#: Values in the label map, as in the ACDC challenge.
RIGHT_VENTRICLE, MYOCARDIUM, CAVITY = 1, 2, 3

#: Share of the beat in which the ventricle contracts.
_SYSTOLE = 0.36

#: Power of the volume with which the cavity shortens: at an ejection fraction of 60 % by a fifth.
_SHORTENING = 0.25

#: Layers that each slice is averaged over.
_LAYERS = 12


@dataclass(frozen=True)
class Heart:
    """One person's left ventricle over a beat.

    The cavity is half of an ellipsoid of revolution, ``V = 2/3 pi a^2 L``; while V falls, L falls as ``V^(1/4)`` and a
    follows. The wall's outer border is one with half axes ``a + w`` and ``L + w``, where w is such that the wall's volume
    stays what it was: it thickens as the cavity shrinks. The apex stays, the base comes down.

    Args:
        end_diastolic_ml: Largest volume of the cavity.
        ejection_fraction: Share of it that is thrown out, 0 to 1.
        length_mm: Of the cavity from base to apex at end diastole.
        wall_mm: Thickness of the wall at end diastole.
    """

    end_diastolic_ml: float
    ejection_fraction: float
    length_mm: float
    wall_mm: float

    def volumes_ml(self, frames: int) -> np.ndarray:
        """The cavity's volume in each frame of a beat.

        ``V = ESV + (EDV - ESV) * (1 + cos(pi * s)) / 2``, where s runs from 0 to 1 between end diastole, frame 0, and end
        systole, and back to 0 between end systole and the next beat. End systole is a frame, so that the smallest volume
        of the frames is the ESV, and ``1 - ESV / EDV`` the ejection fraction.

        Args:
            frames: At least 3.

        Returns:
            ``(frame,)`` in millilitres.
        """
        systole = end_systolic_frame(frames)
        frame = np.arange(frames)
        s = np.where(frame <= systole, frame / systole, (frames - frame) / (frames - systole))
        smallest = self.end_diastolic_ml * (1 - self.ejection_fraction)
        return smallest + (self.end_diastolic_ml - smallest) * (1 + np.cos(math.pi * s)) / 2

    def half_axes_mm(self, volume_ml: float) -> tuple[float, float]:
        """Radius at the base and length of the cavity."""
        length = self.length_mm * (volume_ml / self.end_diastolic_ml) ** _SHORTENING
        return math.sqrt(1000 * volume_ml * 3 / (2 * math.pi * length)), length

    def wall_at_mm(self, volume_ml: float) -> float:
        """Thickness of the wall where the cavity holds a volume."""
        radius, length = self.half_axes_mm(volume_ml)
        outer_mm3 = 1000 * (volume_ml + self.wall_ml)
        return float(brentq(lambda w: _half_ellipsoid(radius + w, length + w) - outer_mm3, 0.0, 100.0, xtol=1e-10))

    @property
    def wall_ml(self) -> float:
        """Volume of the myocardium, the same in every frame."""
        radius, length = self.half_axes_mm(self.end_diastolic_ml)
        return _half_ellipsoid(radius + self.wall_mm, length + self.wall_mm) / 1000 - self.end_diastolic_ml

    @property
    def apex_to_base_mm(self) -> float:
        """Of the outer border at end diastole."""
        return self.length_mm + self.wall_mm


def end_systolic_frame(frames: int) -> int:
    """Number of the frame in which the ventricle is smallest."""
    return max(1, round(_SYSTOLE * frames))


def heart_shares(
    heart: Heart,
    volume_ml: float,
    size: Sequence[int],
    spacing_mm: Sequence[float],
    centre_mm: np.ndarray,
) -> dict[int, np.ndarray]:
    """How much of each voxel the parts of a heart fill at one moment.

    Args:
        heart: Whose.
        volume_ml: Of the cavity at this moment.
        size: Voxels along 3 axes, slices last.
        spacing_mm: Along each axis; slices touch one another.
        centre_mm: ``(slice, 2)`` where the ventricle's axis passes each slice, from the middle of the field of view.

    Returns:
        ``{label: (*size)}`` of the right ventricle, the myocardium and the cavity. In every slice those of the cavity, and
        those of cavity and myocardium together, add up to the volume that the slice cuts out of the ellipsoid:
        ``pi a^2 (h - h^3 / 3 L^2)`` between the heights of its two faces.
    """
    radius, length = heart.half_axes_mm(volume_ml)
    wall = heart.wall_at_mm(volume_ml)
    base_mm = -heart.apex_to_base_mm / 2 + length + wall
    outer = radius + wall
    right = (0.95 * outer, 0.9 * outer, 0.9 * length)
    shares = {each: np.zeros(tuple(size)) for each in (RIGHT_VENTRICLE, MYOCARDIUM, CAVITY)}
    for place in range(size[2]):
        middle = (place - (size[2] - 1) / 2) * spacing_mm[2]
        heights = base_mm - middle - spacing_mm[2] / 2, base_mm - middle + spacing_mm[2] / 2
        centre = np.asarray(centre_mm[place], float)
        cavity, whole = (
            _slice_share((r, r, depth), heights, size, spacing_mm, centre)
            for r, depth in ((radius, length), (outer, length + wall))
        )
        aside = centre + (0.7 * outer, 0.15 * outer)
        beside = _slice_share(right, heights, size, spacing_mm, aside)
        shares[CAVITY][..., place] = np.minimum(cavity, whole)
        shares[MYOCARDIUM][..., place] = whole - np.minimum(cavity, whole)
        shares[RIGHT_VENTRICLE][..., place] = np.clip(beside - whole, 0, None)
    return shares


def _half_ellipsoid(radius: float, length: float) -> float:
    return 2 / 3 * math.pi * radius**2 * length


def _slice_share(
    radii: tuple[float, float, float],
    heights: tuple[float, float],
    size: Sequence[int],
    spacing_mm: Sequence[float],
    centre: np.ndarray,
) -> np.ndarray:
    """``(x, y)`` how much of each voxel of one slice half an ellipsoid fills; heights are measured down from its base."""
    share = np.zeros(tuple(size[:2]))
    across, along, depth = radii
    top, bottom = (min(max(height, 0.0), depth) for height in heights)
    if bottom <= top:
        return share
    filled = (bottom - top) / (heights[1] - heights[0])
    axes = [
        (np.arange(count) - (count - 1) / 2) * step - at
        for count, step, at in zip(size[:2], spacing_mm[:2], centre, strict=True)
    ]
    square = np.sqrt((axes[0][:, None] / across) ** 2 + (axes[1][None] / along) ** 2)
    edge = min(across, along) / math.sqrt(spacing_mm[0] * spacing_mm[1])
    for layer in range(_LAYERS):
        height = top + (layer + 0.5) / _LAYERS * (bottom - top)
        share += np.clip(0.5 + (math.sqrt(1 - (height / depth) ** 2) - square) * edge, 0, 1)
    share *= filled / _LAYERS
    exact = math.pi * across * along * ((bottom - bottom**3 / (3 * depth**2)) - (top - top**3 / (3 * depth**2)))
    return _adding_up(share, exact / math.prod(spacing_mm), filled)


def _adding_up(share: np.ndarray, voxels: float, most: float) -> np.ndarray:
    """Shares between 0 and `most` that add up to a number of voxels: the border's are moved a little."""
    room = share * (most - share)
    missing, free = voxels - share.sum(), room.sum()
    if free * most > 0 and abs(missing) / free < 1 / most:
        return share + missing * room / free
    return share * (voxels / share.sum()) if share.any() else share
