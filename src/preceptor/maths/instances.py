"""How well the objects of two maps agree, where every object has a number of its own and 0 is the background."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Objects:
    """Sizes of the objects of both maps and of what they share.

    Args:
        truth: ``(true object,)`` voxels.
        answer: ``(answered object,)`` voxels.
        shared: ``(pair,)`` voxels of each pair that touches.
        of_truth, of_answer: ``(pair,)`` positions of the two.
    """

    truth: np.ndarray
    answer: np.ndarray
    shared: np.ndarray
    of_truth: np.ndarray
    of_answer: np.ndarray

    @classmethod
    def of(cls, truth: np.ndarray, answer: np.ndarray) -> Objects:
        """Count in one pass over the voxels.

        Args:
            truth, answer: ``(*space,)`` whole numbers; a negative truth is where nobody looked, and enters nothing.

        Raises:
            ValueError: The maps differ in shape.
        """
        if truth.shape != answer.shape:
            raise ValueError(f"truth has the shape {truth.shape}, the answer {answer.shape}")
        looked = truth >= 0
        truth, answer = truth[looked], answer[looked]
        either = (truth > 0) | (answer > 0)  # most voxels are background in both
        theirs, at = np.unique(np.append(0, truth[either]), return_inverse=True)
        ours, also = np.unique(np.append(0, answer[either]), return_inverse=True)
        table = np.bincount(at[1:] * len(ours) + also[1:], minlength=len(theirs) * len(ours))
        table = table.reshape(len(theirs), len(ours))
        of_truth, of_answer = np.nonzero(table[1:, 1:])
        return cls(table[1:].sum(1), table[:, 1:].sum(0), table[1:, 1:][of_truth, of_answer], of_truth, of_answer)

    @property
    def iou(self) -> np.ndarray:
        """``(pair,)`` intersection over union."""
        return self.shared / (self.truth[self.of_truth] + self.answer[self.of_answer] - self.shared)

    def matched(self, over: float = 0.5) -> np.ndarray:
        """``(pair,)`` whether the two match: an intersection over union above a value of one half or more.

        Above one half no object can match two others, so nothing has to be assigned.

        Raises:
            ValueError: The value is below one half.
        """
        if over < 0.5:
            raise ValueError(
                "objects are matched above an overlap of one half or more: below it matches are not unique"
            )
        return self.iou > over


@dataclass(frozen=True)
class Panoptic:
    """Panoptic quality as its sums, so that images can be averaged or pooled.

    Args:
        overlap: Sum of the intersections over union of matched objects.
        matched, missed, invented: How many objects.
    """

    overlap: float
    matched: int
    missed: int
    invented: int

    @property
    def weight(self) -> float:
        """What the overlap is divided by: a missed and an invented object count one half each."""
        return self.matched + (self.missed + self.invented) / 2

    @property
    def quality(self) -> float:
        """Detection times segmentation; NaN where there is no object in either map."""
        return self.overlap / self.weight if self.weight else float("nan")

    @property
    def detection(self) -> float:
        """The F1 of finding objects."""
        return self.matched / self.weight if self.weight else float("nan")

    @property
    def segmentation(self) -> float:
        """Mean overlap of what was found; NaN where nothing was."""
        return self.overlap / self.matched if self.matched else float("nan")


def panoptic(objects: Objects, over: float = 0.5) -> Panoptic:
    """Panoptic quality of one image.

    Args:
        objects: From `Objects.of`.
        over: Objects match above this intersection over union.

    Source: Kirillov 2019 (arXiv:1801.00868), eq. 1.
    """
    matched = objects.matched(over)
    found = int(matched.sum())
    return Panoptic(float(objects.iou[matched].sum()), found, len(objects.truth) - found, len(objects.answer) - found)


def aggregated_jaccard(objects: Objects) -> float:
    """Aggregated Jaccard index: shared voxels of each true object with its best answer, over the union of all.

    An answered object that is nobody's best adds all its voxels to the union. NaN where there is no object in either.

    Source: Kumar 2017, algorithm 1.
    """
    if not len(objects.truth) and not len(objects.answer):
        return float("nan")
    best = np.full(len(objects.truth), -1)
    order = np.argsort(objects.iou, kind="stable")  # the last one written is the best
    best[objects.of_truth[order]] = order
    touched = best[best >= 0]
    used = np.zeros(len(objects.answer), dtype=bool)
    used[objects.of_answer[touched]] = True
    shared = objects.shared[touched].sum()
    union = objects.truth[objects.of_truth[touched]].sum() + objects.answer[objects.of_answer[touched]].sum() - shared
    return float(shared / (union + objects.truth[best < 0].sum() + objects.answer[~used].sum()))


def object_dice(objects: Objects) -> float:
    """Mean Dice of each object with the one that it shares most with, both ways, weighted by size.

    NaN where there is no object in either map, 0 where there is one in only one.

    Source: Sirinukunwattana 2015 (the score of GlaS), eq. 8.
    """
    if not len(objects.truth) or not len(objects.answer):
        return float("nan") if len(objects.truth) == len(objects.answer) else 0.0
    dice = 2 * objects.shared / (objects.truth[objects.of_truth] + objects.answer[objects.of_answer])
    sides = []
    for sizes, mine in ((objects.truth, objects.of_truth), (objects.answer, objects.of_answer)):
        best = np.full(len(sizes), -1)
        order = np.argsort(objects.shared, kind="stable")
        best[mine[order]] = order
        values = np.where(best >= 0, dice[best] if len(dice) else 0.0, 0.0)
        sides.append(float(values @ sizes / sizes.sum()))
    return sum(sides) / 2
