"""A prostate of two zones: an ellipsoid in an ellipsoid of the same shape, moved forward, and lesions in one of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .phantoms import Lesion

#: Values of the zones in the label map.
CENTRAL, PERIPHERAL = 1, 2

#: How far a gland's middle lies behind the central gland's, as a share of what there is room for.
_FORWARD = 0.85


@dataclass(frozen=True)
class Gland:
    """Where the zones of one prostate lie.

    The central gland has the whole gland's shape, smaller by `scale` and moved forward by
    ``0.85 * (1 - scale) * radii_mm[1]``, which keeps it inside: an ellipsoid scaled by s stays inside while it moves less
    than ``1 - s`` half axes. The peripheral zone is what is left, thick behind and thin in front.

    Args:
        radii_mm: ``(3,)`` half axes of the whole gland: left to right, back to front, bottom to top.
        scale: Of the central gland.
    """

    radii_mm: tuple[float, float, float]
    scale: float

    @classmethod
    def draw(cls, rng: np.random.Generator, volume_ml: tuple[float, float]) -> Gland:
        """A gland whose volume is uniform over a range; the larger ones have the larger central glands.

        Half axes go as 1.15 : 0.85 : 1 with a tenth of their own up and down. The central gland's share of the volume is
        0.3 in the smallest and 0.55 in the largest, with 0.05 up and down.
        """
        smallest, largest = volume_ml
        volume = rng.uniform(smallest, largest)
        proportions = np.array([1.15, 0.85, 1.0]) * rng.uniform(0.9, 1.1, 3)
        radii = proportions * (volume * 1000 / (4 / 3 * math.pi * proportions.prod())) ** (1 / 3)
        place = (volume - smallest) / (largest - smallest) if largest > smallest else 0.5
        share = 0.3 + 0.25 * place + rng.uniform(-0.05, 0.05)
        x, y, z = map(float, radii)
        return cls((x, y, z), float(share ** (1 / 3)))

    @property
    def whole(self) -> Lesion:
        """The whole gland as an ellipsoid, centred."""
        return Lesion((0.0, 0.0, 0.0), self.radii_mm)

    @property
    def central(self) -> Lesion:
        """The central gland as an ellipsoid."""
        forward = _FORWARD * (1 - self.scale) * self.radii_mm[1]
        x, y, z = (self.scale * radius for radius in self.radii_mm)
        return Lesion((0.0, forward, 0.0), (x, y, z))

    @property
    def volumes_ml(self) -> tuple[float, float]:
        """Of the central gland and of the peripheral zone: ``4/3 pi s^3 abc`` and ``4/3 pi (1 - s^3) abc``, exactly."""
        central = self.central.size / 1000
        return central, self.whole.size / 1000 - central

    def place_lesion(self, rng: np.random.Generator, zone: int, radius_mm: tuple[float, float]) -> Lesion | None:
        """An ellipsoid that lies in one zone as a whole.

        Args:
            rng: Of this lesion.
            zone: `CENTRAL` or `PERIPHERAL`.
            radius_mm: Shortest and longest half axis.

        Returns:
            The lesion, its contrast 1; None where a thousand draws, of ever shorter half axes, found no room.
        """
        surface = _directions()
        inner, outer = self.central, self.whole
        shortest, longest = radius_mm
        for attempt in range(1000):
            radii = shortest + (longest - shortest) * (1 - attempt / 1000) * rng.random(3)
            centre = rng.uniform(-1, 1, 3) * np.asarray(self.radii_mm)
            points = np.vstack([centre, centre + radii * surface])
            fits = (_square(points, outer) < 1).all()
            square = _square(points, inner)
            if fits and ((square < 1).all() if zone == CENTRAL else (square > 1).all()):
                return Lesion(tuple(map(float, centre)), tuple(map(float, radii)), 1.0)
        return None


def _square(points: np.ndarray, ellipsoid: Lesion) -> np.ndarray:
    """``(point,)`` squared distance from an ellipsoid's centre in units of its half axes."""
    return (((points - np.asarray(ellipsoid.centre_mm)) / np.asarray(ellipsoid.radii_mm)) ** 2).sum(axis=1)


def _directions(number: int = 200) -> np.ndarray:
    """``(number, 3)`` points spread evenly over the unit sphere (a Fibonacci lattice)."""
    places = np.arange(number) + 0.5
    height, turn = 1 - 2 * places / number, math.pi * (1 + math.sqrt(5)) * places
    flat = np.sqrt(1 - height**2)
    return np.stack([flat * np.cos(turn), flat * np.sin(turn), height], axis=1)
