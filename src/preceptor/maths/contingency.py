"""How strongly two properties of cases go together."""

from __future__ import annotations

import numpy as np


def cramers_v(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """``(column,)`` Cramér's V of every column of `one` with `two`: 0 independent, 1 the one tells the other.

    Args:
        one: ``(case, column)`` codes from 0.
        two: ``(case,)`` codes from 0.

    Returns:
        NaN where either never varies.

    Source: Cramér 1946, section 21.9.
    """
    cases = len(two)
    rows, columns = int(one.max()) + 1, int(two.max()) + 1
    counts = np.stack([[((one == r) & (two == c)[:, None]).sum(0) for c in range(columns)] for r in range(rows)])
    counts = counts.astype(np.float64)
    expected = counts.sum(1, keepdims=True) * counts.sum(0, keepdims=True) / cases
    gap = np.divide((counts - expected) ** 2, expected, out=np.zeros_like(counts), where=expected > 0)
    smaller = np.minimum((counts.sum(1) > 0).sum(0), (counts.sum(0) > 0).sum(0)) - 1
    chi_square = gap.sum((0, 1))
    share = np.divide(chi_square, cases * smaller, out=np.full(len(chi_square), np.nan), where=smaller > 0)
    return np.sqrt(share)


def standardised_difference(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """``(group,)`` difference of two shares over their mean standard deviation: 0.1 is small, 0.2 noticeable.

    Args:
        found, wanted: ``(group,)`` shares.

    Source: Austin 2009 (doi 10.1002/sim.3697), for a proportion.
    """
    found, wanted = np.asarray(found, dtype=np.float64), np.asarray(wanted, dtype=np.float64)
    spread = np.sqrt((found * (1 - found) + wanted * (1 - wanted)) / 2)
    gap = found - wanted
    return np.divide(gap, spread, out=np.where(gap == 0, 0.0, np.sign(gap) * np.inf), where=spread > 0)
