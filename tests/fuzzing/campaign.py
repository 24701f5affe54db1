"""Damaged files read side by side by processes that a death costs one file."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from preceptor.intake.decoding import Child

ROOT = Path(__file__).parents[2]

#: After which a file counts as a hang; starting a process and loading its libraries included.
SECONDS = 120

#: What came of a file that ended its process, or held it beyond `SECONDS`.
ENDED = "process died or hung"


@dataclass
class Found:
    """What came of reading damaged files.

    Attributes:
        outcomes: ``{(kind, outcome): how many}``; an outcome is ``read``, the code of a refusal, or a finding.
        findings: ``(kind, number, outcome)`` of each file that was neither read nor refused by name within its limits.
        twice: How many were tried again, having been slow or ended their process.
        longest_s: Seconds of the slowest file.
        highest_mib: By how much memory rose most.
    """

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    findings: list[tuple[str, int, str]] = field(default_factory=list)
    twice: int = 0
    longest_s: float = 0.0
    highest_mib: int = 0

    @property
    def files(self) -> int:
        return sum(self.outcomes.values())


def tried(
    seeds: Path,
    files: Iterable[tuple[str, int]],
    *,
    seed: int = 20240501,
    processes: int = 2,
    told: Callable[[str, int, str], None] = lambda *_: None,
) -> Found:
    """Read damaged files.

    Args:
        seeds: As `tests.fuzzing.seeds.write_seeds` wrote them.
        files: ``(kind, number)`` of each.
        seed: Of the damages.
        processes: That read.
        told: Called with kind, number and outcome of each file.
    """
    waiting, found, lock = iter(files), Found(), threading.Lock()
    with importable():
        readers = [
            threading.Thread(target=_read_on, args=(waiting, found, lock, seeds, seed, told)) for _ in range(processes)
        ]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
    return found


class importable:  # noqa: N801  read as `with importable():`
    """Reading processes find this package wherever they are started."""

    def __enter__(self) -> None:
        self._before = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), str(ROOT / "src"), self._before)))

    def __exit__(self, *_: object) -> None:
        os.environ.pop("PYTHONPATH")
        if self._before is not None:
            os.environ["PYTHONPATH"] = self._before


def _read_on(waiting, found: Found, lock: threading.Lock, seeds: Path, seed: int, told) -> None:
    child = reading_child()
    try:
        while True:
            with lock:
                kind, number = next(waiting, (None, 0))
            if kind is None:
                return
            request = {"kind": kind, "number": number, "seed": seed, "seeds": str(seeds)}
            answer = answer_of(child, request)
            twice = answer["outcome"].startswith("slow") or answer["outcome"] == ENDED
            if twice:  # or the machine was slow: what hangs hangs again
                answer = answer_of(child, request)
            outcome = answer["outcome"]
            with lock:
                found.outcomes[kind, outcome] += 1
                found.twice += twice
                found.longest_s = max(found.longest_s, answer["seconds"])
                found.highest_mib = max(found.highest_mib, answer["rise_mib"])
                if " " in outcome:
                    found.findings.append((kind, number, outcome))
                told(kind, number, outcome)
    finally:
        child.stop()


def reading_child() -> Child:
    """A process that reads what it is asked to, started by the first question."""
    return Child("tests.fuzzing.reading_process", "answer_requests", SECONDS)


def answer_of(child: Child, request: dict) -> dict:
    """What came of one file."""
    try:
        return child.ask(request)[0]
    except RuntimeError:
        return {"outcome": ENDED, "seconds": 0.0, "rise_mib": 0}
