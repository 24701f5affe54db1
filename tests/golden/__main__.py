"""Runs every mutant: `python -m tests.golden [ID …]` (see `mutants.py`)."""

from __future__ import annotations

import importlib.abc
import importlib.util
import os
import sys

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


def survives(mutant: Mutant) -> bool:
    """Whether the tests of the answer pass although the method is broken. Runs in a child: nothing leaks out."""
    child = os.fork()
    if child == 0:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        sys.meta_path.insert(0, _Edited(mutant))
        import pytest

        code = pytest.main(
            ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--answers", mutant.answer, "tests/golden"]
        )
        # Only failing tests reject a mutant: 5 (nothing ran) or a usage error must not look like a success.
        os._exit({0: 10, 1: 11}.get(int(code), 12))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status == 12:
        raise SystemExit(f"{mutant.answer}: its tests did not run")
    return status == 10


def main(ids: list[str]) -> int:
    import numpy  # noqa: F401  the children inherit what is slow to import
    import scipy.stats  # noqa: F401
    import torch

    torch.set_num_threads(1)
    chosen = [mutant for mutant in MUTANTS if not ids or mutant.answer in ids]
    alive = []
    for mutant in chosen:
        lives = survives(mutant)
        print(f"{mutant.answer:8} {mutant.module:32} {'SURVIVED' if lives else 'rejected'}   {mutant.new[:60]!r}", flush=True)
        if lives:
            alive.append(mutant)
    print(f"{len(chosen) - len(alive)} passed, {len(alive)} failed")
    return 1 if alive or not chosen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
