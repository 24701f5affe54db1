"""The one family of errors: each says what is wrong, where, what was expected, and what to do.

No message shows a patient's name, an identifier, or a path component that may hold one: a case is named by its
*key*, which the cohort makes, and a file by `safe_name`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, as a record that can be listed, counted and printed.

    Attributes:
        what: What is wrong, one sentence without a final full stop.
        where: File and line, case key, slice number: the place to look.
        expected: What would have been right.
        remedy: What to do about it.
        code: A short stable name of the cause, in snake_case.
        cases: Keys of the cases concerned.
        severity: An ``error`` stops the run, a ``warning`` is reported and carried into the evidence.
    """

    what: str
    where: str = ""
    expected: str = ""
    remedy: str = ""
    code: str = ""
    cases: tuple[str, ...] = ()
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        lines = [f"{self.where}: {self.what}" if self.where else self.what]
        if self.cases:
            shown = ", ".join(self.cases[:5])
            more = f" and {len(self.cases) - 5} more" if len(self.cases) > 5 else ""
            lines.append(f"  cases:    {shown}{more}")
        if self.expected:
            lines.append(f"  expected: {self.expected}")
        if self.remedy:
            lines.append(f"  remedy:   {self.remedy}")
        return "\n".join(lines)


class PreceptorError(Exception):
    """Something preceptor knows how to explain.

    Args:
        what: What is wrong, one sentence.
        where: The place to look.
        expected: What would have been right.
        remedy: What to do about it.
        code: A short stable name of the cause.
        problems: Several problems reported together; `what` is then the headline.
    """

    exit_code = 1

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        expected: str = "",
        remedy: str = "",
        code: str = "",
        problems: Iterable[Problem] = (),
    ) -> None:
        self.problem = Problem(what, where, expected, remedy, code)
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__(what)

    def __str__(self) -> str:
        return "\n".join([str(self.problem), *(str(problem) for problem in self.problems)])

    @classmethod
    def from_problem(cls, problem: Problem, problems: Iterable[Problem] = ()) -> Self:
        """The error of a problem that was found before, or whose place is told anew."""
        return cls(
            problem.what,
            where=problem.where,
            expected=problem.expected,
            remedy=problem.remedy,
            code=problem.code,
            problems=problems,
        )

    def __reduce__(self):  # errors cross process borders when a worker fails
        return type(self).from_problem, (self.problem, self.problems)


class RecipeError(PreceptorError):
    """The recipe, or the way a command was called, is wrong."""

    exit_code = 2


class CohortError(PreceptorError):
    """The data, or what is known about it, can't be used as it is."""

    exit_code = 3


class PrepareError(PreceptorError):
    """An image could not be read or prepared."""

    exit_code = 3


class TrainError(PreceptorError):
    """Training can't go on: the loss is not finite, the disk is full, a checkpoint does not fit."""

    exit_code = 1


class BundleError(PreceptorError):
    """A bundle or a checkpoint is damaged, of another kind, or of a version this release can't read."""

    exit_code = 3


class MissingExtra(PreceptorError):
    """An optional library is needed and not installed."""

    exit_code = 5

    @classmethod
    def of(cls, extra: str, needed_for: str) -> MissingExtra:
        """The error for an optional extra.

        Args:
            extra: Name of the extra, as in ``pip install 'preceptor[extra]'``.
            needed_for: What can't be done without it.
        """
        return cls(
            f"{needed_for} needs the optional extra '{extra}'",
            remedy=f"pip install 'preceptor[{extra}]'",
            code="missing_extra",
        )


class Refusal(PreceptorError):
    """A gate does not hold, or an input is not what the model was made for: no answer is better than this one."""

    exit_code = 4


def safe_name(path: str | Path) -> str:
    """A name for a file that is safe to print: its hash and its suffixes, since file names often hold a patient's.

    Returns:
        For example ``file-3f9a12c4.nii.gz``.
    """
    path = Path(path)
    return f"file-{hashlib.sha256(path.name.encode()).hexdigest()[:8]}{''.join(path.suffixes[-2:])[-12:]}"
