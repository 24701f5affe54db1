"""Bootstrap intervals beside a loop over scikit-learn: the same number of resamples, interleaved, processor time.

    python benchmarks/bootstrap.py [rounds]

Each round measures every setting once with both. Ours counts everything from the cases to the interval: drawing,
the statistic in every resample, the quantiles. The loop is the one that papers' code holds: draw, index, call.
"""

from __future__ import annotations

import platform
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from preceptor.maths.intervals import Resamples, bootstrap
from preceptor.maths.roc import auroc_statistic, average_precision_statistic

RESAMPLES = 2000
ASKED = 40

#: Name, cases, patients, measure.
SETTINGS = (
    ("AUROC, 300 cases", 300, 300, "auroc"),
    ("AUROC, 1000 cases", 1000, 1000, "auroc"),
    ("AUROC, 1000 cases of 250 patients", 1000, 250, "auroc"),
    ("AUROC, 3000 cases of 1000 patients", 3000, 1000, "auroc"),
    ("average precision, 1000 cases of 250 patients", 1000, 250, "average_precision"),
)
OURS = {"auroc": auroc_statistic, "average_precision": average_precision_statistic}
THEIRS = {"auroc": roc_auc_score, "average_precision": average_precision_score}


def cases(number: int, patients: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, score and patient of each case; scores of a patient resemble one another."""
    generator = np.random.default_rng(number)
    patient = np.arange(number) % patients
    truth = generator.integers(0, 2, patients)[patient]
    score = truth + generator.normal(size=patients)[patient] + generator.normal(size=number)
    return truth, score, patient


def ours(truth: np.ndarray, score: np.ndarray, patient: np.ndarray, measure: str) -> tuple[float, float]:
    resamples = Resamples.of(patient, RESAMPLES)
    found = bootstrap(OURS[measure](truth, score, resamples), resamples, accelerated=False)
    return found.interval(0.95)[:2]


def loop(truth: np.ndarray, score: np.ndarray, patient: np.ndarray, measure: str) -> tuple[float, float]:
    generator, reference = np.random.default_rng(0), THEIRS[measure]
    clustered = len(np.unique(patient)) < len(patient)
    members = [np.flatnonzero(patient == each) for each in np.unique(patient)]
    values = []
    for _ in range(RESAMPLES):
        drawn = generator.integers(0, len(members), len(members))
        rows = np.concatenate([members[each] for each in drawn]) if clustered else drawn
        values.append(reference(truth[rows], score[rows]))
    return tuple(np.quantile(values, [0.025, 0.975]))


def seconds(function: Callable[..., object], *given: object) -> tuple[float, object]:
    began = time.process_time()
    made = function(*given)
    return time.process_time() - began, made


def main(rounds: int) -> None:
    print(f"{RESAMPLES} resamples, {rounds} rounds, median processor seconds; {platform.platform()}")
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name, *_ in SETTINGS}
    intervals = {}
    for _ in range(rounds):
        for name, number, patients, measure in SETTINGS:
            given = (*cases(number, patients), measure)
            mine, found = seconds(ours, *given)
            theirs, expected = seconds(loop, *given)
            spent[name].append((mine, theirs))
            intervals[name] = (found, expected)
    worst = np.inf
    for name, times in spent.items():
        mine, theirs = (statistics.median(column) for column in zip(*times, strict=True))
        ratio = statistics.median(b / a for a, b in times)
        worst = min(worst, ratio)
        (low, high), (their_low, their_high) = intervals[name]
        said = f"[{low:.3f}, {high:.3f}] and [{their_low:.3f}, {their_high:.3f}]"
        print(f"{name:48} {mine:7.4f} {theirs:7.2f}  {ratio:6.0f}x   {said}")
    print(f"asked: {ASKED}x everywhere: {'met' if worst >= ASKED else 'MISSED'} (lowest {worst:.0f}x)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
