"""How near made-up records lie to the real ones they were learnt from, beside real ones they were not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

#: Distances held at once.
_BLOCK = 2**22


class Nearness(NamedTuple):
    """Whether made-up records keep nearer to those they were learnt from than to others.

    Args:
        share: Of the made-up records, those whose nearest training record is nearer than the nearest held-out one; ties
            count half. 0.5 where nothing was learnt by heart.
        p_value: Share of regroupings of the real records in which as many or more are nearer.
        membership_auroc: How well the distance to the nearest made-up record tells training records from held-out ones.
        training, holdout: Median distance to the nearest record of either.
    """

    share: float
    p_value: float
    membership_auroc: float
    training: float
    holdout: float


@dataclass(frozen=True, eq=False)
class Records:
    """Rows of a table, ready to be compared.

    Args:
        numbers: ``(row, column)`` in units in which 1 is as far apart as values get, NaN where missing.
        codes: ``(row, column)`` categories, -1 where missing.
    """

    numbers: np.ndarray
    codes: np.ndarray

    def __len__(self) -> int:
        return len(self.numbers)

    def only(self, rows: np.ndarray) -> Records:
        """Some of the rows."""
        return Records(self.numbers[rows], self.codes[rows])


def gower_distances(one: Records, two: Records) -> np.ndarray:
    """Mean difference over columns: of numbers at most 1, of categories 0 or 1; known beside missing counts 1.

    Returns:
        ``(row of one, row of two)`` float32 in 0..1.

    Source: Gower 1971, Biometrics 27.
    """
    columns = one.numbers.shape[1] + one.codes.shape[1]
    found = np.empty((len(one), len(two)), np.float32)
    width = max(1, _BLOCK // max(len(two) * columns, 1))
    for start in range(0, len(one), width):
        rows = slice(start, start + width)
        apart = np.minimum(np.abs(one.numbers[rows, None] - two.numbers[None]), 1)
        gaps = np.isnan(one.numbers[rows, None]).astype(float) - np.isnan(two.numbers[None])
        total = np.where(np.isnan(apart), np.abs(gaps), apart).sum(axis=2)
        total += (one.codes[rows, None] != two.codes[None]).sum(axis=2)
        found[rows] = total / max(columns, 1)
    return found


def nearness(made: Records, training: Records, holdout: Records, seed: int = 0, regroupings: int = 2000) -> Nearness:
    """Compare made-up records with those they were learnt from and with as many others.

    Real records are dealt anew into two groups of the same sizes, many times: how often the made-up ones then lie as near
    to the first group tells whether the share that was found is chance. It says nothing of what can be inferred about a
    person by other means: a share of one half is needed, and no proof of privacy.

    Args:
        made: Made-up records.
        training: Real ones that the generator was fitted on.
        holdout: Real ones that it never saw; as many are drawn from the larger of the two as the smaller has.
        seed: Of those draws.
        regroupings: How many.

    Raises:
        ValueError: One of the three is empty.

    Source: Platzer and Reutterer 2021, Frontiers in Big Data 4 (share nearer to training); Yao et al. 2025, The DCR
    delusion (what such distances don't show).
    """
    from .roc import auroc

    if not len(made) or not len(training) or not len(holdout):
        raise ValueError("made-up, training and held-out records are needed")
    rng = np.random.default_rng(seed)
    size = min(len(training), len(holdout))
    training, holdout = (each.only(rng.permutation(len(each))[:size]) for each in (training, holdout))
    far = np.hstack([gower_distances(made, training), gower_distances(made, holdout)])
    real = np.arange(2 * size) < size
    # Whose record is nearest of all decides which group is nearer, so regrouping needs no distances.
    row, record = np.nonzero(far == far.min(axis=1, keepdims=True))

    def share(first: np.ndarray) -> float:
        one, two = (np.bincount(row, group[record], len(far)) > 0 for group in (first, ~first))
        return float(np.mean(one * (1 - 0.5 * two)))

    found = share(real)
    regrouped = np.array([share(rng.permutation(real)) for _ in range(regroupings)])
    return Nearness(
        found,
        float((1 + (regrouped >= found).sum()) / (1 + regroupings)),
        auroc(real.astype(int), -far.min(axis=0)),
        float(np.median(far[:, :size].min(axis=1))),
        float(np.median(far[:, size:].min(axis=1))),
    )
