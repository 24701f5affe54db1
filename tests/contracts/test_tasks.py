"""What holds for every task: its question is whole, labels become targets, maps go to indices and back."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from preceptor.core.cohort import Case
from preceptor.core.errors import CohortError
from preceptor.core.evidence import Question

from .plugins import each, example


@each("tasks")
def test_its_question_is_whole(slot, name):
    task = example(slot, name)
    question = task.question
    assert isinstance(question, Question) and question.task == name
    assert question.target and question.classes and len(set(question.classes)) == len(question.classes)
    assert isinstance(task.varies, bool)
    if question.dense:
        assert task.mask and question.classes[0] == "background"
        assert len(question.values) == len(question.classes)
    else:
        assert task.mask is None


@each("tasks")
def test_an_unlabelled_case_is_unlabelled_and_nothing_else(slot, name):
    task = example(slot, name)
    target = task.encode(Case("case-a", {"image": "a"}))
    if task.question.dense:
        assert target == {}
        return
    value = np.asarray(target[task.question.target])
    assert np.isnan(value).all() if np.issubdtype(value.dtype, np.floating) else (value == -1).all()
    labelled = np.asarray(task.encode(Case("a", {}, labels=_labels(task)))[task.question.target])
    assert labelled.shape == value.shape and labelled.dtype == value.dtype
    assert not np.isnan(labelled).any() and (labelled != value).all()


@each("tasks")
def test_a_strange_label_is_never_taken_for_another(slot, name):
    task = example(slot, name)
    if task.question.dense:
        with pytest.raises(CohortError):
            task.encode_mask(np.array([[0, 77]]))
        return
    strange = Case("case-a", {}, labels=dict.fromkeys(_labels(task), "no such answer"))
    try:
        value = np.asarray(task.encode(strange)[task.question.target])
    except CohortError:
        return
    assert (value == -1).all(), "what no class names is unlabelled, or refused by a known error"


@each("tasks")
def test_maps_go_to_indices_and_back(slot, name):
    task = example(slot, name)
    if not task.question.dense:
        pytest.skip("no map")
    values = np.array(task.question.values).reshape(1, -1)
    index = task.encode_mask(values)
    assert index.dtype == np.int8 and index.tolist() == [list(range(len(task.question.classes)))]
    assert (task.decode_mask(index) == values).all()


@each("tasks")
def test_the_call_keeps_the_shapes(slot, name):
    task = example(slot, name)
    images = {"image": torch.randn(1, 8, 8)}
    targets = {
        key: torch.as_tensor(np.asarray(v)) for key, v in task.encode(Case("a", {}, labels=_labels(task))).items()
    }
    for seed in (0, 0):
        given = {view: image.clone() for view, image in images.items()}
        new_images, new_targets = task(given, dict(targets), np.random.default_rng(seed))
        assert set(new_targets) == set(targets) and new_images["image"].shape[0] == 1
        if not task.varies:
            assert torch.equal(new_images["image"], images["image"])


def _labels(task) -> dict:
    """A label for every column the task reads."""
    question = task.question
    if question.dense:
        return {}
    if question.task == "survival":
        return dict.fromkeys(question.follow_up_columns, 1.0)
    if question.is_regression:
        return {question.target: 61.5}
    if question.exclusive:
        return {question.target: question.classes[-1]}
    return dict.fromkeys(question.classes, 1)
