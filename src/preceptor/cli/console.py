"""What the command line prints, and where: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from preceptor.core.bar import Bar
from preceptor.core.errors import PreceptorError, Problem

if TYPE_CHECKING:
    from cyclopts import CycloptsError

#: ``--json`` of every verb.
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON object.")]


def say(text: str) -> None:
    """A message for the person at the terminal."""
    print(text, file=sys.stderr)


def bars() -> Callable[[str, int, int], None] | None:
    """What a verb hands on so that its steps can be told as ``(label, done, total)``: live bars on a terminal, else None."""
    if not sys.stderr.isatty():
        return None
    bar = Bar(sys.stderr)

    def tell(label: str, done: int, total: int) -> None:
        bar.show(label, done, total)
        if done >= total:
            bar.clear()

    return tell


def bar(label: str) -> Callable[[int, int], None] | None:
    """The same for one step, told as ``(done, total)``."""
    tell = bars()
    return None if tell is None else partial(tell, label)


def result(text: str, record: Mapping[str, Any], as_json: bool) -> None:
    """A verb's result: text for people, or its record as one JSON object."""
    print(json.dumps(record, indent=1, default=str, ensure_ascii=False) if as_json else text)


def usage(error: CycloptsError, as_json: bool) -> int:
    """A command that was called wrongly: exit code 2."""
    text = " ".join(str(error).split())
    problem = Problem(
        text, expected="`preceptor --help` lists the verbs, `preceptor VERB --help` its options", code="usage"
    )
    _tell(str(problem), {"error": asdict(problem)}, as_json)
    return 2


def failure(error: PreceptorError, as_json: bool, debug: bool) -> int:
    """A known error: what, where, expected, remedy; never a traceback unless asked."""
    if debug:
        traceback.print_exception(error)
    record = {"error": asdict(error.problem), "problems": [asdict(each) for each in error.problems]}
    _tell(str(error), record, as_json)
    return error.exit_code


def internal(error: Exception, as_json: bool, debug: bool) -> int:
    """An error nobody foresaw: its kind and place. Its text may hold a patient's name, so it needs ``--debug``."""
    if debug:
        traceback.print_exception(error)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "preceptor" in frame.filename]
    where = ""
    if frames:
        where = f"{frames[-1].filename.rpartition('preceptor')[2].lstrip('/')}:{frames[-1].lineno}"
    problem = Problem(
        f"internal error: {type(error).__name__}",
        where,
        remedy="the same command with --debug tells more; please report it, with patients' names taken out",
        code="internal",
    )
    _tell(str(problem), {"error": asdict(problem)}, as_json)
    return 1


def _tell(text: str, record: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(record, indent=1, ensure_ascii=False))
    say(text)


def columns(rows: Iterable[Sequence[str]], indent: str = "  ") -> str:
    """Rows as lines with the columns lined up; the last one runs free."""
    table = [tuple(row) for row in rows]
    if not table:
        return ""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]) - 1)]
    lines = []
    for row in table:
        cells = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=True)]
        lines.append(f"{indent}{'  '.join([*cells, row[-1]])}".rstrip())
    return "\n".join(lines)


def close_stdout() -> None:
    """The reader went away: let the interpreter end without a complaint about it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
