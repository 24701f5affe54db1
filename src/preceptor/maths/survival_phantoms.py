"""Follow-up with a known hazard, and what no model can rank better.

A case has the constant hazard ``base * exp(log_hazard)``, so that its time to the event is exponential.
"""

from __future__ import annotations

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import expit


def draw_follow_up(
    rng: np.random.Generator, hazard: np.ndarray, censored_from: float = np.inf
) -> tuple[np.ndarray, np.ndarray]:
    """Follow-up of cases that are lost from sight at a time uniform over 0 to `censored_from`.

    Args:
        rng: Draws.
        hazard: ``(case,)`` constant hazards, per unit of time.
        censored_from: Nobody is followed longer; infinite for no censoring at all.

    Returns:
        ``(case,)`` times of follow-up, and whether it ended with the event.
    """
    hazard = np.asarray(hazard, dtype=float)
    whole = rng.exponential(1.0, hazard.shape) / hazard
    lost = rng.uniform(0.0, 1.0, hazard.shape) * censored_from if np.isfinite(censored_from) else np.inf
    return np.minimum(whole, lost), whole <= lost


def censoring_until(hazard: np.ndarray, censored: float) -> float:
    """The longest follow-up for which a given share of cases is expected to be censored.

    Lost at a time uniform over 0 to c, a case of hazard h is censored with the chance ``(1 - exp(-h c)) / (h c)``; its
    mean over the cases falls from 1 to 0 as c grows.

    Args:
        hazard: ``(case,)``.
        censored: The share, from 0 (nobody: infinite) to less than 1.
    """
    if censored <= 0:
        return float("inf")
    hazard = np.asarray(hazard, dtype=float)

    def excess(log_until: float) -> float:
        product = hazard * np.exp(log_until)
        return float(np.mean(-np.expm1(-product) / product)) - censored

    middle = -float(np.log(np.median(hazard)))
    return float(np.exp(brentq(excess, middle - 30, middle + 30)))


def expected_concordance(effect: float) -> float:
    """Concordance of a standard normal x whose hazard ratio per unit is ``exp(effect)``, without censoring.

    Of two cases the one with the higher hazard comes first with the chance ``1 / (1 + exp(-|effect (x1 - x2)|))``: the
    mean of that over pairs. Harrell's C of censored data is another number, for it counts early pairs more.

    Args:
        effect: Log hazard ratio per standard deviation.
    """
    scale = abs(effect) * np.sqrt(2.0)
    density = 1 / np.sqrt(2 * np.pi)
    return float(2 * quad(lambda z: density * np.exp(-z * z / 2) * expit(scale * z), 0, np.inf, epsabs=1e-12)[0])


def concordance_among(log_hazard: np.ndarray) -> float:
    """The same mean over all pairs of such cases, each case with itself included (a tie, one half).

    Args:
        log_hazard: ``(case,)``.
    """
    log_hazard = np.asarray(log_hazard, dtype=float)
    return float(np.mean([expit(np.abs(each - log_hazard)).mean() for each in log_hazard]))
