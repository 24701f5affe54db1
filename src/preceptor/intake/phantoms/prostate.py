"""Prostates of two zones, in T2 and ADC, with lesions that each view shows as well as was planted."""

from __future__ import annotations

import json
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt, Le, Len

from preceptor.core.drawn import Drawn, Turn, centred
from preceptor.core.errors import RecipeError
from preceptor.maths.phantom_partial_volume import lesion_share
from preceptor.maths.phantom_prostate import CENTRAL, PERIPHERAL, Gland
from preceptor.maths.phantoms import Anatomy, coordinates, ellipsoid, share_inside, smooth_field

#: Grey values: body, central gland, peripheral zone.
_GREY = {"t2": (0.3, 0.5, 0.75), "adc": (0.35, 0.55, 0.7)}
_ZONES = {CENTRAL: "central", PERIPHERAL: "peripheral"}


class Prostate:
    """A prostate with its zones and, in some, lesions, seen by T2 and ADC.

    The label map ``zones`` holds 1 for the central gland and 2 for the peripheral zone, the whole gland being both;
    ``lesion`` holds the lesions. A voxel belongs to what fills at least half of it. Volumes are those of the ellipsoids,
    exact however coarse the voxels, and the grey values add up to them.

    Every lesion lies in one zone as a whole and is dark in both views, by a conspicuity of its own in each: its contrast in
    standard deviations of the noise, uniform over half to one and a half times what its zone and view have. By default ADC
    shows the lesions of the peripheral zone well and T2 those of the central gland, so that neither view alone finds all
    (PI-RADS reads the zones so). A conspicuity of 0 hides them from that view.

    Args:
        size: Voxels along 3 axes.
        spacing_mm: Along each axis.
        gland_ml: Smallest and largest volume of the whole gland.
        affected: Share of the prostates with lesions.
        most: Largest number of lesions where there are any.
        peripheral: Share of the lesions that lie in the peripheral zone.
        radius_mm: Shortest and longest half axis of a lesion.
        t2_conspicuity: Mean conspicuity in T2 of lesions in the central gland and in the peripheral zone.
        adc_conspicuity: The same in ADC.
        noise: Standard deviation of the noise.

    Raises:
        RecipeError: The largest gland does not fit into the field of view.

    Source: own generator; the dominant sequence of each zone follows PI-RADS 2.1 (Turkbey et al. 2019, European Urology
    76), the share of lesions in the peripheral zone McNeal et al. 1988, American Journal of Surgical Pathology 12.

    Example:
        >>> drawn = Prostate(affected=1.0).draw(Turn(seed=0, index=0, cases=4))
        >>> list(drawn.images), drawn.labels["label"]
        (['t2', 'adc'], 'lesion')
    """

    def __init__(
        self,
        size: Annotated[list[Annotated[int, Ge(8), Le(1024)]], Len(3, 3)] = [64, 64, 24],  # noqa: B006  read, never changed
        spacing_mm: Annotated[list[Annotated[float, Gt(0)]], Len(3, 3)] = [1.25, 1.25, 3.0],  # noqa: B006
        gland_ml: tuple[Annotated[float, Gt(0)], Annotated[float, Gt(0)]] = (25.0, 70.0),
        affected: Annotated[float, Ge(0), Le(1)] = 0.5,
        most: Annotated[int, Ge(1), Le(10)] = 2,
        peripheral: Annotated[float, Ge(0), Le(1)] = 0.7,
        radius_mm: tuple[Annotated[float, Gt(0)], Annotated[float, Gt(0)]] = (2.0, 5.0),
        t2_conspicuity: tuple[Annotated[float, Ge(0)], Annotated[float, Ge(0)]] = (8.0, 2.0),
        adc_conspicuity: tuple[Annotated[float, Ge(0)], Annotated[float, Ge(0)]] = (2.0, 8.0),
        noise: Annotated[float, Gt(0)] = 0.03,
    ) -> None:
        self.size, self.spacing_mm, self.gland_ml = size, spacing_mm, gland_ml
        self.affected, self.most, self.peripheral, self.radius_mm = affected, most, peripheral, radius_mm
        self.t2_conspicuity, self.adc_conspicuity, self.noise = t2_conspicuity, adc_conspicuity, noise

    @classmethod
    def example(cls) -> Prostate:
        return cls(size=[20, 20, 8], spacing_mm=[4.0, 4.0, 9.0], affected=1.0)

    def draw(self, turn: Turn) -> Drawn:
        gland = Gland.draw(turn.rng("gland"), self.gland_ml)
        self._refuse_cut(gland)
        found = self._lesions(turn, gland)
        whole = lesion_share(gland.whole, self.size, self.spacing_mm)
        central = np.minimum(lesion_share(gland.central, self.size, self.spacing_mm), whole)
        shares = [lesion_share(each["lesion"], self.size, self.spacing_mm) for each in found]
        anatomy = Anatomy.draw(turn.rng("person"))
        images = {}
        for number, view in enumerate(_GREY):
            grey = self._tissue(anatomy, whole, central, view, number)
            for each, share in zip(found, shares, strict=True):
                grey = grey - each["conspicuity"][view] * self.noise * share
            grey = grey + turn.rng(f"grain {view}").normal(0, self.noise, grey.shape)
            images[view] = centred(grey.astype(np.float32), tuple(self.spacing_mm))
        zones = np.where(central >= 0.5, CENTRAL, np.where(whole >= 0.5, PERIPHERAL, 0)).astype(np.uint8)
        lesion = (sum(shares, np.zeros(self.size)) >= 0.5).astype(np.uint8)
        masks = {
            name: centred(mask, tuple(self.spacing_mm), is_label=True)
            for name, mask in (("zones", zones), ("lesion", lesion))
        }
        central_ml, peripheral_ml = gland.volumes_ml
        labels = {"label": "lesion" if found else "none", "gland_ml": round(central_ml + peripheral_ml, 6)}
        told = [
            {
                "zone": each["zone"],
                "centre_mm": [round(place, 4) for place in each["lesion"].centre_mm],
                "radii_mm": [round(radius, 4) for radius in each["lesion"].radii_mm],
                "volume_mm3": round(each["lesion"].size, 4),
                "conspicuity": {view: round(value, 4) for view, value in each["conspicuity"].items()},
            }
            for each in found
        ]
        fields = {
            "central_ml": round(central_ml, 6),
            "peripheral_ml": round(peripheral_ml, 6),
            "zones": "+".join(sorted({each["zone"] for each in found})) or "none",
            "lesions": json.dumps(told),
        }
        return Drawn(images, masks, labels, fields, body_part="PROSTATE")

    def _lesions(self, turn: Turn, gland: Gland) -> list[dict[str, Any]]:
        """``lesion, zone, conspicuity`` of each; they don't touch one another."""
        number = int(turn.rng("number").integers(1, self.most + 1)) if turn.rng("ill").random() < self.affected else 0
        found: list[dict[str, Any]] = []
        for place in range(number):
            rng = turn.rng(f"lesion {place}")
            zone = PERIPHERAL if rng.random() < self.peripheral else CENTRAL
            means = {"t2": self.t2_conspicuity, "adc": self.adc_conspicuity}
            shown = {view: float(rng.uniform(0.5, 1.5)) * mean[zone - 1] for view, mean in means.items()}
            for _ in range(20):
                lesion = gland.place_lesion(rng, zone, self.radius_mm)
                if lesion is None:
                    break
                apart = [
                    np.linalg.norm(np.subtract(lesion.centre_mm, other["lesion"].centre_mm))
                    > max(lesion.radii_mm) + max(other["lesion"].radii_mm)
                    for other in found
                ]
                if all(apart):
                    found.append({"lesion": lesion, "zone": _ZONES[zone], "conspicuity": shown})
                    break
        return found

    def _tissue(self, anatomy: Anatomy, whole: np.ndarray, central: np.ndarray, view: str, number: int) -> np.ndarray:
        """``(*size)`` the pelvis with its gland; the central gland is uneven, the peripheral zone smooth."""
        grid = coordinates(self.size)
        pelvis, nodules, streaks = _GREY[view]
        around = share_inside(ellipsoid(grid, (0, 0, 0), (0.96, 0.96, 3.0)), self.size, (0.96, 0.96, 3.0))
        rectum = share_inside(ellipsoid(grid, (0.05, -0.78, 0), (0.22, 0.17, 3.0)), self.size, (0.22, 0.17, 3.0))
        coarse = smooth_field(np.roll(anatomy.grain[:12, :12, :6], number, axis=0), grid, self.size)
        wide = smooth_field(np.roll(anatomy.field, number, axis=0), grid, self.size)
        outside = (pelvis + 0.05 * wide + 0.03 * coarse) * around * (1 - 0.85 * rectum)
        rest = whole - central
        return outside * (1 - whole) + (nodules + 0.06 * coarse) * central + (streaks + 0.015 * wide) * rest

    def _refuse_cut(self, gland: Gland) -> None:
        half_mm = [count * step / 2 for count, step in zip(self.size, self.spacing_mm, strict=True)]
        if any(radius > half for radius, half in zip(gland.radii_mm, half_mm, strict=True)):
            raise RecipeError(
                "a prostate does not fit into the field of view",
                expected=f"half axes below {', '.join(f'{half:g}' for half in half_mm)} mm",
                remedy="take more voxels, a wider spacing_mm, or smaller gland_ml",
                code="phantom_room",
            )
