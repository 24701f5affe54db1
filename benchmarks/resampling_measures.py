"""Every measure of a classification with its intervals, 10,000 resamples of 10,000 cases, beside scikit-learn in a loop.

    python benchmarks/resampling_measures.py [rounds]

Ours is the whole evaluator: from the stored predictions to the finding with all its parts, intervals and curves with
their bands. The loop draws, indexes and calls scikit-learn for the same numbers; it is timed over a few resamples and
multiplied, since all of them would take the better part of an hour. Processor time, the two in turn.
"""

from __future__ import annotations

import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas
from sklearn import metrics
from sklearn.linear_model import LogisticRegression

from preceptor.core.cohort import Cohort
from preceptor.core.evidence import Predictions, Question
from preceptor.core.slots import build

CASES = RESAMPLES = 10_000
LOOPED = 12

#: Evaluator, its settings, how many numbers with an interval it finds.
MEASURES: dict[str, dict] = {
    "roc": {},
    "average_precision": {},
    "confusion": {},
    "calibration": {},
    "decision_curve": {"threshold": 0.2},
    "predictive_values": {"prevalences": [0.05]},
}


def predictions() -> Predictions:
    """10,000 patients, one image each, scores that overlap."""
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 2, CASES)
    probability = 1 / (1 + np.exp(-(truth - 0.5 + generator.normal(0, 1, CASES))))
    question = Question("classification", "finding", ("absent", "present"))
    names = np.array(question.classes)
    keys = [f"c{index:05d}" for index in range(CASES)]
    columns = {"truth": names[truth], "answer": names[(probability >= 0.5).astype(int)], "accepted": True}
    columns |= {"probability_absent": 1 - probability, "probability_present": probability}
    table = pandas.DataFrame({"key": keys, "patient": keys, "cluster": keys, "role": "test", "fit": "0", **columns})
    return Predictions(table, question, Path())


def theirs(name: str, truth: np.ndarray, score: np.ndarray) -> None:
    """The same numbers of one resample, by scikit-learn."""
    said = score >= 0.5
    if name == "roc":
        metrics.roc_auc_score(truth, score)
        metrics.roc_curve(truth, score)
    elif name == "average_precision":
        metrics.average_precision_score(truth, score)
        metrics.precision_recall_curve(truth, score)
    elif name in ("confusion", "predictive_values"):
        metrics.balanced_accuracy_score(truth, said)
        metrics.precision_recall_fscore_support(truth, said)
    elif name == "calibration":
        metrics.brier_score_loss(truth, score)
        metrics.log_loss(truth, score)
        np.histogram(score, 10, weights=truth)
        LogisticRegression(C=1e9).fit(np.log(score / (1 - score))[:, None], truth)
    else:  # net benefit at every threshold follows from one ROC curve
        alarms, hits, thresholds = metrics.roc_curve(truth, score)
        grid = np.linspace(0.01, 0.6, 60)
        at = np.searchsorted(-thresholds, -grid, side="right") - 1
        share = truth.mean()
        hits[at] * share - alarms[at] * (1 - share) * grid / (1 - grid)  # noqa: B018


def loop(name: str, truth: np.ndarray, score: np.ndarray) -> float:
    """Processor seconds of all resamples, from those of a few."""
    generator = np.random.default_rng(1)

    def few() -> None:
        for _ in range(LOOPED):
            drawn = generator.integers(0, CASES, CASES)
            theirs(name, truth[drawn], score[drawn])

    return timed(few) * RESAMPLES / LOOPED


def timed(function: Callable[[], object]) -> float:
    began = time.process_time()
    function()
    return time.process_time() - began


def main(rounds: int) -> None:
    given = predictions()
    truth, score = given.truth_index(), given.probabilities()[:, 1]
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in MEASURES}
    for _ in range(rounds):
        for name, settings in MEASURES.items():
            evaluator = build("evaluators", {name: {"resamples": RESAMPLES, **settings}})
            ours = timed(lambda evaluator=evaluator: evaluator(given, Cohort((), Path())))
            taken[name].append((ours, loop(name, truth, score)))
            print(f"{name:20} {ours:7.2f} s {taken[name][-1][1]:9.1f} s", file=sys.stderr, flush=True)
    print(f"{platform.python_version()}, numpy {np.__version__}, median of {rounds} rounds, processor seconds")
    print("| | ours, s | loop over scikit-learn, s | ratio |\n|---|---|---|---|")
    middle = {name: [statistics.median(each) for each in zip(*pairs, strict=True)] for name, pairs in taken.items()}
    for name, (ours, other) in middle.items():
        print(f"| {name} | {ours:.1f} | {other:.0f} | {other / ours:.0f}× |")
    ours, other = (sum(each[at] for each in middle.values()) for at in (0, 1))
    print(f"| all of them | {ours:.1f} | {other:.0f} | {other / ours:.0f}× |")
    print(f"most memory held: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
