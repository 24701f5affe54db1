"""Cells whose colour tells the class at one site and lies at the other."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Le, Len
from scipy.ndimage import gaussian_filter

from preceptor.core.drawn import Drawn, Turn, centred
from preceptor.maths.phantom_cells import place_cells

#: Red, green, blue of the ground and of the two stains: eosin's pink and haematoxylin's violet.
_GROUND, _STAINS = (0.93, 0.88, 0.91), {"pink": (0.82, 0.42, 0.60), "violet": (0.42, 0.30, 0.62)}


class StainedCells:
    """Stained cells, ill where they are larger. At site A violet means ill; at site B it means healthy.

    The size of the cells tells the class at both sites, the colour as often as the settings say. A model trained at site
    A alone that looks at colour is right there and wrong at site B; measured on both together it may look like a coin.
    Patients are dealt evenly over sites and classes.

    Args:
        size: Pixels along both axes.
        told_at_a: Share of the patients of site A whose colour says the truth.
        told_at_b: The same at site B; 0 is a lie each time.
        radius: Of a healthy cell, in pixels.
        growth: Radius of an ill cell in that of a healthy one; 1 leaves nothing but the colour.
        number: Cells in a picture.
        noise: Standard deviation of the noise.

    Source: own generator; the confounded colour is that of coloured MNIST, Arjovsky et al. 2019, Invariant risk
    minimisation, section 5.2.

    Example:
        >>> drawn = [StainedCells().draw(Turn(0, index, 8)) for index in range(8)]
        >>> sorted({(each.fields["site"], each.labels["label"], each.fields["colour"]) for each in drawn})
        [('A', 'healthy', 'pink'), ('A', 'ill', 'violet'), ('B', 'healthy', 'violet'), ('B', 'ill', 'pink')]
    """

    def __init__(
        self,
        size: Annotated[list[Annotated[int, Ge(16), Le(2048)]], Len(2, 2)] = [96, 96],  # noqa: B006  read, never changed
        told_at_a: Annotated[float, Ge(0), Le(1)] = 1.0,
        told_at_b: Annotated[float, Ge(0), Le(1)] = 0.0,
        radius: Annotated[float, Ge(1)] = 4.0,
        growth: Annotated[float, Ge(1), Le(3)] = 1.35,
        number: Annotated[int, Ge(1), Le(1000)] = 24,
        noise: Annotated[float, Ge(0)] = 0.03,
    ) -> None:
        self.size, self.told_at_a, self.told_at_b, self.radius = size, told_at_a, told_at_b, radius
        self.growth, self.number, self.noise = growth, number, noise

    @classmethod
    def example(cls) -> StainedCells:
        return cls(size=[32, 32], number=4)

    def draw(self, turn: Turn) -> Drawn:
        place = turn.dealt("site and class", 4)
        site, ill = ("A", "B")[place // 2], bool(place % 2)
        told = turn.rng("colour").random() < (self.told_at_a if site == "A" else self.told_at_b)
        colour = "violet" if ill == told else "pink"
        radius = self.radius * (self.growth if ill else 1.0)
        centres = place_cells(turn.rng("places"), self.number, self.size, min(radius + 1, min(self.size) / 2 - 1))
        sizes = radius * turn.rng("sizes").uniform(0.9, 1.1, self.number)
        x, y = np.meshgrid(np.arange(self.size[0]), np.arange(self.size[1]), indexing="ij", sparse=True)
        share = np.zeros(self.size)
        for (across, down), each in zip(centres, sizes, strict=True):
            share = np.maximum(share, np.clip(each + 0.5 - np.hypot(x - across, y - down), 0, 1))
        share = gaussian_filter(share, 0.5)
        ground, stain = (np.array(each)[:, None, None] for each in (_GROUND, _STAINS[colour]))
        picture = ground * (1 - share) + stain * share
        picture = picture + turn.rng("grain").normal(0, self.noise, picture.shape)
        image = centred(np.clip(picture, 0, 1).astype(np.float32), (0.0005, 0.0005))
        fields = {"site": site, "colour": colour, "radius_pixels": round(radius, 3)}
        return Drawn({"image": image}, labels={"label": "ill" if ill else "healthy"}, fields=fields)
