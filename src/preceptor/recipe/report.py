"""Where faults are gathered while a recipe is read, so that all of them are told at once."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from typing import Literal

from preceptor.core.errors import PreceptorError, Problem

from .yaml import Path

MOST_PROBLEMS = 50


class Report:
    """Faults of one recipe, each with the file and line it stands on.

    Args:
        name: What to call the recipe where a fault has no line.
        places: ``{path: "file:line"}`` of every value.
        unreadable: Paths that were reported when the text was read: nothing more is said of them.
    """

    def __init__(self, name: str, places: Mapping[Path, str], unreadable: Collection[Path] = ()) -> None:
        self.name = name
        self.unreadable = unreadable
        self.places = places
        self.problems: list[Problem] = []

    def add(
        self,
        path: Path,
        what: str,
        *,
        expected: str = "",
        remedy: str = "",
        code: str,
        severity: Literal["error", "warning"] = "error",
    ) -> None:
        """Note a fault at a path; the line is that of the nearest value above it which stands in the text."""
        if any(path[:length] in self.unreadable for length in range(1, len(path) + 1)):
            return
        problem = Problem(what, self.place(path), expected, remedy, code, severity=severity)
        if problem not in self.problems:
            self.problems.append(problem)

    def tell(self, path: Path, error: PreceptorError, code: str) -> None:
        """Note what a plug-in raised, at the place where it is named; `code` where the error has none."""
        one = error.problem
        self.add(path, one.what, expected=one.expected, remedy=one.remedy, code=one.code or code)

    def place(self, path: Path) -> str:
        for length in range(len(path), 0, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return self.name

    @property
    def errors(self) -> list[Problem]:
        return [problem for problem in self.problems if problem.severity == "error"]

    @property
    def warnings(self) -> list[Problem]:
        return [problem for problem in self.problems if problem.severity == "warning"]


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """``did you mean 'unet'?``, or nothing where no name is near."""
    known = list(known)
    near = difflib.get_close_matches(str(word), known, n=2, cutoff=0.6)
    if not near:  # `learningrate` for `learning_rate`, `U-Net` for `unet`
        squeezed = {_squeezed(name): name for name in known}
        matches = difflib.get_close_matches(_squeezed(str(word)), squeezed, n=1, cutoff=0.75)
        near = [squeezed[match] for match in matches]
    return f"did you mean {' or '.join(repr(name) for name in near)}?" if near else ""


def _squeezed(word: str) -> str:
    return "".join(letter for letter in word.lower() if letter.isalnum())


def dotted(path: Path) -> str:
    """A path as text: ``augment.flip.chance``, ``train.patch[1]``; places in a list of plug-ins go without saying."""
    text = ""
    for step, following in zip(path, (*path[1:], None), strict=False):
        if isinstance(step, int) and not isinstance(following, str):
            text += f"[{step}]"
        elif not isinstance(step, int):
            text += f".{step}" if text else str(step)
    return text or "the recipe"


def one_of(names: Iterable[object]) -> str:
    """Names to choose from."""
    names = list(names)
    return f"one of {listed(names)}" if len(names) > 1 else listed(names)


def listed(names: Iterable[object]) -> str:
    """Names in one line; a long list is cut."""
    shown = [str(name) for name in names]
    return ", ".join(shown[:24]) + (f" and {len(shown) - 24} more" if len(shown) > 24 else "") if shown else "none"
