"""Bars of the command line: on a terminal, with the time left, and gone in the end; elsewhere nothing is handed on."""

from __future__ import annotations

import io
import sys

from preceptor.cli import console
from preceptor.core import bar as module


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_tells_how_far_and_how_long(monkeypatch):
    clock = [50.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(sys, "stderr", Terminal())
    tell = console.bar("reading series")
    tell(1, 40)
    clock[0] += 30
    tell(10, 40)
    assert "reading series ██████····" in sys.stderr.getvalue() and "10/40  1:30 left" in sys.stderr.getvalue()
    tell(40, 40)
    assert sys.stderr.getvalue().endswith("\r\x1b[K")


def test_each_label_has_its_own_time(monkeypatch):
    clock = [50.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(sys, "stderr", Terminal())
    tell = console.bars()
    tell("checking", 1, 10)
    clock[0] += 100
    tell("comparing", 5, 10)
    clock[0] += 5
    tell("comparing", 6, 10)
    assert "comparing" in sys.stderr.getvalue() and "6/10  0:03 left" in sys.stderr.getvalue()


def test_where_nobody_looks_there_is_none(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert console.bar("reading") is None and console.bars() is None
