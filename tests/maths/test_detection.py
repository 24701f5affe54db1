"""Detection: matching, overlap, average precision as COCO's own loop computes it, resampled at once."""

from __future__ import annotations

import numpy as np
import pytest

from preceptor.maths.detection import (
    Marks,
    average_precision_of,
    best_lesion,
    box_iou,
    froc,
    one_to_one,
    precision_statistic,
    sensitivity_statistic,
)
from preceptor.maths.intervals import Resamples


def as_coco_does(marks):
    """The accumulation of pycocotools' `COCOeval`, written out for one class and one overlap."""
    order = np.argsort(-marks.score, kind="mergesort")
    right = marks.lesion[order] >= 0
    true, false = np.cumsum(right).astype(float), np.cumsum(~right).astype(float)
    recall = true / len(marks.lesion_image)
    precision = (true / (false + true + np.spacing(1))).tolist()
    for at in range(len(precision) - 1, 0, -1):
        precision[at - 1] = max(precision[at - 1], precision[at])
    read = np.zeros(101)
    for slot, at in enumerate(np.searchsorted(recall, np.linspace(0, 1, 101), side="left")):
        if at < len(precision):
            read[slot] = precision[at]
    return read.mean()


def drawn_again(marks, counts):
    """The marks of drawn images, a twice drawn image being two images."""
    image, score, lesion, lesion_image, total = [], [], [], [], 0
    new = 0
    for old, times in enumerate(counts.astype(int)):
        mine, lesions = np.flatnonzero(marks.image == old), np.flatnonzero(marks.lesion_image == old)
        for _ in range(times):
            place = {each: total + at for at, each in enumerate(lesions)}
            image += [new] * len(mine)
            score += marks.score[mine].tolist()
            lesion += [place.get(each, -1) for each in marks.lesion[mine]]
            lesion_image += [new] * len(lesions)
            total, new = total + len(lesions), new + 1
    return Marks(np.array(image), np.array(score), np.array(lesion), np.array(lesion_image), new)


@pytest.fixture
def many():
    """40 images with 0 to 3 lesions; each is hit by at most one mark; scores differ."""
    generator = np.random.default_rng(0)
    lesion_image = np.repeat(np.arange(40), generator.integers(0, 4, 40))
    hit = np.flatnonzero(generator.random(len(lesion_image)) < 0.7)
    false = generator.integers(0, 40, 50)
    image = np.append(lesion_image[hit], false)
    score = np.append(generator.normal(1, 1, len(hit)), generator.normal(0, 1, 50))
    return Marks(image, score, np.append(hit, np.full(50, -1)), lesion_image, 40)


def test_average_precision_is_cocos(many):
    assert average_precision_of(many) == pytest.approx(as_coco_does(many), abs=1e-12)
    nothing = Marks(np.zeros(0, int), np.zeros(0), np.zeros(0, int), many.lesion_image, 40)
    assert average_precision_of(nothing) == 0


def test_every_resample_is_that_of_its_own_images(many):
    resamples = Resamples.of(np.arange(40), 12)
    precision = precision_statistic(many, resamples)(resamples.counts)
    sensitivity = sensitivity_statistic(many, [0.25, 0.5], resamples)(resamples.counts)
    for column, counts in enumerate(resamples.counts.T):
        again = drawn_again(many, counts)
        # A mark drawn twice stands twice at one score: both are counted before the precision is read there.
        exact = np.sort(again.score)
        assert precision[column] == pytest.approx(average_precision_of(again), abs=1e-12), exact[:2]
        curve = froc(again)
        reached = [curve.sensitivity[curve.false_positives <= rate + 1e-12].max() for rate in (0.25, 0.5)]
        assert sensitivity[column] == pytest.approx(np.mean(reached), abs=1e-12)


def test_without_a_lesion_nothing_is_measured():
    none = Marks(np.array([0]), np.array([0.5]), np.array([-1]), np.zeros(0, int), 2)
    assert np.isnan(average_precision_of(none)) and np.isnan(froc(none).sensitivity).all()


def test_overlap_of_boxes_in_two_and_three_dimensions():
    low, high = np.array([[0.0, 0], [5, 5]]), np.array([[2.0, 2], [6, 6]])
    other_low, other_high = np.array([[1.0, 0]]), np.array([[3.0, 2]])
    assert box_iou(low, high, other_low, other_high)[:, 0] == pytest.approx([2 / 6, 0])
    cube = np.zeros((1, 3)), np.full((1, 3), 2.0)
    half = np.array([[0.0, 0, 1]]), np.array([[2.0, 2, 3]])
    assert box_iou(*cube, *half)[0, 0] == pytest.approx(4 / 12)
    assert box_iou(low, low, low, low)[0, 0] == 0  # points have no overlap


def test_the_surest_mark_takes_a_lesion_and_any_mark_may_find_it():
    similarity = np.array([[0.6, 0.9], [0.7, np.nan], [np.nan, 0.8]])
    assert one_to_one(similarity, np.array([0.9, 0.8, 0.7])).tolist() == [1, 0, -1]
    assert one_to_one(similarity, np.array([0.5, 0.8, 0.7])).tolist() == [-1, 0, 1]
    assert best_lesion(similarity).tolist() == [1, 0, 1]
    assert best_lesion(np.zeros((2, 0))).tolist() == [-1, -1]
