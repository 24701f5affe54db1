"""What became of a file, and of a batch of them, in words and numbers that name no one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .manifest import NAME
from .review import SeriesReview


@dataclass(frozen=True)
class Outcome:
    """What became of one file.

    Attributes:
        number: Its place in the order of paths, from 1.
        shown: A name that is safe to print.
        state: ``cleaned``, ``done before``, ``repeated`` or ``refused``.
        place: Of the cleaned file, relative to the folder.
        reason: Why it was refused.
        code: The same in one word.
        flags: What a person should look at.
    """

    number: int
    shown: str
    state: str
    place: str = ""
    reason: str = ""
    code: str = ""
    flags: tuple[str, ...] = ()

    def line(self) -> str:
        """One line for a terminal."""
        more = self.reason or "; ".join(self.flags)
        return f"{self.number:>6}  {self.shown:28}  {self.state:11}  {more or self.place}"


@dataclass
class Report:
    """A batch in numbers.

    Attributes:
        folder: Of the cleaned files.
        states: How many files became what.
        actions: How often each rule was applied.
        refused: The files that were refused.
        flagged: The files that a person should look at.
        patients: How many pseudonyms the folder holds.
        series: What a person has to look at, folder by folder.
    """

    folder: Path
    states: Counter[str] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)
    refused: list[Outcome] = field(default_factory=list)
    flagged: list[Outcome] = field(default_factory=list)
    patients: int = 0
    series: list[SeriesReview] = field(default_factory=list)

    @property
    def not_searched(self) -> int:
        """Images whose pixels nobody searched for writing."""
        return sum(each.not_searched for each in self.series)

    def to_json(self) -> dict[str, Any]:
        """The report as JSON, without names and values."""
        return {
            "folder": str(self.folder),
            "files": dict(self.states),
            "actions": dict(self.actions),
            "patients": self.patients,
            "not_searched": self.not_searched,
            "review": [each.to_json() for each in self.series if each.is_open],
            "refused": [{"number": each.number, "file": each.shown, "code": each.code} for each in self.refused],
            "flagged": [
                {"number": each.number, "place": each.place, "flags": list(each.flags)} for each in self.flagged
            ],
            "manifest": str(self.folder / NAME),
        }
