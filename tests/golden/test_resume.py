"""What a resumed training needs, and what a checkpoint survives."""

from __future__ import annotations

import copy

import pytest

from preceptor.learn import checkpoint
from preceptor.learn.fit import Training
from tests.learn.test_fit import _interrupted
from tests.learn.training import same, tiny_cohort, tiny_recipe, train, workshop

METHODS = ["ema", {"early_stopping": {"patience": 50}}]


def _recipe():
    return tiny_recipe(methods=METHODS, train={"epochs": 4, "checkpoint_every_minutes": 0.0, "schedule": "cosine"})


@pytest.mark.answer("I12.5")
@pytest.mark.parametrize("after", [3, 6, 13])
def test_resumed_is_unbroken_bit_for_bit(tmp_path, after):
    """Batch norm, dropout, AdamW, cosine schedule, an average of the weights: stopped anywhere, every tensor is equal."""
    cohort, recipe = tiny_cohort(tmp_path / "data"), _recipe()
    unbroken, weights = train(tmp_path / "a", recipe, cohort)
    _interrupted(tmp_path / "b", recipe, cohort, after)
    resumed, again = train(tmp_path / "b", recipe, cohort)
    assert same(weights, again)
    left, right = (checkpoint.load(each.folder, print) for each in (unbroken, resumed))
    assert same(left["methods"]["ema"]["module"], right["methods"]["ema"]["module"])
    assert left["best"] == right["best"]
    assert left["scores"] == right["scores"]
    assert (unbroken.folder / "best.safetensors").read_bytes() == (resumed.folder / "best.safetensors").read_bytes()


@pytest.mark.answer("I12.5")
@pytest.mark.parametrize("left_out", ["optimizer", "position", "generators", "methods", "network"])
def test_leaving_one_thing_out_changes_the_weights(tmp_path, left_out):
    """Each part of the state is needed: without it the resumed training is another one."""
    cohort, recipe = tiny_cohort(tmp_path / "data"), _recipe()
    _, weights = train(tmp_path / "a", recipe, cohort)
    _interrupted(tmp_path / "b", recipe, cohort, 6)

    fresh = Training(recipe, cohort, workshop(tmp_path / "fresh", recipe), tmp_path / "fresh" / "fits" / "0", (), None)
    forgotten = copy.deepcopy(fresh.state()[left_out])
    folder = tmp_path / "b" / "fits" / "0"
    state = checkpoint.load(folder, print)
    checkpoint.save(folder, {**state, left_out: forgotten})

    training = Training(recipe, cohort, workshop(tmp_path / "b", recipe), folder, (), None)
    training.resume()
    while training.epoch < recipe.train.epochs:
        training.run_epoch()
    if left_out == "methods":
        assert not same(weights_of(training), weights_of_average(tmp_path / "a"))
    else:
        assert not same(weights, training.network.state_dict())


def weights_of(training):
    return training.methods.by_name["ema"].state_dict()


def weights_of_average(folder):
    return checkpoint.load(folder / "fits" / "0", print)["methods"]["ema"]["module"]
