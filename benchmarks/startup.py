"""How long a command takes to say something: processor and wall time of fresh processes, in interleaved rounds.

    python benchmarks/startup.py [rounds]

Each round starts every command once, so that a busy moment of the machine touches all alike. Printed are medians, and
the ratio of each to `preceptor --help`. Peers that are not installed are named and left out.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time
from importlib.util import find_spec

OURS = {
    "python -c pass": ["-c", "pass"],
    "import preceptor": ["-c", "import preceptor"],
    "preceptor --help": ["-m", "preceptor", "--help"],
    "preceptor run --help": ["-m", "preceptor", "run", "--help"],
    "preceptor list networks": ["-m", "preceptor", "list", "networks"],
    "preceptor rnu (a typing error)": ["-m", "preceptor", "rnu"],
}
#: Module that must be there: what starting that peer costs at the least.
PEERS = {
    "torch": ["-c", "import torch"],
    "lightning_fabric": ["-c", "import lightning_fabric"],
    "monai": ["-c", "import monai"],
    "torchio": ["-c", "import torchio"],
    "nnunetv2": ["-m", "nnunetv2.run.run_training", "--help"],
}


def measured(arguments: list[str]) -> tuple[float, float]:
    """Processor and wall seconds of one fresh process."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def main(rounds: int) -> None:
    there = {f"import {name}" if "-c" in each else name: each for name, each in PEERS.items() if find_spec(name)}
    commands = OURS | there
    for each in commands.values():
        measured(each)  # once for the disk's cache
    seconds = {name: [] for name in commands}
    for _ in range(rounds):
        for name, each in commands.items():
            seconds[name].append(measured(each))
    medians = {
        name: tuple(statistics.median(part) for part in zip(*times, strict=True)) for name, times in seconds.items()
    }
    unit = medians["preceptor --help"]
    print(f"{rounds} rounds, medians; processor s, wall s, and the ratio of processor time to `preceptor --help`")
    for name, (processor, wall) in medians.items():
        print(f"{name:32} {processor:6.2f} {wall:6.2f} {processor / unit[0]:7.1f}")
    missing = [name for name in PEERS if not find_spec(name)]
    if missing:
        print(f"not installed here: {', '.join(missing)}")
    worst = max(medians[name][1] for name in ("import preceptor", "preceptor --help"))
    print(f"asked: help and import under 0.3 s: {'met' if worst < 0.3 else 'MISSED'} ({worst:.2f} s)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
