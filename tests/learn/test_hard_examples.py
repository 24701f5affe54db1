"""Hard examples: what the losses were high on comes up more often, in order and after a pause as well."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from preceptor.core.batch import EpochEnd, Index
from preceptor.core.slots import build
from preceptor.learn.fit import Training

from .training import tiny_cohort, tiny_recipe, workshop

END = EpochEnd(0, None, True, None, {})


def _index(rows: int) -> Index:
    return Index([f"{n}" for n in range(rows)], np.arange(rows), -np.ones(rows), np.ones(rows) / rows)


def _noted(losses: dict[int, float], **settings):
    hard = build("methods", {"hard_examples": settings})
    hard.sampler(_index(4))
    hard.note(torch.tensor(list(losses)), torch.tensor(list(losses.values())))
    hard.after_epoch(END)
    return hard


def test_draws_go_by_the_losses_and_the_unseen_count_as_the_mean():
    hard = _noted({0: 4.0, 1: 2.0, 2: 0.0}, strength=1.0)
    assert hard.sampler(_index(4)) == pytest.approx([4 / 8, 2 / 8, 0, 2 / 8])


def test_strength_keeps_a_share_for_the_rest():
    hard = _noted({0: 3.0, 1: 1.0, 2: 0.0, 3: 0.0}, strength=0.4)
    assert hard.sampler(_index(4)) == pytest.approx([0.15 + 0.3, 0.15 + 0.1, 0.15, 0.15])


def test_memory_blends_epochs_and_what_is_not_drawn_keeps_its_own():
    hard = _noted({0: 4.0, 1: 2.0, 2: 1.0, 3: 1.0}, strength=1.0, memory=0.75)
    hard.note(torch.tensor([0, 0]), torch.tensor([0.0, 2.0]))
    hard.after_epoch(END)
    assert hard.hardness.tolist() == [0.75 * 4 + 0.25 * 1, 2.0, 1.0, 1.0]


def test_the_losses_of_a_step_are_added_up_and_the_unlabelled_are_not_seen():
    """A loss of 0 that nobody could have had is no sign of an easy case."""
    hard = build("methods", "hard_examples")
    hard.sampler(_index(4))
    losses = {"one": torch.tensor([1.0, 2.0, 0.0]), "two": torch.tensor([0.5, 0.0, 0.0])}
    counts = {"one": torch.tensor([1.0, 1.0, 0.0]), "two": torch.tensor([1.0, 0.0, 0.0])}
    step = SimpleNamespace(losses=losses, counts=counts, batch=SimpleNamespace(rows=torch.tensor([3, 1, 0])))
    assert hard.penalty(step) is None
    assert hard.seen.tolist() == [[0, 2, 0, 1.5], [0, 1, 0, 1]]


def _training(folder):
    recipe = tiny_recipe(methods=[{"hard_examples": {"strength": 1.0}}], train={"epochs": 3, "batch_size": 8})
    return Training(recipe, tiny_cohort(folder / "data"), workshop(folder, recipe), folder / "fits" / "0", (), None)


def test_in_training_the_hardest_comes_up_most_and_a_resumed_run_draws_alike(tmp_path):
    training = _training(tmp_path)
    for _ in range(2):
        training.run_epoch()
    hard = training.methods.by_name["hard_examples"]
    known = hard.hardness.isfinite().numpy()
    assert known.mean() > 0.8 and not hard.seen.any()
    chance = hard.sampler(training.loader.index)
    assert np.array_equal(np.argsort(chance[known]), np.argsort(hard.hardness.numpy()[known]))
    assert chance.max() > 1.5 * chance.min()
    again = _training(tmp_path)
    again.resume()
    assert np.array_equal(again.methods.by_name["hard_examples"].sampler(again.loader.index), chance)
    drawn = [[batch.keys for batch in each._batches()] for each in (training, again)]
    assert drawn[0] == drawn[1]
