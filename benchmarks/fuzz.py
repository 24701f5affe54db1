"""Damage files of every kind that is read, a hundred thousand of them, and count what reading them comes to.

    python -m benchmarks.fuzz [FILES] [--minutes 40] [--processes 1] [--state FOLDER]

Each file is made of its number and the seed alone, so a campaign that was stopped goes on where it was, and any finding
can be made again (``tests.fuzzing.reading_process.content_of``). The log, and the table on the page, are written at the end.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.fuzzing.campaign import Found, tried
from tests.fuzzing.seeds import KINDS, write_seeds

from preceptor.core.files import write_aside

LOG = Path("docs/results/fuzz.log")
#: After how many files what was found so far is kept.
_PIECE = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=int, nargs="?", default=100_000)
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--seed", type=int, default=20240501)
    parser.add_argument("--state", type=Path, default=Path(tempfile.gettempdir()) / "preceptor-fuzz.json")
    given = parser.parse_args()
    state = _state(given.state, given.seed)
    until = time.monotonic() + given.minutes * 60
    with tempfile.TemporaryDirectory() as name:
        write_seeds(Path(name))
        while state["done"] < given.files and time.monotonic() < until:
            began = time.monotonic()
            piece = _files(state["done"], min(state["done"] + _PIECE, given.files))
            found = tried(Path(name), piece, seed=given.seed, processes=given.processes)
            _add(state, found, time.monotonic() - began)
            with write_aside(given.state) as aside:
                aside.write_text(json.dumps(state))
            _write_log(state)


def _files(first: int, last: int) -> Iterator[tuple[str, int]]:
    for number in range(first, last):
        yield KINDS[number % len(KINDS)], number // len(KINDS)


def _state(path: Path, seed: int) -> dict:
    if path.exists():
        state = json.loads(path.read_text())
        if (state["seed"], state["kinds"]) == (seed, list(KINDS)):
            return state
    empty = {"seed": seed, "kinds": list(KINDS), "done": 0, "seconds": 0.0, "outcomes": {}, "findings": []}
    return empty | {"twice": 0, "longest_s": 0.0, "highest_mib": 0}


def _add(state: dict, found: Found, seconds: float) -> None:
    state["done"] += found.files
    state["seconds"] += seconds
    state["twice"] += found.twice
    for (kind, outcome), number in found.outcomes.items():
        counted = state["outcomes"].setdefault(kind, {})
        counted[outcome] = counted.get(outcome, 0) + number
    state["findings"] += found.findings
    state["longest_s"] = max(state["longest_s"], found.longest_s)
    state["highest_mib"] = max(state["highest_mib"], found.highest_mib)


def _write_log(state: dict) -> None:
    read = sum(each.get("read", 0) for each in state["outcomes"].values())
    lines = [
        f"{state['done']:,} damaged files of {len(KINDS)} kinds, seed {state['seed']}, {state['seconds']:,.0f} s",
        f"read {read:,}, refused by name {state['done'] - read - len(state['findings']):,}, "
        f"findings {len(state['findings']):,}",
        f"tried twice for being slow {state['twice']:,}, longest {state['longest_s']:.1f} s a file, "
        f"highest rise of memory {state['highest_mib']:,} MiB",
        "",
    ]
    for kind in KINDS:
        told = Counter(state["outcomes"].get(kind, {}))
        lines.append(f"{kind:17}" + ", ".join(f"{outcome} {number:,}" for outcome, number in told.most_common()))
    lines += ["", *(f"finding: {kind} {number}: {outcome}" for kind, number, outcome in state["findings"][:200])]
    with write_aside(LOG) as aside:
        aside.write_text("\n".join(lines).rstrip() + "\n")


if __name__ == "__main__":
    main()
