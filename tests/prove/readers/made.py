"""A reader study made of numbers: predictions, an allocation, and what readers answer to it."""

from __future__ import annotations

import numpy as np
import pandas

from preceptor.core.evidence import Predictions
from preceptor.maths.simulated_readers import SimulatedReader

from ..answered import binary

READERS = ("R1", "R2", "R3", "R4")


def predictions(cases: int = 120, skill: float = 2.2, seed: int = 0, images: int = 1) -> Predictions:
    """Cases a third of which are positive; `images` cases of each patient."""
    rng = np.random.default_rng(seed)
    truth = np.repeat((np.arange(cases // images) % 3 == 0).astype(int), images)
    probability = 1 / (1 + np.exp(-2 * (skill * (truth - 0.5) + rng.normal(size=len(truth)))))
    return binary(truth, probability, patients=np.repeat(np.arange(cases // images), images))


def answers(
    allocation: pandas.DataFrame, of: Predictions, reader: SimulatedReader | dict[str, SimulatedReader], seed: int = 1
) -> pandas.DataFrame:
    """The tidy table of what readers answer."""
    rng = np.random.default_rng(seed)
    keys = of.table["key"].tolist()
    truth = dict(zip(keys, of.truth_index().tolist(), strict=True))
    hard = dict(zip(keys, rng.normal(size=len(keys)), strict=True))
    tables = []
    for (code, _), rows in allocation.groupby(["reader", "session"], sort=False):
        one = reader[code] if isinstance(reader, dict) else reader
        known = np.array([truth[key] for key in rows["key"]]), np.array([hard[key] for key in rows["key"]])
        rating, said, seconds = one.read(*known, rows["advice_score"].to_numpy(dtype=float), rng)
        date = pandas.Timestamp("2026-01-05") + pandas.to_timedelta(rows["day"], unit="D")
        table = rows[["reader", "key", "arm", "session"]].assign(date=date, score=rating, seconds=seconds)
        tables.append(table.assign(finding=np.where(said == 1, "present", "absent")))
    return pandas.concat(tables, ignore_index=True)
