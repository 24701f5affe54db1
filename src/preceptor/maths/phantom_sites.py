"""Two sites with a confounded label: how well a score separates within a site, and how well it seems to when pooled."""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import norm


def expected_aurocs(effect: float, site_shift: float, confounding: float) -> tuple[float, float]:
    """The area under the curve within a site, and over both sites pooled.

    Two sites of equal size; the share of positives is `confounding` at site B and one less that at site A. A score is
    normal with unit variance around ``effect`` for positives plus ``site_shift`` at site B.

    Args:
        effect: What the label adds to the score, in standard deviations.
        site_shift: What site B adds.
        confounding: Share of positives at site B, 0 to 1.

    Returns:
        Within and pooled. Within is Φ(d/√2); pooled is the mean of Φ((d + k(s⁺ - s⁻))/√2) over the sites s⁺ of the
        positive and s⁻ of the negative, weighted by how often they occur.
    """
    within = float(norm.cdf(effect / math.sqrt(2)))
    pooled = 0.0
    for site_of_positive, share_of_positives in ((1, confounding), (0, 1 - confounding)):
        for site_of_negative, share_of_negatives in ((1, 1 - confounding), (0, confounding)):
            gap = effect + site_shift * (site_of_positive - site_of_negative)
            pooled += share_of_positives * share_of_negatives * float(norm.cdf(gap / math.sqrt(2)))
    return within, pooled


def disc_with_score(
    rng: np.random.Generator, size: tuple[int, int], score: float, step: float = 0.04, noise: float = 0.02
) -> tuple[np.ndarray, np.ndarray]:
    """A disc whose mean grey value says a score exactly, whatever the noise around it.

    Args:
        rng: Draws the noise.
        size: Pixels along both axes.
        score: In standard deviations.
        step: Grey value of one standard deviation; the disc's mean is ``0.5 + step · score``.
        noise: Standard deviation of the pixels; inside the disc its mean is taken out.

    Returns:
        The picture ``(x, y)`` and the disc ``(x, y)`` uint8.
    """
    x, y = (2 * (np.arange(each) + 0.5) / each - 1 for each in size)
    disc = (x[:, None] ** 2 + y[None] ** 2 <= 0.6**2).astype(np.uint8)
    grain = rng.normal(0, noise, size)
    inside = disc > 0
    grain[inside] -= grain[inside].mean()
    return np.where(inside, 0.5 + step * score, 0.15) + grain, disc
