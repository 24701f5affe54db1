"""When a training has stopped getting better."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Progress(NamedTuple):
    """Where a series of scores stands.

    Args:
        best: Position of the best score (the last one that beat all before it by more than the least gain), or None.
        waited: How many scores have come since.
    """

    best: int | None
    waited: int


def progress_of(scores: Sequence[float], least_gain: float = 0.0, higher_is_better: bool = False) -> Progress:
    """The best score so far, and how long ago it was.

    Args:
        scores: In order.
        least_gain: What a score must be better by to count as better.
        higher_is_better: Of the scores.
    """
    best, best_score = None, float("-inf")
    for position, score in enumerate(scores):
        signed = score if higher_is_better else -score
        if best is None or signed > best_score + least_gain:
            best, best_score = position, signed
    return Progress(best, 0 if best is None else len(scores) - 1 - best)
