"""JSON that others wrote: its size and depth have limits, and what is wrong with it has a name."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from preceptor.core.errors import CohortError, safe_name
from preceptor.core.files import write_aside
from preceptor.core.plain import finite

#: A hundred thousand polygons take some 100 MiB.
MAX_BYTES = 2**30

#: What an export may take once it is read, and how many times its own bytes where that is much: outlines take 5 to 25 times.
MAX_MEMORY_BYTES, MOST_TIMES, MUCH_BYTES = 6 * 2**30, 32, 2**28

_HALVES = re.compile(rb"\\u[dD][89a-fA-F]")

#: About what Python takes for an object, a list, and one more value in either.
_TAKEN = {b"{": 200, b"[": 80, b",": 36}


def read_json(path: Path) -> Any:
    """The file's content.

    Raises:
        CohortError: It is absent, too large, nested too deep, or no JSON.
    """
    path = Path(path)
    if not path.is_file():
        raise annotation_error(path, "the file is not there", "a file of annotations", "file_absent")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise annotation_error(path, f"the file holds {size:,} bytes", f"at most {MAX_BYTES:,}", "too_large")
    content = path.read_bytes()
    taken = sum(content.count(mark) * each for mark, each in _TAKEN.items())
    if taken > MAX_MEMORY_BYTES or (taken > MUCH_BYTES and taken > MOST_TIMES * size):
        what = f"{size:,} bytes would take about {taken:,} of memory"
        raise annotation_error(path, what, "outlines, not objects without content", "json_bomb")
    try:
        found = json.loads(content, parse_constant=_refuse_constant)
        if _HALVES.search(content):  # half of a letter is none: nothing could write it again
            json.dumps(found, ensure_ascii=False).encode()
        return found
    except (ValueError, RecursionError) as error:
        raise annotation_error(path, "the file is no JSON", "a whole JSON export", "annotation_json") from error


def write_json(path: Path, content: Any) -> None:
    """Write JSON, whole or not at all."""
    with write_aside(Path(path)) as aside:
        aside.write_text(json.dumps(finite(content), indent=1) + "\n", encoding="utf-8")


def annotation_error(path: Path, what: str, expected: str, code: str, remedy: str = "export it again") -> CohortError:
    """The error for a file of annotations."""
    return CohortError(what, where=safe_name(path), expected=expected, remedy=remedy, code=code)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number in JSON")
