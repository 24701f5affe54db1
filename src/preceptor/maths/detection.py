"""Marks and lesions: which mark hits which lesion, FROC curves and average precision.

A mark has a score and lies somewhere; so does a lesion, without a score. What counts as a hit is decided before, in a
matrix of similarities; everything here begins from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .intervals import Resamples, Statistic

#: Recalls at which COCO reads the precision.
_RECALLS = np.linspace(0, 1, 101)


@dataclass(frozen=True, eq=False)
class Marks:
    """All marks of all images.

    Args:
        image: ``(mark,)`` position of its image.
        score: ``(mark,)``, higher is surer.
        lesion: ``(mark,)`` position of the lesion it hits, -1 where it hits none.
        lesion_image: ``(lesion,)`` position of its image.
        images: How many there are, those without lesion or mark included.
    """

    image: np.ndarray
    score: np.ndarray
    lesion: np.ndarray
    lesion_image: np.ndarray
    images: int


class Froc(NamedTuple):
    """Sensitivity against false positives, from the highest threshold down, the first point being "no mark counts".

    Args:
        threshold: Marks count from this score on; infinite at first.
        sensitivity: Share of all lesions that a mark hits.
        false_positives: Marks that hit nothing, per image.
    """

    threshold: np.ndarray
    sensitivity: np.ndarray
    false_positives: np.ndarray

    def at(self, threshold: float) -> tuple[float, float]:
        """``(sensitivity, false positives per image)`` of the marks with at least that score."""
        point = int(np.sum(self.threshold >= threshold)) - 1
        return float(self.sensitivity[point]), float(self.false_positives[point])


def froc(marks: Marks) -> Froc:
    """The free-response ROC curve.

    A second mark on one lesion is neither hit nor false positive; images without lesions count in the denominator.

    Source: Bunch 1978; Chakraborty & Winter 1990.
    """
    score, image, found, ends = _events(marks)
    hits, alarms = np.cumsum(found)[ends], np.cumsum(~found)[ends]
    lesions = len(marks.lesion_image)
    sensitivity = np.append(0.0, hits) / lesions if lesions else np.full(len(ends) + 1, np.nan)
    return Froc(np.append(np.inf, score[ends]), sensitivity, np.append(0.0, alarms) / marks.images)


def sensitivity_statistic(marks: Marks, rates: Sequence[float], resamples: Resamples) -> Statistic:
    """Mean sensitivity at some rates of false positives per image, of resampled clusters; NaN without a lesion.

    At each rate the highest sensitivity that costs no more false positives counts: nothing is interpolated.

    Args:
        marks: Of the images that are resampled.
        rates: False positives per image.
        resamples: Of the images.

    Source: van Ginneken 2010 (rates of 1/8 to 8: the score of LUNA16, there with interpolation).
    """
    _, image, found, ends = _events(marks)
    cluster, lesion_cluster = resamples.cluster[image], resamples.cluster[marks.lesion_image]

    def statistic(counts: np.ndarray) -> np.ndarray:
        drawn = counts[cluster]
        nothing = np.zeros((1, counts.shape[1]))
        hits = np.concatenate([nothing, np.cumsum(drawn * found[:, None], axis=0)[ends]])
        alarms = np.concatenate([nothing, np.cumsum(drawn * ~found[:, None], axis=0)[ends]])
        images, lesions = counts[resamples.cluster].sum(0), counts[lesion_cluster].sum(0)
        reached = np.zeros(counts.shape[1])
        for rate in rates:
            # Rounded sums of whole numbers: a rate that is met exactly is met.
            last = np.sum(alarms <= rate * images * (1 + 1e-12), axis=0) - 1
            reached += np.take_along_axis(hits, last[None], axis=0)[0]
        return np.divide(reached / len(rates), lesions, out=np.full(len(lesions), np.nan), where=lesions > 0)

    return statistic


def best_lesion(similarity: np.ndarray) -> np.ndarray:
    """``(mark,)`` the most similar lesion of each mark, -1 where none is a hit: several marks may share a lesion.

    Args:
        similarity: ``(mark, lesion)``; NaN where a mark is no hit.
    """
    if not similarity.shape[1]:
        return np.full(len(similarity), -1)
    allowed = np.where(np.isnan(similarity), -np.inf, similarity)
    return np.where(np.isfinite(allowed.max(1)), allowed.argmax(1), -1)


def one_to_one(similarity: np.ndarray, score: np.ndarray) -> np.ndarray:
    """``(mark,)`` the lesion of each mark, -1 where none: each lesion is given once, to the surest mark first.

    Args:
        similarity: ``(mark, lesion)``; NaN where a mark is no hit.
        score: ``(mark,)``.

    Source: Lin 2014 (the matching of COCO).
    """
    given = np.full(len(score), -1)
    free = np.where(np.isnan(similarity), -np.inf, similarity)
    for mark in np.argsort(-np.asarray(score), kind="stable"):
        if free.shape[1] and np.isfinite(free[mark].max()):
            given[mark] = free[mark].argmax()
            free[:, given[mark]] = -np.inf
    return given


def precision_statistic(marks: Marks, resamples: Resamples) -> Statistic:
    """Average precision of resampled clusters, as COCO computes it; NaN in a resample without a lesion.

    Precision at each recall is the highest that any lower threshold reaches; its mean over recalls of 0, 0.01 … 1.
    Every mark without a lesion of its own, a second one on the same lesion too, is wrong.

    Args:
        marks: With at most one mark a lesion: see `one_to_one`.
        resamples: Of the images.

    Source: Lin 2014 (COCO); Everingham 2010.
    """
    order = np.argsort(-marks.score, kind="stable")
    ends = _ends(marks.score[order])
    right, cluster = (marks.lesion[order] >= 0)[:, None], resamples.cluster[marks.image[order]]
    lesion_cluster = resamples.cluster[marks.lesion_image]

    def statistic(counts: np.ndarray) -> np.ndarray:
        drawn = counts[cluster]
        hits, called = np.cumsum(drawn * right, axis=0)[ends], np.cumsum(drawn, axis=0)[ends]
        lesions = counts[lesion_cluster].sum(0)
        precision = np.divide(hits, called, out=np.zeros_like(hits), where=called > 0)
        envelope = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
        envelope = np.concatenate([envelope, np.zeros((1, counts.shape[1]))])
        area = np.full(counts.shape[1], np.nan)
        for column in np.flatnonzero(lesions > 0):
            # Whole numbers: a recall of 0.5 must find the 5th of 10 hits whatever 0.01 * 50 rounds to.
            needed = np.searchsorted(hits[:, column], _RECALLS * lesions[column] - 1e-9, "left")
            area[column] = envelope[needed, column].mean()
        return area

    return statistic


def average_precision_of(marks: Marks) -> float:
    """`precision_statistic` of the images as they are."""
    everyone = Resamples.of(np.arange(marks.images), number=1)
    return float(precision_statistic(marks, everyone)(np.ones((marks.images, 1)))[0])


def box_iou(low: np.ndarray, high: np.ndarray, other_low: np.ndarray, other_high: np.ndarray) -> np.ndarray:
    """``(box, other)`` intersection over union of boxes in two or three dimensions.

    Args:
        low, high: ``(box, axis)`` corners in continuous coordinates: a box of one pixel reaches from 3 to 4.
        other_low, other_high: ``(other, axis)``.
    """
    shared = np.minimum(high[:, None], other_high[None]) - np.maximum(low[:, None], other_low[None])
    inside = np.prod(np.clip(shared, 0, None), axis=2)
    either = np.prod(high - low, axis=1)[:, None] + np.prod(other_high - other_low, axis=1)[None] - inside
    return np.divide(inside, either, out=np.zeros_like(inside), where=either > 0)


def _events(marks: Marks) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Score, image and kind (hit, or false positive) of all that moves the curve, and the last of each score."""
    hit = marks.lesion >= 0
    best = np.full(len(marks.lesion_image), -np.inf)
    np.maximum.at(best, marks.lesion[hit], marks.score[hit])
    found = np.isfinite(best)
    score = np.append(best[found], marks.score[~hit])
    image = np.append(marks.lesion_image[found], marks.image[~hit])
    is_hit = np.append(np.ones(int(found.sum()), bool), np.zeros(int((~hit).sum()), bool))
    order = np.argsort(-score, kind="stable")
    return score[order], image[order], is_hit[order], _ends(score[order])


def _ends(score: np.ndarray) -> np.ndarray:
    """Positions at which a run of equal scores ends."""
    return np.flatnonzero(np.append(np.diff(score) != 0, True)) if len(score) else np.zeros(0, dtype=int)
