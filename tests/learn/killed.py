"""Trains in a process of its own that is killed at random moments, until it ends by itself."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from preceptor.core.cohort import Cohort
from preceptor.learn import checkpoint

from .training import same, tiny_cohort, tiny_recipe, train

ROOT = Path(__file__).parents[2]
METHODS = ["ema", {"early_stopping": {"patience": 50}}]


def recipe(epochs: int = 12):
    """Slow enough to be killed in the middle, with workers and methods that keep state."""
    return tiny_recipe(
        methods=METHODS, train={"epochs": epochs, "batch_size": 2, "workers": 1, "checkpoint_every_minutes": 0.0}
    )


def campaign(folder: Path, kills: int, seed: int, say=lambda text: None) -> tuple[int, int]:
    """Kill trainings until `kills` have hit, starting anew whenever one ends.

    Returns:
        ``(kills, trainings)``; every training ended with the weights of the unbroken one.

    Raises:
        AssertionError: One did not.
    """
    cohort = tiny_cohort(folder / "data")
    cohort.write(folder / "cohort.parquet")
    # In a process like the others: another number of threads adds up in another order.
    assert _start(folder, folder / "unbroken").wait() == 0
    unbroken = checkpoint.load(folder / "unbroken" / "fits" / "0", say)["network"]
    rng, hits, trainings = random.Random(seed), 0, 0
    while hits < kills:
        trainings += 1
        place = folder / f"broken-{trainings}"
        here = 0
        while True:
            before = _written(place)
            process = _start(folder, place)
            spared = here >= 5 or hits >= kills  # the last one of a training, so that every training ends
            if not spared and rng.random() < 0.9:  # the rest may die while they start
                _wait_for_a_checkpoint(process, place, before)
            try:
                process.wait(timeout=None if spared else rng.uniform(0.0, 0.8))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                hits, here = hits + 1, here + 1
                continue
            assert process.returncode == 0, process.stderr.read()[-2000:]
            break
        resumed = checkpoint.load(place / "fits" / "0", say)["network"]
        assert same(unbroken, resumed), f"training {trainings}: other weights after {here} kills"
        say(f"training {trainings}: {here} kills, weights equal bit for bit ({hits} of {kills})")
    return hits, trainings


def _written(place: Path) -> list[int]:
    return sorted(path.stat().st_mtime_ns for path in place.glob("fits/0/last-*.json"))


def _wait_for_a_checkpoint(process: subprocess.Popen, place: Path, before: list[int]) -> None:
    """Until the process has learnt something: starting takes longer than training here."""
    while process.poll() is None and _written(place) == before:
        time.sleep(0.01)


def _start(folder: Path, place: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.learn.killed", str(folder / "cohort.parquet"), str(place)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


if __name__ == "__main__":
    train(Path(sys.argv[2]), recipe(), Cohort.read(Path(sys.argv[1])))
