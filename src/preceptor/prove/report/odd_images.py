"""Pictures of the images that a check of the data named: what is odd about an image is seen sooner than it is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from preceptor.prove.report.record import Record
from preceptor.prove.report.worst_cases import Ranked, Shown, shown_case

#: Problems that are about how an image looks.
_LOOKS = ("image_", "slices_")

_OF_ONE_PROBLEM, _IN_ALL = 3, 9


def odd_images(record: Record) -> dict[int, list[Shown]]:
    """``{place of the problem: its first cases}``, for the problems that a picture helps to judge.

    Args:
        record: The run. Cases whose image can't be opened now are left out.
    """
    found: dict[int, list[Shown]] = {}
    left = _IN_ALL
    for place, problem in enumerate(record.evidence.problems):
        if not str(problem.get("code", "")).startswith(_LOOKS):
            continue
        shown = [
            _of_view(problem, str(key), record) for key in list(problem.get("cases", ()))[: min(_OF_ONE_PROBLEM, left)]
        ]
        shown = [each for each in shown if each.figures]
        if shown:
            found[place] = shown
            left -= len(shown)
    return found


def _of_view(problem: Mapping[str, Any], key: str, record: Record) -> Shown:
    """A case, of which only the view that the problem names is shown."""
    shown = shown_case(Ranked(key, 0.0, str(problem["what"])), "odd", record)
    view = str(problem.get("where", "")).removeprefix("view ")
    figures = [each for each in shown.figures if each["title"] == view] or list(shown.figures)
    return Shown(shown.key, shown.why, shown.words, shown.facts, tuple(figures), shown.missing)
