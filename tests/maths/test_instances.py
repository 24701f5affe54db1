"""Numbered objects: panoptic quality, aggregated Jaccard and object Dice of maps small enough to count by hand."""

from __future__ import annotations

import numpy as np
import pytest

from preceptor.maths.instances import Objects, aggregated_jaccard, object_dice, panoptic


@pytest.fixture
def maps():
    """Truth: 1 (8 pixels), 2 (6), 3 (4). Answer: 7 shares 6 of its 6 with 1; 8 shares 3 of 5 with 2; 9 (2) nothing."""
    truth, answer = np.zeros((2, 10, 10), int)
    truth[0, :8], truth[2, :6], truth[4, :4] = 1, 2, 3
    answer[0, :6], answer[2, 3:8], answer[6, :2] = 7, 8, 9
    return truth, answer


def test_panoptic_quality_by_hand(maps):
    found = panoptic(Objects.of(*maps))
    # 1 and 7: 6/8; 2 and 8: 3/(6+5-3) = 3/8, no match.
    assert (found.matched, found.missed, found.invented) == (1, 2, 2)
    assert found.quality == pytest.approx(0.75 / 3) and found.detection == pytest.approx(1 / 3)
    assert found.segmentation == pytest.approx(0.75)
    assert panoptic(Objects.of(*maps), over=0.75).matched == 0  # above, not at
    with pytest.raises(ValueError, match="not unique"):
        Objects.of(*maps).matched(0.3)


def test_aggregated_jaccard_by_hand(maps):
    # Shared 6 + 3; unions 8 + 8; object 3 (4) and answer 9 (2) are nobody's.
    assert aggregated_jaccard(Objects.of(*maps)) == pytest.approx(9 / (8 + 8 + 4 + 2))


def test_an_answer_that_is_best_for_two_counts_twice_in_the_union():
    truth, answer = np.array([1, 1, 0, 2, 2, 2]), np.array([5, 5, 5, 5, 5, 5])
    assert aggregated_jaccard(Objects.of(truth, answer)) == pytest.approx((2 + 3) / (6 + 6))


def test_object_dice_by_hand(maps):
    one, two = 2 * 6 / 14, 2 * 3 / 11
    expected = ((8 * one + 6 * two) / 18 + (6 * one + 5 * two) / 13) / 2
    assert object_dice(Objects.of(*maps)) == pytest.approx(expected)


def test_equal_maps_under_other_numbers_are_perfect(maps):
    truth, _ = maps
    renumbered = np.choose(truth, [0, 40, 7, 19])
    objects = Objects.of(truth, renumbered)
    assert panoptic(objects).quality == aggregated_jaccard(objects) == object_dice(objects) == 1
    split = truth.copy()
    split[0, 4:8] = 4  # one object told as two halves: neither is more than half of it
    halves = panoptic(Objects.of(truth, split))
    assert (halves.matched, halves.missed, halves.invented) == (2, 1, 2)


def test_maps_without_objects():
    nothing, one = np.zeros(6, int), np.array([0, 1, 1, 0, 0, 0])
    empty, missed, invented = Objects.of(nothing, nothing), Objects.of(one, nothing), Objects.of(nothing, one)
    for measure in (lambda each: panoptic(each).quality, aggregated_jaccard, object_dice):
        assert np.isnan(measure(empty)) and measure(missed) == 0 and measure(invented) == 0
    assert np.isnan(panoptic(missed).segmentation)
    unseen = Objects.of(np.array([-1, 1, 1, 0]), np.array([3, 1, 1, 0]))
    assert panoptic(unseen).quality == 1  # what nobody looked at is no false object
    with pytest.raises(ValueError, match="shape"):
        Objects.of(nothing, one[:2])
