"""Two MR contrasts of one head, one of them changed at the second scanner."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le, Len

from preceptor.core.drawn import Drawn, Turn, centred
from preceptor.maths.phantom_partial_volume import lesion_share
from preceptor.maths.phantom_scanner import Scanner
from preceptor.maths.phantoms import Anatomy, body, draw_lesions


class Contrasts:
    """A body seen by T1 and T2, with a lesion or without; scanner B's T2 differs, its T1 does not.

    The lesion is dark in T1 and bright in T2. Scanner B brightens T2 unevenly, bends its grey values and adds noise, as
    much as `change` says: a model that leans on T2 falls at scanner B, one that reads T1 stands. Patients are dealt evenly
    over scanners and classes.

    Args:
        size: Voxels along 2 or 3 axes.
        spacing_mm: Along each axis; 2 mm by default.
        change: How much scanner B's T2 differs: 0 not at all, 1 as vendors do.
        contrast: What the lesion adds to T2, and takes from T1 by half of it.
        radius_mm: Shortest and longest half axis of a lesion.

    Source: own generator.

    Example:
        >>> drawn = Contrasts(size=[32, 32]).draw(Turn(0, 0, 4))
        >>> list(drawn.images), sorted(drawn.fields)
        (['t1', 't2'], ['lesion_size', 'scanner'])
    """

    def __init__(
        self,
        size: Annotated[list[Annotated[int, Ge(8), Le(1024)]], Len(2, 3)] = [64, 64, 16],  # noqa: B006  read, never changed
        spacing_mm: Annotated[list[Annotated[float, Gt(0)]], Len(2, 3)] | None = None,
        change: Annotated[float, Ge(0), Le(3)] = 1.0,
        contrast: Annotated[float, Gt(0), Le(0.5)] = 0.3,
        radius_mm: tuple[Annotated[float, Gt(0)], Annotated[float, Gt(0)]] = (4.0, 9.0),
    ) -> None:
        self.size, self.spacing_mm, self.change = size, spacing_mm, change
        self.contrast, self.radius_mm = contrast, radius_mm

    @classmethod
    def example(cls) -> Contrasts:
        return cls(size=[20, 16], radius_mm=(3.0, 4.0))

    def draw(self, turn: Turn) -> Drawn:
        spacing_mm = tuple(self.spacing_mm or [2.0] * len(self.size))
        place = turn.dealt("scanner and class", 4)
        at_b, present = place // 2, place % 2
        extent_mm = [count * step for count, step in zip(self.size, spacing_mm, strict=True)]
        found = draw_lesions(turn.rng("lesion"), present, extent_mm, self.radius_mm, self.contrast)
        share = sum((lesion_share(each, self.size, spacing_mm) for each in found), np.zeros(self.size))
        anatomy = Anatomy.draw(turn.rng("person"))
        changed = Scanner.draw(turn.of("scanner", at_b), self.change * at_b)
        t1 = body(anatomy, self.size) - 0.5 * self.contrast * share
        t2 = body(anatomy, self.size, view=1) + self.contrast * share
        images = {
            "t1": centred(Scanner().scan(t1, turn.rng("grain t1")), spacing_mm),
            "t2": centred(changed.scan(t2, turn.rng("grain t2")), spacing_mm),
        }
        fields = {"scanner": "AB"[at_b], "lesion_size": round(sum(each.size for each in found), 6)}
        masks = {"lesion": centred((share >= 0.5).astype(np.uint8), spacing_mm, is_label=True)}
        return Drawn(images, masks, {"label": ("absent", "present")[present]}, fields)
