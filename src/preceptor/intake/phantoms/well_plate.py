"""Wells of a plate over time, in which cells grow at a known rate."""

from __future__ import annotations

import json
import math
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Gt, Le, Len, Lt, MinLen

from preceptor.core.drawn import Drawn, Turn, centred
from preceptor.core.errors import RecipeError
from preceptor.core.image import Image
from preceptor.maths.phantom_plate import cell_places, cover, logistic_growth

#: Grey values: beside the well, its bottom, a cell.
_BESIDE, _BOTTOM, _CELL = 0.08, 0.35, 0.75

#: Of the well, as a share of the picture's shorter side.
_WELL = 0.47

#: Of the well's room: how many cells are seeded.
_SEEDED = (0.06, 0.12)


class WellPlate:
    """Wells of culture plates, seen several times, in which cells grow at a known rate.

    A case is a well; the wells of one plate are one patient, so that a split keeps them together. Cells fill the well by
    ``N(t) = K / (1 + (K / N0 - 1) exp(-r t))``, K being what there is room for, and the area they cover is exactly N cells,
    one of which is still growing. The rate of a well is

        ``r = rate_per_day * (1 - effect * treated) * (1 - edge_effect * at the edge) * exp(spread * x + plate_spread * p)``

    with x normal for each well and p normal for each plate. Wells at the edge dry out and grow slower: where the treated
    ones do not lie at the edge, as with the layout ``edges``, the edge effect passes for one of the treatment, or hides it.

    Args:
        rows, columns: Of a plate.
        size: Pixels along both axes.
        hours: When the wells are seen.
        show: ``hours`` is a view for each (``hour_00`` …); ``film`` is one view over time, hours evenly spaced.
        rate_per_day: Of untreated wells inside the plate.
        effect: What the treatment takes off the rate, as a share.
        edge_effect: What the edge takes off, as a share.
        spread: Standard deviation of the log rate from well to well.
        plate_spread: From plate to plate.
        layout: ``shuffled`` treats half of each plate's wells at random; ``edges`` treats those inside and leaves the edge
            to the controls.
        cell_radius: In pixels.
        noise: Standard deviation of the noise.

    Raises:
        RecipeError: Hours of a film are not evenly spaced, or a well has no room for ten cells.

    Source: own generator; growth Verhulst 1838; edge effect Lundholt et al. 2003, Journal of Biomolecular Screening 8.

    Example:
        >>> drawn = WellPlate().draw(Turn(seed=0, index=0, cases=24))
        >>> drawn.fields["well"], drawn.fields["position"], list(drawn.images)[:2]
        ('A1', 'edge', ['hour_00', 'hour_12'])
    """

    def __init__(
        self,
        rows: Annotated[int, Ge(1), Le(16)] = 4,
        columns: Annotated[int, Ge(1), Le(24)] = 6,
        size: Annotated[list[Annotated[int, Ge(16), Le(512)]], Len(2, 2)] = [96, 96],  # noqa: B006  read, never changed
        hours: Annotated[list[Annotated[float, Ge(0)]], MinLen(2)] = [0, 12, 24, 36, 48],  # noqa: B006
        show: Literal["hours", "film"] = "hours",
        rate_per_day: Annotated[float, Gt(0), Le(10)] = 1.2,
        effect: Annotated[float, Ge(0), Le(1)] = 0.4,
        edge_effect: Annotated[float, Ge(0), Lt(1)] = 0.0,
        spread: Annotated[float, Ge(0), Le(1)] = 0.1,
        plate_spread: Annotated[float, Ge(0), Le(1)] = 0.05,
        layout: Literal["shuffled", "edges"] = "shuffled",
        cell_radius: Annotated[float, Ge(1)] = 2.6,
        noise: Annotated[float, Ge(0)] = 0.03,
    ) -> None:
        self.rows, self.columns, self.size, self.hours, self.show = rows, columns, size, hours, show
        self.rate_per_day, self.effect, self.edge_effect = rate_per_day, effect, edge_effect
        self.spread, self.plate_spread, self.layout = spread, plate_spread, layout
        self.cell_radius, self.noise = cell_radius, noise
        if show == "film" and not np.allclose(np.diff(hours), hours[1] - hours[0]):
            raise RecipeError(
                "the hours of a film are not evenly spaced",
                expected="hours such as [0, 12, 24, 36]",
                remedy="space them evenly, or take show: hours",
                code="uneven_hours",
            )

    @classmethod
    def example(cls) -> WellPlate:
        return cls(rows=2, columns=2, size=[24, 20], hours=[0, 24], cell_radius=1.2)

    def draw(self, turn: Turn) -> Drawn:
        plate, well = divmod(turn.index, self.rows * self.columns)
        row, column = divmod(well, self.columns)
        at_edge = row in (0, self.rows - 1) or column in (0, self.columns - 1)
        treated = self._treated(turn.of("layout", plate), well, at_edge)
        rate = self.rate_per_day * (1 - self.effect * treated) * (1 - self.edge_effect * at_edge)
        rate *= math.exp(self.spread * turn.rng("well").normal() + self.plate_spread * turn.of("plate", plate).normal())
        radius = _WELL * min(self.size)
        places = cell_places(turn.rng("cells"), self.size, radius, self.cell_radius)
        capacity = len(places)
        if capacity < 10:
            raise RecipeError(
                f"a well has room for {capacity} cells",
                expected="ten at least",
                remedy="take a larger size or a smaller cell_radius",
                code="phantom_room",
            )
        start = capacity * turn.rng("seeding").uniform(*_SEEDED)
        numbers = logistic_growth(start, capacity, rate, np.asarray(self.hours, float) / 24)
        shares, index = cover(places, numbers.tolist(), self.size, self.cell_radius)
        shown = np.stack(
            [self._seen(turn, share, radius, hour) for share, hour in zip(shares, self.hours, strict=True)]
        )
        labels = {"growth_rate_per_day": round(rate, 6), "treatment": "treated" if treated else "control"}
        fields = {
            "plate": f"plate{plate:03}",
            "well": f"{chr(65 + row)}{column + 1}",
            "row": row + 1,
            "column": column + 1,
            "position": "edge" if at_edge else "inner",
            "doubling_hours": round(24 * math.log(2) / rate, 4) if rate else None,
            "capacity": capacity,
            "cells": json.dumps([round(float(each), 6) for each in numbers]),
        }
        images, masks = self._views(shown, index)
        return Drawn(images, masks, labels, fields, patient=f"plate{plate:03}")

    def _treated(self, rng: np.random.Generator, well: int, at_edge: bool) -> bool:
        if self.layout == "edges":
            return not at_edge
        wells = self.rows * self.columns
        return bool(rng.permutation(np.arange(wells) % 2)[well])

    def _seen(self, turn: Turn, share: np.ndarray, radius: float, hour: float) -> np.ndarray:
        """``(x, y)`` a well under the microscope."""
        x, y = (np.arange(count) - (count - 1) / 2 for count in self.size)
        well = np.clip(0.5 + radius + 1 - np.hypot(x[:, None], y[None]), 0, 1)
        grey = _BESIDE + (_BOTTOM - _BESIDE) * well + (_CELL - _BOTTOM) * share
        return (grey + turn.rng(f"grain {hour:g}").normal(0, self.noise, grey.shape)).astype(np.float32)

    def _views(self, shown: np.ndarray, index: np.ndarray) -> tuple[dict[str, Image], dict[str, Image]]:
        if self.show == "film":
            step_s = 3600 * (self.hours[1] - self.hours[0])
            film = centred(shown, (1.0, 1.0), time_step_s=step_s)
            return {"film": film}, {"cells": centred(index, (1.0, 1.0), is_label=True, time_step_s=step_s)}
        names = [f"hour_{hour:02g}" for hour in self.hours]
        images = {name: centred(each, (1.0, 1.0)) for name, each in zip(names, shown, strict=True)}
        masks = {name: centred(each, (1.0, 1.0), is_label=True) for name, each in zip(names, index, strict=True)}
        return images, masks
