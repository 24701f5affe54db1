"""Tasks: what the truth means to the loop, and how answers are written back."""

from __future__ import annotations

import numpy as np
import pytest

from preceptor.core.errors import CohortError, RecipeError
from preceptor.learn.tasks.segmentation import Segmentation


def test_numbered_objects_are_one_structure_and_are_numbered_anew():
    task = Segmentation({"nucleus": 1}, numbered=True)
    objects = np.array([[0, 7, 7, 0, 300], [0, 7, 0, 0, 300], [0, 0, 0, 0, 0], [5, 5, 0, 12, 12]], dtype=np.uint16)
    index = task.encode_mask(objects)
    assert index.dtype == np.int8 and (index == (objects > 0)).all()
    again = task.decode_mask(index)
    assert len(np.unique(again)) == 5, "four objects and the background"
    assert all(len(np.unique(again[objects == number])) == 1 for number in np.unique(objects))
    assert task.question.numbered


def test_objects_that_touch_become_one_and_corners_do_not_touch():
    task = Segmentation({"nucleus": 1}, numbered=True)
    assert task.decode_mask(task.encode_mask(np.array([[1, 2], [0, 0]]))).max() == 1
    assert task.decode_mask(task.encode_mask(np.array([[1, 0], [0, 2]]))).max() == 2


def test_unlabelled_stays_unlabelled_among_numbered_objects():
    task = Segmentation({"nucleus": 1}, unlabelled=[255], numbered=True)
    assert task.encode_mask(np.array([0, 3, 255])).tolist() == [0, 1, -1]


def test_numbers_tell_no_structures_apart():
    with pytest.raises(RecipeError, match="2 structures"):
        Segmentation({"nucleus": 1, "cell": 2}, numbered=True)
    with pytest.raises(CohortError, match="undeclared value 3"):
        Segmentation({"nucleus": 1}).encode_mask(np.array([0, 1, 3]))
