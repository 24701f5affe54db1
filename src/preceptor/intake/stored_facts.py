"""What the checks saw of very many cases, kept in a folder: memory does not grow with them, and a stopped survey goes on."""

from __future__ import annotations

import hashlib
import json
import tempfile
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

from preceptor.core.cohort import Case
from preceptor.core.errors import CohortError, safe_name

#: Tells a folder of ours from any other.
_MARK = "survey.json"

_FLUSH_EVERY = 64


class StoredFacts(Mapping[str, Any]):
    """What one check saw of each case: a line a case in a file, read when it is asked for.

    Args:
        path: The file.
        places: ``{case key: number of its line}``.
        starts: Where each line starts, in bytes.
        folder: Where what is worked out from these facts may be kept; it goes by their digest.
        kept: What must live as long as the facts do.
    """

    def __init__(
        self, path: Path, places: Mapping[str, int], starts: Sequence[int], folder: Path, kept: Any = None
    ) -> None:
        self.folder = folder
        self._file = path.open("rb")
        self._places, self._starts, self._kept = places, starts, kept

    def __getitem__(self, key: str) -> Any:
        self._file.seek(self._starts[self._places[key]])
        return json.loads(self._file.readline())

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __del__(self) -> None:
        self._file.close()


class FactStore:
    """A folder in which the facts of each check are appended, case by case, and taken up again.

    A case counts as seen where every check's line is whole, its own line came last, and neither its record nor one of
    its files has changed since; from the first case for which that is not so the survey is made anew. Facts hold
    pictures in small and case keys: the folder is to be guarded like the images.

    Args:
        folder: Made where it is not there; None for one that goes with the last of the facts.
        checks: ``{name: settings}``. Other settings or another version of the package begin anew.
        root: Folder that the cases' sources are relative to.
        cases: In order.

    Raises:
        CohortError: The folder holds something else.
    """

    def __init__(
        self, folder: Path | None, checks: Mapping[str, Mapping[str, Any]], root: Path, cases: Sequence[Case]
    ) -> None:
        self._temporary = None
        if folder is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="preceptor-")
            folder = Path(self._temporary.name)
        self.folder = Path(folder)
        self._claim()
        self._paths = {
            name: self.folder / f"{name}-{_digest([settings, version('preceptor')])}.jsonl"
            for name, settings in checks.items()
        }
        self._cases = self.folder / "cases.jsonl"
        sizes = lru_cache(maxsize=64)(_sizes_and_times)  # the parts of one folder are cases that follow each other
        self._lines = [json.dumps([case.key, _stamp(root, case, sizes)]).encode() for case in cases]
        self._places = {case.key: number for number, case in enumerate(cases)}
        self._starts = {name: array("Q") for name in checks}
        self._files: dict[str, BinaryIO] = {}
        self.seen = self._take_up()

    def _claim(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        mark = self.folder / _MARK
        if not mark.exists():
            if any(self.folder.iterdir()):
                raise CohortError(
                    "the folder to keep the survey in holds something else",
                    where=safe_name(self.folder),
                    expected="an empty folder, or one that an earlier survey was kept in",
                    remedy="name another folder",
                    code="survey_folder",
                )
            mark.write_text(json.dumps({"what": "preceptor survey"}), encoding="utf-8")

    def _take_up(self) -> int:
        """How many cases were seen already; what a kill left half written, or has changed since, is cut off."""
        whole = 0
        if self._cases.exists():
            with self._cases.open("rb") as file:
                for line, wanted in zip(file, self._lines, strict=False):
                    if line != wanted + b"\n":
                        break
                    whole += 1
        for name, path in self._paths.items():
            path.touch()
            with path.open("rb") as file:
                start = 0
                for number, line in enumerate(file):
                    if number == whole or not line.endswith(b"\n"):
                        break
                    self._starts[name].append(start)
                    start += len(line)
            whole = min(whole, len(self._starts[name]))
        for name, path in self._paths.items():
            starts = self._starts[name]
            self._files[name] = path.open("r+b")
            self._files[name].truncate(starts[whole] if whole < len(starts) else self._end(name))
            self._files[name].seek(0, 2)
            del starts[whole:]
        with self._cases.open("ab") as file:
            file.truncate(sum(len(line) + 1 for line in self._lines[:whole]))
        self._journal = self._cases.open("ab")
        return whole

    def _end(self, name: str) -> int:
        """Where the last whole line of a check ends."""
        starts = self._starts[name]
        if not starts:
            return 0
        with self._paths[name].open("rb") as file:
            file.seek(starts[-1])
            return starts[-1] + len(file.readline())

    def add(self, facts: Mapping[str, Any]) -> None:
        """What each check saw of the next case."""
        for name, fact in facts.items():
            file = self._files[name]
            self._starts[name].append(file.tell())
            file.write(json.dumps(fact).encode() + b"\n")
        self._journal.write(self._lines[self.seen] + b"\n")
        self.seen += 1
        if self.seen % _FLUSH_EVERY == 0:
            self._flush()

    def close(self) -> None:
        """Write out what is still held back."""
        for file in (*self._files.values(), self._journal):
            file.close()

    def facts(self) -> dict[str, StoredFacts]:
        """``{check: what it saw of each case}``, once all are seen and the store is closed."""
        folder = self.folder / f"index-{_digest([line.decode() for line in self._lines])}"
        return {
            name: StoredFacts(path, self._places, self._starts[name], folder, self._temporary)
            for name, path in self._paths.items()
        }

    def _flush(self) -> None:
        """The journal last: where a case stands in it, its facts are written."""
        for file in (*self._files.values(), self._journal):
            file.flush()


def _stamp(root: Path, case: Case, sizes: Callable[[Path], list[Any]]) -> str:
    """Changes where the case's record, or the size or time of one of its files, does."""
    record = [dict(each) for each in (case.images, case.masks, case.labels, case.fields, case.points, case.boxes)]
    sources = (*case.images.values(), *case.masks.values())
    return _digest([record, [sizes(root / source.partition("::")[0]) for source in sources]])


def _sizes_and_times(path: Path) -> list[Any]:
    there = sorted(path.iterdir()) if path.is_dir() else [path]
    return [[each.stat().st_size, each.stat().st_mtime_ns] if each.exists() else None for each in there]


def _digest(record: Any) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True, default=str).encode()).hexdigest()[:16]
