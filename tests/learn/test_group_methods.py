"""Reweighing and group DRO in the loop, and what they can't be asked for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from preceptor.core.batch import Index
from preceptor.core.errors import RecipeError
from preceptor.core.slots import build
from preceptor.learn.fit import Training

from .training import same, tiny_cohort, tiny_recipe, train, workshop


def _training(folder, method):
    recipe = tiny_recipe(methods=[method], train={"epochs": 2, "batch_size": 8})
    cohort = tiny_cohort(folder / "data")
    return Training(recipe, cohort, workshop(folder, recipe), folder / "fits" / "0", (), None)


def test_shares_move_while_training_and_a_resumed_run_goes_on_with_them(tmp_path):
    training = _training(tmp_path, {"group_dro": {"field": "site", "classes": 2, "rate": 0.5}})
    training.run_epoch()
    share = training.methods.by_name["group_dro"].share.clone()
    assert share.sum().item() == pytest.approx(1) and share[:4].std() > 0 and (share[4:] == 0).all()
    again = _training(tmp_path, {"group_dro": {"field": "site", "classes": 2, "rate": 0.5}})
    again.resume()
    assert torch.equal(again.methods.by_name["group_dro"].share, share)


def test_it_trains_otherwise_than_without(tmp_path):
    weights = [
        train(tmp_path / str(number), tiny_recipe(methods=methods), tiny_cohort(tmp_path / "data"))[1]
        for number, methods in enumerate(([], [{"group_dro": {"field": "site", "rate": 1.0}}]))
    ]
    assert not same(*weights)


def test_reweighing_trains(tmp_path):
    training = _training(tmp_path, {"reweighing": {"field": "site"}})
    training.run_epoch()
    assert training.epoch == 1


def _index(targets, fields):
    return Index(list("abcd"), np.arange(4), -np.ones(4), np.ones(4) / 4, targets, fields)


@pytest.mark.parametrize(
    ("targets", "fields", "code"),
    [
        ({"y": np.array([0.0, 1.0, np.nan, 1.0])}, {"site": list("aabb")}, "reweighing_target"),
        ({}, {"site": list("aabb")}, "reweighing_target"),
        ({"y": np.array([0, 1, 0, 1])}, {"site": list("aaaa")}, "groups_few"),
        ({"y": np.array([0, 1, 0, 1])}, {}, "groups_few"),
    ],
)
def test_reweighing_needs_classes_and_groups(targets, fields, code):
    with pytest.raises(RecipeError) as told:
        build("methods", {"reweighing": {"field": "site"}}).sampler(_index(targets, fields))
    assert told.value.problem.code == code


def test_where_group_and_class_are_one_nothing_can_be_drawn_otherwise():
    index = _index({"y": np.array([0, 0, 1, 1])}, {"site": list("aabb")})
    assert build("methods", {"reweighing": {"field": "site"}}).sampler(index) == pytest.approx([0.25] * 4)
