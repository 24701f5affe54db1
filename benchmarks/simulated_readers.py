"""Four simulated readers against a model: allocated, answered with and without advice, analysed.

python -m benchmarks.simulated_readers [FOLDER]

No person and no patient: cases, readers and model are drawn from normal distributions whose parameters stand below, so
that what the analysis finds can be held against what was put in. With a folder, the tables are written there as the
command line takes them.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pandas

from preceptor.core.evidence import Predictions, Question
from preceptor.maths.simulated_readers import SimulatedReader
from preceptor.prove.readers.allocation import allocate
from preceptor.prove.readers.analysis import analyse
from preceptor.prove.readers.answers import read_answers

READERS = {
    "R1": SimulatedReader(skill=1.9, strictness=0.1, reliance=0.5, seconds=45, haste=0.10),
    "R2": SimulatedReader(skill=1.5, strictness=-0.2, reliance=0.9, seconds=35, haste=0.15),
    "R3": SimulatedReader(skill=1.3, strictness=0.3, reliance=1.3, seconds=30, haste=0.20),
    "R4": SimulatedReader(skill=1.7, strictness=0.0, reliance=0.3, seconds=60, haste=-0.05),
}
CASES, POSITIVE, MODEL_SKILL = 240, 80, 2.1


def made_up(seed: int = 7) -> tuple[Predictions, np.ndarray]:
    """The model's predictions of made-up cases, and the difficulty that model and readers share in part."""
    rng = np.random.default_rng(seed)
    truth = np.repeat([1, 0], (POSITIVE, CASES - POSITIVE))
    difficulty = rng.normal(size=CASES)
    seen = MODEL_SKILL * (truth - 0.5) + 0.5 * difficulty + np.sqrt(0.75) * rng.normal(size=CASES)
    probability = 1 / (1 + np.exp(-MODEL_SKILL * seen))
    keys = [f"case-{index:03d}" for index in range(CASES)]
    table = pandas.DataFrame({"key": keys, "patient": keys, "cluster": keys, "role": "test", "fit": "0"})
    names = ("absent", "present")
    table = table.assign(
        truth=[names[each] for each in truth],
        answer=[names[int(each >= 0.5)] for each in probability],
        probability_absent=1 - probability,
        probability_present=probability,
        accepted=True,
    )
    return Predictions(table, Question("classification", "lesion", names), Path()), difficulty


def answered(allocation: pandas.DataFrame, predictions: Predictions, difficulty: np.ndarray, seed: int = 8):
    """What the readers answer to an allocation, as the tidy table they would hand in."""
    truth = dict(zip(predictions.table["key"], predictions.truth_index(), strict=True))
    hard = dict(zip(predictions.table["key"], difficulty, strict=True))
    rng = np.random.default_rng(seed)
    sheets = []
    for (reader, _), rows in allocation.groupby(["reader", "session"], sort=False):
        keys = rows["key"].to_numpy()
        rating, said, seconds = READERS[reader].read(
            np.array([truth[key] for key in keys]),
            np.array([hard[key] for key in keys]),
            rows["advice_score"].to_numpy(dtype=float),
            rng,
        )
        date = pandas.Timestamp("2026-01-05") + pandas.to_timedelta(rows["day"], unit="D")
        sheets.append(
            rows[["reader", "key", "arm", "session"]].assign(
                date=date.dt.strftime("%Y-%m-%d"),
                score=rating,
                finding=np.where(said == 1, "present", "absent"),
                seconds=seconds,
            )
        )
    return pandas.concat(sheets, ignore_index=True)


def main(folder: Path | None = None) -> None:
    predictions, difficulty = made_up()
    allocation = allocate(predictions, list(READERS), washout_days=28, planted_wrong=0.1, seed=1)
    answers = answered(allocation, predictions, difficulty)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        predictions.table.to_csv(folder / "predictions.csv", index=False)
        answers.to_csv(folder / "answers.csv", index=False)
        allocation.to_csv(folder / "allocation.csv", index=False)
        answers = read_answers(folder / "answers.csv")
    else:
        answers["date"] = pandas.to_datetime(answers["date"])
    began = time.perf_counter()
    found = analyse(answers, predictions, allocation=allocation, washout_days=28)
    print(f"{len(answers)} readings of {len(READERS)} readers, analysed in {time.perf_counter() - began:.1f} s\n")
    for name, finding in found.items():
        _tell(name, finding)
        for part, each in finding.parts.items():
            _tell(f"  {part}", each)


def _tell(name, finding) -> None:
    interval = "" if finding.interval is None else f"  {finding.interval[0]:+.3f} to {finding.interval[1]:+.3f}"
    print(f"{name:34}{finding.value:+8.3f}{interval}")
    for note in finding.notes if not name.startswith(" ") else ():
        print(f"{'':4}{note}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
