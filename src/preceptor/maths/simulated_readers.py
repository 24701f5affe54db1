"""Readers made of numbers: to plan a study, and to test what analyses it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class SimulatedReader:
    """One who sees cases through noise, and trusts advice to a degree.

    Args:
        skill: How far apart positive and negative cases lie for him, in standard deviations of what he sees.
        strictness: What he sees must exceed half his skill by this to be called a finding.
        noise: Standard deviation of what is his alone, anew at every look; the rest is the case's own difficulty,
            which all readers share, so that the whole is 1.
        reliance: By how many standard deviations sure advice moves him: 0 for one who does not look at it.
        seconds: Typical time of a case.
        haste: Share of the time that advice saves him (negative where it costs time).
    """

    skill: float = 1.5
    strictness: float = 0.0
    noise: float = 0.7
    reliance: float = 1.0
    seconds: float = 40.0
    haste: float = 0.1

    def read(
        self, truth: np.ndarray, difficulty: np.ndarray, advice: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Read cases once.

        Args:
            truth: ``(case,)`` 1 or 0.
            difficulty: ``(case,)`` standard normal, the same for all readers and looks.
            advice: ``(case,)`` the probability shown; NaN where none is.
            rng: For what is his alone.

        Returns:
            Ratings 0 to 100, findings 1 or 0, seconds: ``(case,)`` each.

        Source: Roe & Metz 1997 (latent normal ratings with reader, case and their products), with a term for advice.
        """
        share = np.sqrt(max(1 - self.noise**2, 0.0))
        seen = self.skill * (truth - 0.5) + share * difficulty + self.noise * rng.normal(size=len(truth))
        shown = np.isfinite(advice)
        seen = seen + self.reliance * np.where(shown, 2 * np.nan_to_num(advice) - 1, 0.0)
        rating = np.round(100 / (1 + np.exp(-1.7 * seen)))
        pace = self.seconds * np.where(shown, 1 - self.haste, 1.0)
        seconds = np.round(pace * np.exp(0.35 * rng.normal(size=len(truth))), 1)
        return rating, (seen > self.strictness).astype(float), seconds
