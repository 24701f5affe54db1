"""Reading stored label maps: the truth and the answer of a case, on the truth's own grid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core.errors import CohortError
from preceptor.core.evidence import Predictions, Question
from preceptor.core.image import Image
from preceptor.intake.door import read_apart

#: Affines this close (millimetres, anywhere in the image) are the same grid: file formats round to float32.
_SAME_GRID_MM = 1e-3


@dataclass(frozen=True, eq=False)
class MapPair:
    """The dense truth and the answer of one row of the predictions.

    Args:
        row: Position in the table.
        key: The case.
        truth: ``(*space,)`` int16 class index, -1 where nobody looked.
        answer: ``(*space,)`` int16 class index.
        spacing: Along each axis.
        in_millimetres: False where the file knows no millimetres (a picture): the spacing then counts pixels.
        resampled: Whether the answer lay on another grid and was brought to the truth's by nearest neighbour.
    """

    row: int
    key: str
    truth: np.ndarray
    answer: np.ndarray
    spacing: tuple[float, ...]
    in_millimetres: bool
    resampled: bool

    @property
    def diagonal(self) -> float:
        """From one corner voxel's centre to the opposite one's: the farthest that two surfaces can lie apart."""
        return float(np.linalg.norm((np.array(self.truth.shape) - 1) * self.spacing))


@dataclass(frozen=True, eq=False)
class ImagePair:
    """Two images, or maps of numbered objects, of one row of the predictions, on the truth's grid.

    Args:
        row: Position in the table.
        key: The case.
        truth, answer: ``(channel, *space)``.
        region: ``(*space,)`` bool where the table names a mask for the case, else None.
        resampled: Whether the answer lay on another grid and was brought to the truth's.
    """

    row: int
    key: str
    truth: np.ndarray
    answer: np.ndarray
    region: np.ndarray | None
    resampled: bool


def pairs(predictions: Predictions) -> Iterator[MapPair]:
    """Truth and answer of every row that has a truth, one after the other: no two are held at once.

    Raises:
        CohortError: An answer is missing, or holds a value that stands for no class.
        PrepareError: A map can't be read.
    """
    for row, record in _answered(predictions):
        yield _pair(row, record, predictions.question, predictions.folder)


def image_pairs(predictions: Predictions, *, objects: bool = False) -> Iterator[ImagePair]:
    """Truth and answer of every row that has a truth, as images or, with `objects`, as maps of numbered objects.

    An answer on another grid is brought to the truth's: images by linear, objects by nearest interpolation.

    Raises:
        CohortError: An answer is missing, or has other channels than the truth.
        PrepareError: A map can't be read.
    """
    for row, record in _answered(predictions):
        truth, array, resampled = _on_one_grid(record, predictions.folder, is_label=objects)
        if array.shape != truth.array.shape:
            raise CohortError(
                f"an answer has {len(array)} channels and its truth {len(truth.array)}",
                where=f"case {record['key']}",
                code="answer_channels",
            )
        region = None
        if _is_path(record.get("region_path")):
            mask = read_apart(predictions.folder, record["region_path"], is_label=True)
            inside = mask.array if _same_grid(truth, mask) else _brought(mask, truth, nearest=True)
            region = inside[0] > 0
        yield ImagePair(row, record["key"], truth.array, array, region, resampled)


def _answered(predictions: Predictions) -> Iterator[tuple[int, dict[str, Any]]]:
    for row, record in enumerate(predictions.table.to_dict("records")):
        if not _is_path(record.get("truth_path")):
            continue
        if not _is_path(record.get("answer")):
            raise CohortError(
                "a case has a truth but no stored answer",
                where=f"case {record['key']}",
                expected="the path of a label map in the column 'answer'",
                remedy="predict it anew, or leave the case out of the table",
                code="answer_missing",
            )
        yield row, record


def unlabelled(predictions: Predictions) -> int:
    """How many rows have no truth to be measured by."""
    paths = predictions.table.get("truth_path", [None] * len(predictions))
    return sum(not _is_path(path) for path in paths)


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _pair(row: int, record: dict[str, Any], question: Question, folder: Path) -> MapPair:
    truth, array, resampled = _on_one_grid(record, folder, is_label=True)
    said = _class_index(array[0], question)
    if (said < 0).any():
        raise CohortError(
            f"an answer holds the value {array[0][said < 0][0]:g}, which stands for no class",
            where=f"case {record['key']}",
            expected=f"one of {', '.join(map(str, question.values))}",
            remedy="write the answer with the task's own values",
            code="answer_value",
        )
    spacing, known = truth.spacing_mm, truth.has_known_geometry
    return MapPair(row, record["key"], _class_index(truth.array[0], question), said, spacing, known, resampled)


def _on_one_grid(record: dict[str, Any], folder: Path, *, is_label: bool) -> tuple[Image, np.ndarray, bool]:
    """The truth, the answer's array on its grid, and whether it lay on another."""
    truth = read_apart(folder, record["truth_path"], is_label=is_label)
    answer = read_apart(folder, record["answer"], is_label=is_label)
    if _same_grid(truth, answer):
        return truth, answer.array, False
    return truth, _brought(answer, truth, nearest=is_label), True


def _brought(image: Image, like: Image, *, nearest: bool) -> np.ndarray:
    from preceptor.prepare.compose import resample_like

    return resample_like(image.array, image.affine_mm, like, nearest=nearest)


def _same_grid(first: Image, second: Image) -> bool:
    if first.shape != second.shape:
        return False
    reach = np.append(np.array(first.shape + (1,) * (3 - len(first.shape)), dtype=float), 1.0)
    return bool(np.abs((first.affine_mm - second.affine_mm) * reach).max() < _SAME_GRID_MM)


def _class_index(array: np.ndarray, question: Question) -> np.ndarray:
    """File values to class indices; -1 for every other value."""
    if question.numbered:
        return (array > 0).astype(np.int16)
    index = np.full(array.shape, -1, dtype=np.int16)
    for position, value in enumerate(question.values):
        index[array == value] = position
    return index
