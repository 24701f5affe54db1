"""Two sites, a label confounded with them, and a score that says how much is to be seen."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Le, Len

from preceptor.core.drawn import Drawn, Turn, centred
from preceptor.maths.phantom_sites import disc_with_score


class Sites:
    """A disc whose brightness says a score; the score follows the label a little, and the site a little.

    The score is normal with unit variance around ``effect`` for positives, plus ``site_shift`` at site B, where the share
    of positives is ``confounding`` (one less that at site A). The area under its curve is known, within a site and
    pooled over both: `preceptor.maths.phantom_sites.expected_aurocs`. With an effect of 0 every gain is the site's.

    Args:
        size: Pixels along both axes.
        effect: What the label adds to the score, in standard deviations.
        site_shift: What site B adds.
        confounding: Share of positives at site B; 0.5 is none.
        noise: Standard deviation of the pixels; the disc's mean is free of it.

    Source: own generator; the binormal areas follow Pepe 2003, The statistical evaluation of medical tests, section 4.4.

    Example:
        >>> sorted(Sites().draw(Turn(0, 0, 4)).fields)
        ['score', 'site']
    """

    def __init__(
        self,
        size: Annotated[list[Annotated[int, Ge(8), Le(1024)]], Len(2, 2)] = [32, 32],  # noqa: B006  read, never changed
        effect: Annotated[float, Ge(0), Le(5)] = 1.0,
        site_shift: Annotated[float, Ge(-5), Le(5)] = 2.0,
        confounding: Annotated[float, Ge(0), Le(1)] = 0.8,
        noise: Annotated[float, Ge(0)] = 0.02,
    ) -> None:
        self.size, self.effect, self.site_shift = size, effect, site_shift
        self.confounding, self.noise = confounding, noise

    @classmethod
    def example(cls) -> Sites:
        return cls(size=[12, 10])

    def draw(self, turn: Turn) -> Drawn:
        at_b = bool(turn.dealt("site", 2))
        positive = bool(turn.rng("label").random() < (self.confounding if at_b else 1 - self.confounding))
        score = self.effect * positive + self.site_shift * at_b + float(turn.rng("score").normal())
        picture, _ = disc_with_score(turn.rng("grain"), (self.size[0], self.size[1]), score, noise=self.noise)
        fields = {"site": "AB"[at_b], "score": round(score, 6)}
        return Drawn(
            {"image": centred(picture.astype(np.float32), (1.0, 1.0))},
            labels={"label": ("negative", "positive")[positive]},
            fields=fields,
        )
