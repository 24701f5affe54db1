"""Runs every mutant: `python -m tests.golden [ID …]` (see `mutants.py`)."""

from __future__ import annotations

import importlib.abc
import importlib.util
import os
import sys
from pathlib import Path

from .mutants import MUTANTS, Mutant


class _Edited(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from edited source, everything else as usual."""

    def __init__(self, mutant: Mutant) -> None:
        self.name, self.text, self.path = f"preceptor.{mutant.module}", mutant.source(), str(mutant.path)

    def find_spec(self, fullname, path=None, target=None):
        if fullname == self.name:
            return importlib.util.spec_from_loader(fullname, self, origin=self.path)
        return None

    def exec_module(self, module):
        module.__file__ = self.path
        exec(compile(self.text, self.path, "exec"), module.__dict__)


def tests_of(answer: str) -> list[str]:
    """The files that claim the answer: a broken file of another subject must not look like a rejection."""
    folder = Path(__file__).parent
    return [str(path) for path in sorted(folder.glob("test_*.py")) if f'"{answer}"' in path.read_text(encoding="utf-8")]


def run(answer: str, mutant: Mutant | None = None) -> int:
    """pytest's exit code for the tests of an answer, with one edit or (fast tests alone) with none.

    Runs in a child: nothing leaks out.
    """
    child = os.fork()
    if child == 0:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        if mutant is not None:
            sys.meta_path.insert(0, _Edited(mutant))
        import pytest

        fast = [] if mutant is not None else ["-m", "not slow"]
        options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--answers", answer, *fast]
        os._exit(int(pytest.main([*options, *tests_of(answer)])))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def check_unbroken(answer: str) -> None:
    """What fails unbroken would reject anything."""
    if not tests_of(answer) or run(answer) not in (0, 5):  # 5: all its tests are slow
        raise SystemExit(f"{answer}: its tests do not pass without any mutant")


def survives(mutant: Mutant) -> bool:
    """Whether the tests of the answer pass although the method is broken."""
    code = run(mutant.answer, mutant)
    if code > 1:  # failing tests reject a mutant, and the end of their process does; not that nothing ran
        raise SystemExit(f"{mutant.answer}: its tests did not run")
    return code == 0


def side_by_side(ids: list[str], processes: int) -> int:
    """Every process takes each so-manieth answer; all must reject theirs."""
    children = []
    for part in range(processes):
        child = os.fork()
        if child == 0:
            os._exit(main(ids, part, processes))
        children.append(child)
    return max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)


def main(ids: list[str], part: int = 0, parts: int = 1) -> int:
    import numpy  # noqa: F401  the children inherit what is slow to import
    import scipy.stats  # noqa: F401
    import torch

    torch.set_num_threads(1)
    chosen = [mutant for mutant in MUTANTS if not ids or mutant.answer in ids]
    mine = set(sorted({mutant.answer for mutant in chosen})[part::parts])
    chosen = [mutant for mutant in chosen if mutant.answer in mine]
    for answer in dict.fromkeys(mutant.answer for mutant in chosen):
        check_unbroken(answer)
    alive = []
    for mutant in chosen:
        lives = survives(mutant)
        print(
            f"{mutant.answer:8} {mutant.module:32} {'SURVIVED' if lives else 'rejected'}   {mutant.new[:60]!r}",
            flush=True,
        )
        if lives:
            alive.append(mutant)
    print(f"{len(chosen) - len(alive)} passed, {len(alive)} failed")
    return 1 if alive or not (chosen or parts > 1) else 0


if __name__ == "__main__":
    given = sys.argv[1:]
    sys.exit(main(given) if given else side_by_side(given, min(os.cpu_count() or 1, 4)))
