"""Concordance beside lifelines and scikit-survival: the same cases, interleaved, processor time, equal values.

    python -m venv peers && peers/bin/pip install lifelines scikit-survival
    PYTHONPATH=src peers/bin/python benchmarks/concordance.py [rounds]

The peers pin other versions of what this project uses, so they live in an environment of their own; numpy, scipy and
these two are all that the benchmark needs. A peer that is absent is left out and named.
"""

from __future__ import annotations

import platform
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from importlib import import_module, metadata

import numpy as np

from preceptor.maths.concordance import concordance_statistic, harrell, uno
from preceptor.maths.intervals import Resamples, bootstrap
from preceptor.maths.survival_measures import time_dependent_auc

CASES = (1_000, 10_000)
Timed = dict[str, Callable[[], float]]


def followed(number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Time in whole days, event and risk in hundredths: ties as in a register."""
    generator = np.random.default_rng(number)
    score = generator.normal(size=number)
    whole, left = generator.exponential(np.exp(-score)), generator.uniform(0, 2.5, number)
    days = np.ceil(1000 * np.minimum(whole, left))
    return days, whole <= left, np.round(score + generator.normal(scale=0.7, size=number), 2)


def harrells(days: np.ndarray, event: np.ndarray, risk: np.ndarray) -> Timed:
    found: Timed = {"preceptor": lambda: harrell(days, event, risk)}
    if "lifelines" in PEERS:
        index = import_module("lifelines.utils").concordance_index
        found["lifelines"] = lambda: float(index(days, -risk, event))
    if "scikit-survival" in PEERS:
        censored = import_module("sksurv.metrics").concordance_index_censored
        found["scikit-survival"] = lambda: float(censored(event, days, risk)[0])
    return found


def unos(days: np.ndarray, event: np.ndarray, risk: np.ndarray) -> Timed:
    until = float(np.quantile(days, 0.8))
    found: Timed = {"preceptor": lambda: uno(days, event, risk, until=until)}
    if "scikit-survival" in PEERS:
        weighted = import_module("sksurv.metrics").concordance_index_ipcw
        both = import_module("sksurv.util").Surv.from_arrays(event, days)
        found["scikit-survival"] = lambda: float(weighted(both, both, risk, tau=until)[0])
    return found


def areas(days: np.ndarray, event: np.ndarray, risk: np.ndarray) -> Timed:
    at = float(np.quantile(days, 0.5))
    found: Timed = {"preceptor": lambda: time_dependent_auc(days, event, risk, at)}
    if "scikit-survival" in PEERS:
        dynamic = import_module("sksurv.metrics").cumulative_dynamic_auc
        both = import_module("sksurv.util").Surv.from_arrays(event, days)
        found["scikit-survival"] = lambda: float(dynamic(both, both, risk, [at])[0][0])
    return found


MEASURES = {"Harrell's C": harrells, "Uno's C": unos, "AUC at the median": areas}


def present() -> tuple[str, ...]:
    found = []
    for name in ("lifelines", "scikit-survival"):
        try:
            print(f"{name} {metadata.version(name)}")
            found.append(name)
        except metadata.PackageNotFoundError:
            print(f"{name} is not installed and left out")
    return tuple(found)


def main(rounds: int) -> None:
    print(f"{rounds} rounds, median processor milliseconds; numpy {np.__version__}; {platform.platform()}")
    for measure, contestants in MEASURES.items():
        for number in CASES:
            timed = contestants(*followed(number))
            spent: dict[str, list[float]] = {name: [] for name in timed}
            values = {name: run() for name, run in timed.items()}  # warms up too
            for _ in range(rounds):
                for name, run in timed.items():
                    began = time.process_time()
                    run()
                    spent[name].append(time.process_time() - began)
            ours = spent["preceptor"]
            for name, seconds in spent.items():
                ratio = statistics.median(b / a for a, b in zip(ours, seconds, strict=True))
                print(
                    f"{measure:18} {number:6d} cases  {name:16} {1000 * statistics.median(seconds):9.2f} ms  "
                    f"{ratio:7.1f}x  {values[name]:.9f}"
                )
    for number in CASES:
        days, event, risk = followed(number)
        began = time.process_time()
        resamples = Resamples.of(np.arange(number), 2000)
        interval = bootstrap(concordance_statistic(days, event, risk, resamples), resamples, False).interval()
        spent_s = time.process_time() - began
        assert interval is not None
        print(
            f"interval of 2000 resamples, {number} cases: {spent_s:.2f} s  [{interval.lower:.4f}, {interval.upper:.4f}]"
        )


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    PEERS = present()
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
