"""Reverse classification accuracy: how good is a segmentation that nobody can check, judged by what it can teach.

The segmentation to be judged is taken for the truth of its own image, and made to segment reference images whose
truth is known. One that is right does well on at least one of them; one that is wrong does well on none. The best Dice
over the references foretells the segmentation's own.

Two pupils are asked. The *atlas* lays the image onto each reference by registration and carries the labels over. The
*forest* (`reverse_forest`) learns from the labels how a voxel looks, and where it lies. What they say is turned into a
Dice by a line fitted on answers to other cases, damaged on purpose: the best overlap that a perfect segmentation can
reach through registration is well below 1.

Source: Valindria 2017, "Reverse classification accuracy" (arXiv:1702.03407), sections II.A-C; Robinson 2019
(arXiv:1901.01206). The line that calibrates: own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from preceptor.core.errors import PreceptorError
from preceptor.core.image import Image
from preceptor.maths.geometry import spacing_map
from preceptor.maths.overlap import dice, overlap
from preceptor.maths.resampling import resample
from preceptor.prepare.registration import Registration, register, warp

from .reverse_forest import ReverseForest, look

#: Voxels along each axis of the thumbnails that references are chosen by.
_THUMBNAIL = 12
#: What a pair is described by, in the order of `evidence`'s columns.
COLUMNS = ("atlas_best", "atlas_mean", "forest_best", "forest_mean")


@dataclass(frozen=True, eq=False)
class Reference:
    """An image with its truth.

    Args:
        image: ``(1, *space)``, values of any scale.
        label: ``(*space,)`` class index, -1 where unlabelled.
    """

    image: Image
    label: np.ndarray

    @cached_property
    def looks(self) -> list[np.ndarray]:
        """What the forest sees of the image: made once, however many ask."""
        return look(self.image.array[0])

    @classmethod
    def of(cls, image: Image, label: np.ndarray, most_voxels: int) -> Reference:
        """A reference that is small enough to keep: about the structures, and coarser where it must be.

        Values become 8 bits between their 0.5th and 99.5th percentile.

        Args:
            image: The prepared image.
            label: On its grid.
            most_voxels: That are kept.
        """
        image, label = fitted_to(image, label, most_voxels)
        array = image.array[:1].astype(np.float32)
        lowest, highest = np.percentile(array, [0.5, 99.5])
        scaled = (array - lowest) * (255 / max(highest - lowest, 1e-12))
        return cls(image.with_array(np.clip(np.rint(scaled), 0, 255).astype(np.uint8)), label.astype(np.int8))

    def to_state(self) -> dict[str, Any]:
        return {"image": self.image.array, "label": self.label, "affine_mm": self.image.affine_mm}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Reference:
        return cls(Image(np.asarray(state["image"]), np.asarray(state["affine_mm"])), np.asarray(state["label"]))


def fitted_to(image: Image, label: np.ndarray, most_voxels: int) -> tuple[Image, np.ndarray]:
    """An image and its label map with no more than so many voxels.

    One that is small enough is left as it is. A larger one is cut to the box about the structures, with half the box's
    side around it, and made coarser if that does not do.
    """
    if label.size > most_voxels and (label > 0).any():
        boxes = []
        for axis in range(label.ndim):
            along = np.flatnonzero((label > 0).any(tuple(other for other in range(label.ndim) if other != axis)))
            room = max(4, (int(along[-1]) - int(along[0])) // 2)
            boxes.append(slice(max(0, int(along[0]) - room), int(along[-1]) + room + 1))
        shift = np.eye(4)
        shift[: label.ndim, 3] = [box.start for box in boxes]
        image = image.with_array(image.array[(slice(None), *boxes)], image.affine_mm @ shift)
        label = label[tuple(boxes)]
    if label.size > most_voxels:
        factor, shape = 1.0, label.shape
        while np.prod(shape) > most_voxels:  # sides are rounded up, so the first guess may be a little too fine
            factor *= 1.01 * max(1.0, (float(np.prod(shape)) / most_voxels) ** (1 / label.ndim))
            new = [spacing * factor for spacing in image.spacing_mm]
            matrix, shape = spacing_map(label.shape, image.spacing_mm, new)
        whole = np.eye(4)
        whole[:-1, -1][: label.ndim] = matrix[:-1, -1]
        whole[: label.ndim, : label.ndim] = matrix[:-1, :-1]
        array = resample(image.array, matrix, shape, antialias=True)
        label = resample(label[None], matrix, shape, nearest=True)[0]
        image = image.with_array(array, image.affine_mm @ whole)
    return image, label


def thumbnail(image: Image) -> np.ndarray:
    """A picture of a few voxels, mean 0 and length 1, by which images are compared before any is registered."""
    shape = (_THUMBNAIL,) * image.space_dims
    matrix = np.diag([*(size / _THUMBNAIL for size in image.shape), 1.0])
    matrix[:-1, -1] = [(size / _THUMBNAIL - 1) / 2 for size in image.shape]
    small = resample(image.array[:1].astype(np.float32), matrix, shape, antialias=True)[0].ravel()
    small = small - small.mean()
    return small / max(float(np.linalg.norm(small)), 1e-12)


def choose(image: Image, references: Sequence[Reference], number: int) -> list[int]:
    """Positions of the references that look most like an image, the most alike first."""
    own = thumbnail(image)
    alike = np.array([own @ thumbnail(each.image) for each in references])
    return np.argsort(-alike, kind="stable")[:number].tolist()


def lay(image: Image, references: Sequence[Reference], seed: int = 0) -> list[Registration | None]:
    """Lay an image onto each reference; None where registration failed.

    Registration looks at the image alone, not at its segmentation: several segmentations of one image share it.
    """
    found: list[Registration | None] = []
    for reference in references:
        try:
            found.append(register(image, reference.image, "deformable", seed=seed, effort="quick"))
        except PreceptorError as error:
            if error.problem.code not in ("registration_failed", "registration_unfit"):
                raise
            found.append(None)
    return found


def evidence(
    image: Image,
    label: np.ndarray,
    references: Sequence[Reference],
    laid: Sequence[Registration | None],
    classes: int,
    *,
    forest: bool = True,
    seed: int = 0,
) -> np.ndarray:
    """What a segmentation can teach.

    Args:
        image: That was segmented.
        label: ``(*space,)`` class index on its grid: the segmentation to judge.
        references: With their truth.
        laid: The image on each of them, from `lay`.
        classes: Background included.
        forest: Whether to ask the forest; its columns are NaN otherwise.
        seed: Of the forest.

    Returns:
        ``(structure, column)`` float64, columns as in `COLUMNS`; 0 where the structure is empty, NaN where no reference
        could be used.
    """
    pairs = [(reference, each) for reference, each in zip(references, laid, strict=True) if each is not None]
    found = np.full((classes - 1, len(COLUMNS)), np.nan)
    if pairs:
        as_image = image.with_array(label[None].astype(np.uint8))
        carried = [
            _dice(reference.label, warp(as_image, each, nearest=True).array[0], classes) for reference, each in pairs
        ]
        found[:, 0], found[:, 1] = best_and_mean(carried)
    if pairs and forest:
        pupil = ReverseForest.fit(image, label, classes, seed)
        answers = []
        for reference, each in pairs:
            # A third of the voxels, evenly spread, counts the overlap as well and three times as fast.
            at = np.flatnonzero(np.indices(reference.label.shape).sum(0).ravel() % 3 == 0)
            answers.append(
                _dice(reference.label.ravel()[at], pupil(reference.image, each, at, reference.looks), classes)
            )
        found[:, 2], found[:, 3] = best_and_mean(answers)
    empty = [not (label == index).any() for index in range(1, classes)]
    found[empty] = 0.0
    return found


def best_and_mean(per_reference: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Over references: ``(structure,)`` each; NaN where none knows the structure."""
    table = np.stack(per_reference)
    known = ~np.isnan(table)
    best = np.where(known, table, -1).max(0)
    mean = np.where(known, table, 0).sum(0) / np.maximum(known.sum(0), 1)
    return np.where(known.any(0), best, np.nan), np.where(known.any(0), mean, np.nan)


