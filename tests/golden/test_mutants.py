"""Every mutant still says what it breaks: its text stands once in its module."""

from __future__ import annotations

import pytest

from .mutants import MUTANTS


@pytest.mark.parametrize("module", sorted({mutant.module for mutant in MUTANTS}))
def test_the_text_that_a_mutant_changes_stands_there_once(module):
    for mutant in MUTANTS:
        if mutant.module == module:
            assert mutant.source() != mutant.path.read_text(encoding="utf-8"), mutant
