"""Boxes and points that a table stores as JSON: what is marked, what is true, and which mark hits which lesion."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from preceptor.core.errors import CohortError
from preceptor.core.evidence import Predictions
from preceptor.maths.detection import Marks, box_iou
from preceptor.maths.intervals import Resamples

_UNNAMED = "lesion"


@dataclass(frozen=True, eq=False)
class Places:
    """The boxes and points of one class in one image.

    Args:
        low, high: ``(place, axis)`` corners; equal where it is a point.
        score: ``(place,)``; 1 where none is told.
    """

    low: np.ndarray
    high: np.ndarray
    score: np.ndarray

    def __len__(self) -> int:
        return len(self.score)

    @property
    def is_point(self) -> np.ndarray:
        """``(place,)`` whether it has no extent."""
        return np.all(self.low == self.high, axis=1)

    def similarity(self, others: Places, least_iou: float, within: float) -> np.ndarray:
        """``(place, other)`` how well each hits each other, NaN where it does not.

        Two boxes hit where their intersection over union is at least `least_iou`, a point and a box where the point
        lies in the box, two points where they lie `within` of each other.
        """
        if not len(self) or not len(others):
            return np.full((len(self), len(others)), np.nan)
        if self.low.shape[1] != others.low.shape[1]:
            raise CohortError("places of two and of three dimensions are compared", code="places_dimensions")
        overlap = box_iou(self.low, self.high, others.low, others.high)
        apart = np.linalg.norm((self.low + self.high)[:, None] - (others.low + others.high)[None], axis=2) / 2
        inside = _contains(self, others) | _contains(others, self).T
        mine, theirs = self.is_point[:, None], others.is_point[None]
        hit = np.where(mine & theirs, apart <= within, np.where(mine | theirs, inside, overlap >= least_iou))
        return np.where(hit, np.where(mine | theirs, 1 / (1 + apart), overlap), np.nan)


def _contains(boxes: Places, points: Places) -> np.ndarray:
    """``(point, box)`` transposed to ``(box, point)``: whether a point's centre lies in a box."""
    centre = (points.low + points.high) / 2
    return np.all((centre[None] >= boxes.low[:, None]) & (centre[None] <= boxes.high[:, None]), axis=2)


@dataclass(frozen=True, eq=False)
class Located:
    """Truth and answer of every row that somebody looked at.

    Args:
        rows: ``(row of the predictions,)`` bool: which they are.
        truth, answer: One `Places` per such row and class: ``truth[class][row]``.
    """

    rows: np.ndarray
    truth: dict[str, list[Places]]
    answer: dict[str, list[Places]]

    @classmethod
    def of(cls, predictions: Predictions) -> Located:
        """Read the table.

        Raises:
            CohortError: JSON that can't be read, or a row with a truth and no answer.
        """
        table, classes = predictions.table, predictions.question.classes
        rows = np.array([isinstance(text, str) for text in table["truth"]], dtype=bool)
        truth: dict[str, list[Places]] = {name: [] for name in classes}
        answer: dict[str, list[Places]] = {name: [] for name in classes}
        for key, told, said in zip(table["key"][rows], table["truth"][rows], table["answer"][rows], strict=True):
            if not isinstance(said, str):
                raise CohortError(
                    "a case has a truth but no stored answer",
                    where=f"case {key}",
                    expected="a JSON list of places in the column 'answer'; [] where nothing was found",
                    code="answer_missing",
                )
            for sides, text in ((truth, told), (answer, said)):
                for name, places in _parsed(text, classes, str(key)).items():
                    sides[name].append(places)
        return cls(rows, truth, answer)

    def within(self, resamples: Resamples) -> Resamples:
        """Resamples of those rows alone."""
        return replace(resamples, cluster=resamples.cluster[self.rows])

    def marks(self, name: str, assign: Callable[[np.ndarray, np.ndarray], np.ndarray], **rule: float) -> Marks:
        """All marks of a class with the lesions they hit.

        Args:
            name: Of the class.
            assign: From similarities ``(mark, lesion)`` and scores ``(mark,)`` to lesions ``(mark,)``.
            rule: Of `Places.similarity`.
        """
        image, score, lesion, lesion_image = [], [], [], []
        total = 0
        for row, (truth, answer) in enumerate(zip(self.truth[name], self.answer[name], strict=True)):
            given = assign(answer.similarity(truth, **rule), answer.score)
            lesion.append(np.where(given >= 0, given + total, -1))
            image.append(np.full(len(answer), row))
            score.append(answer.score)
            lesion_image.append(np.full(len(truth), row))
            total += len(truth)
        empty = np.zeros(0, dtype=int)
        return Marks(
            np.concatenate([empty, *image]),
            np.concatenate([np.zeros(0), *score]),
            np.concatenate([empty, *lesion]),
            np.concatenate([empty, *lesion_image]),
            int(self.rows.sum()),
        )


def labels_of(texts: Iterable[Any]) -> tuple[str, ...]:
    """The classes that some JSON lists of places name."""
    found = {str(each.get("label", _UNNAMED)) for text in texts for each in _listed(text, "") if isinstance(each, dict)}
    return tuple(sorted(found)) or (_UNNAMED,)


def _listed(text: Any, key: str) -> list[Any]:
    if not isinstance(text, str):
        return []
    try:
        listed = json.loads(text)
    except json.JSONDecodeError as error:
        raise _unreadable(key, f"no JSON ({error.msg})") from error
    if not isinstance(listed, list):
        raise _unreadable(key, "no list")
    return listed


def _parsed(text: str, classes: tuple[str, ...], key: str) -> dict[str, Places]:
    corners: dict[str, list[tuple[np.ndarray, np.ndarray, float]]] = {name: [] for name in classes}
    sizes = set()
    for each in _listed(text, key):
        if not isinstance(each, dict) or ("box" in each) == ("point" in each):
            raise _unreadable(key, "an entry without exactly one of 'box' and 'point'")
        name = str(each.get("label", classes[0] if len(classes) == 1 else _UNNAMED))
        if name not in corners:
            raise _unreadable(key, "a label that is none of the question's classes")
        given = np.asarray(each.get("box", each.get("point")), dtype=float).ravel()
        halves = np.split(given, 2) if "box" in each and len(given) % 2 == 0 else [given, given]
        score = float(each.get("score", 1.0))
        if "box" in each and len(given) % 2 or len(halves[0]) not in (2, 3) or not np.isfinite([*given, score]).all():
            raise _unreadable(key, "coordinates that are no finite point or pair of corners in 2 or 3 dimensions")
        if (halves[1] < halves[0]).any():
            raise _unreadable(key, "a box whose high corner lies below its low one")
        sizes.add(len(halves[0]))
        corners[name].append((halves[0], halves[1], score))
    if len(sizes) > 1:
        raise _unreadable(key, "places of two and of three dimensions")
    return {name: _stacked(listed, min(sizes, default=2)) for name, listed in corners.items()}


def _stacked(listed: list[tuple[np.ndarray, np.ndarray, float]], axes: int) -> Places:
    low, high = (np.array([each[side] for each in listed], dtype=float).reshape(-1, axes) for side in (0, 1))
    return Places(low, high, np.array([score for *_, score in listed], dtype=float))


def _unreadable(key: str, why: str) -> CohortError:
    return CohortError(
        f"a list of places holds {why}",
        where=f"case {key}" if key else "the columns 'truth' and 'answer'",
        expected='[{"box": [x0, y0, x1, y1], "score": 0.9, "label": "nodule"}], or "point": [x, y, z]',
        code="places_unreadable",
    )