def _dice(truth: np.ndarray, answer: np.ndarray, classes: int) -> np.ndarray:
    """``(structure,)``; a reference that lacks the structure has nothing to say of it (NaN)."""
    counts = overlap(truth.astype(np.int64), answer.astype(np.int64), classes)
    return np.where(counts.truth > 0, dice(counts), np.nan)[1:]


@dataclass(frozen=True, eq=False)
class Calibration:
    """From what a segmentation can teach to a Dice.

    Args:
        weights: ``(1 + columns,)``: the constant, then one for each column used.
        columns: Names of the columns used.
        spread: Root mean square error on the segmentations it was fitted on.
        cases: Of how many cases these were.
    """

    weights: np.ndarray
    columns: tuple[str, ...]
    spread: float
    cases: int

    @classmethod
    def fit(cls, evidences: np.ndarray, real: np.ndarray, cases: int) -> Calibration:
        """Least squares, with a touch of ridge so that columns that say the same share the weight.

        Args:
            evidences: ``(segmentation, column)``.
            real: ``(segmentation,)`` the Dice that each truly had.
            cases: Of how many cases.
        """
        used = [at for at in range(len(COLUMNS)) if not np.isnan(evidences[:, at]).all()]
        known = ~np.isnan(evidences[:, used]).any(1) & ~np.isnan(real)
        x = np.column_stack([np.ones(known.sum()), evidences[known][:, used]])
        penalty = np.diag([0.0] + [1e-3 * len(x)] * len(used))
        weights = np.linalg.solve(x.T @ x + penalty, x.T @ real[known])
        spread = float(np.sqrt(np.mean((x @ weights - real[known]) ** 2)))
        return cls(weights, tuple(COLUMNS[at] for at in used), spread, cases)

    def __call__(self, evidences: np.ndarray) -> np.ndarray:
        """``(structure,)`` foretold Dice in 0..1; 0 where the structure is empty."""
        used = [COLUMNS.index(name) for name in self.columns]
        foretold = self.weights[0] + evidences[:, used] @ self.weights[1:]
        return np.where((evidences == 0).all(1), 0.0, np.clip(foretold, 0.0, 1.0))

    def to_state(self) -> dict[str, Any]:
        return {"weights": self.weights, "columns": list(self.columns), "spread": self.spread, "cases": self.cases}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Calibration:
        return cls(np.asarray(state["weights"]), tuple(state["columns"]), float(state["spread"]), int(state["cases"]))
