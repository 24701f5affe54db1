"""SWAG: the drawn weights have the published mean and covariance, doubt grows away from data, and a kill changes nothing."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from preceptor.core.batch import EpochEnd
from preceptor.core.errors import RecipeError, TrainError
from preceptor.core.slots import build
from preceptor.core.state import read_state
from preceptor.learn.fit import Training, fit
from preceptor.learn.hooks import Methods
from preceptor.learn.members import refresh_statistics
from preceptor.learn.methods.swag import SWAG
from preceptor.recipe.resolve import Recipe

from .training import CLASSES, tiny_cohort, tiny_recipe, workshop


def recipe(**changes) -> Recipe:
    """As the tiny one, but a whole `Recipe`: the strategy makes another of it."""
    tiny = tiny_recipe(train={"epochs": 3, "optimizer": {"sgd": {"lr": 0.05, "momentum": 0.9}}})
    given = {"train": tiny.train, "methods": (), **changes}
    return Recipe("tiny", 7, {}, CLASSES, {"mine": {}}, ({"cross_entropy": {}},), **given)


def collected(rank: int, weights: np.ndarray) -> tuple[SWAG, torch.nn.Linear]:
    network = torch.nn.Linear(weights.shape[1], 1, bias=False)
    method = SWAG(members=40_000, rank=rank)
    method.setup(network, None)
    method.generator = torch.Generator().manual_seed(1)
    for each in weights:
        network.weight.data = torch.tensor(each[None], dtype=torch.float32)
        method.collect()
    return method, network


def published(weights: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance by algorithm 1 and equation 1, written out: moments, and deviations of the running mean."""
    running = np.cumsum(weights, 0) / np.arange(1, len(weights) + 1)[:, None]
    columns = (weights - running)[-rank:].T
    diagonal = (weights**2).mean(0) - running[-1] ** 2
    return running[-1], (np.diag(diagonal) + columns @ columns.T / (columns.shape[1] - 1)) / 2


@pytest.mark.parametrize("rank", [3, 50])
def test_draws_have_the_published_mean_and_covariance(rank):
    """Weights of a linear model drawn from a known normal distribution, with correlated entries far from zero."""
    rng = np.random.default_rng(0)
    factor = np.array([[0.3, 0.0, 0.0], [0.2, 0.1, 0.0], [-0.1, 0.05, 0.2]])
    weights = np.array([5.0, -1.0, 0.0]) + rng.normal(size=(30, 3)) @ factor.T
    method, network = collected(rank, weights)
    drawn = np.concatenate([each["weight"].numpy() for each in method.members_of(network)]).astype(float)
    mean, covariance = published(weights, rank)
    assert drawn.mean(0) == pytest.approx(mean, abs=5e-3)
    scale = np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    assert np.abs(np.cov(drawn.T) - covariance).max() < 0.03 * scale.max()


def test_many_collected_weights_give_back_the_distribution_they_came_from():
    """Half of the covariance comes from the diagonal and half from the deviations: the whole where it is diagonal."""
    rng = np.random.default_rng(2)
    weights = np.array([1.0, -2.0]) + rng.normal(size=(4000, 2)) * np.array([0.5, 0.1])
    method, network = collected(4000, weights)
    drawn = np.concatenate([each["weight"].numpy() for each in method.members_of(network)])
    assert drawn.mean(0) == pytest.approx([1, -2], abs=0.03)
    assert drawn.std(0) == pytest.approx([0.5, 0.1], rel=0.05)


def test_only_epochs_after_the_first_so_many_enter():
    method, network = SWAG(after_epochs=2), torch.nn.Linear(1, 1)
    method.setup(network, None)
    for epoch in range(5):
        method.after_epoch(EpochEnd(epoch, None, True, None, {}))
    assert int(method.collected) == 3


def test_one_epoch_has_no_spread():
    method, network = SWAG(), torch.nn.Linear(1, 1)
    method.setup(network, None)
    method.collect()
    with pytest.raises(TrainError) as caught:
        next(iter(method.members_of(network)))
    assert caught.value.problem.code == "swag_too_short"


def test_two_methods_that_draw_members_are_refused(monkeypatch):
    from preceptor.learn.methods.ema import EMA

    monkeypatch.setattr(EMA, "members_of", lambda self, network: iter(()), raising=False)
    with pytest.raises(RecipeError) as caught:
        Methods(["ema", "swag"], 7)
    assert caught.value.problem.code == "two_members_of"


def test_statistics_of_batch_normalisation_are_the_mean_over_the_batches():
    class Batch:
        present, fields = {}, {}

        def __init__(self, images):
            self.images = {"image": images}

    network = torch.nn.Sequential(torch.nn.Dropout(0.9), torch.nn.BatchNorm1d(2))
    network[1].running_mean.fill_(9.0)
    rows = torch.randn(4, 8, 2, generator=torch.Generator().manual_seed(0))
    refresh_statistics(network.train(), lambda: map(Batch, rows))
    assert torch.allclose(network[1].running_mean, rows.mean((0, 1)), atol=1e-6), "every batch counts, no dropout"
    assert torch.allclose(network[1].running_var, rows.var(1).mean(0), atol=1e-5)
    assert network[0].training and network[1].training and network[1].momentum == 0.1


def test_the_tail_goes_on_from_the_first_training_and_its_members_vote(tmp_path):
    given = recipe(methods=({"ema": {}},))
    shop = workshop(tmp_path / "run", given)
    bound = build("strategies", {"swag": {"members": 3, "rank": 4, "tail": 1.0}}).bind(partial(fit, shop=shop))
    cohort = tiny_cohort(tmp_path / "data")
    members = bound(given, cohort)
    assert [each.path for each in members] == [(1, 0), (1, 1), (1, 2)]
    assert {each.cohort.digest() for each in members} == {cohort.digest()}, "they answer together"
    weights = [read_state(each.folder / "best.safetensors")[0] for each in members]
    assert not torch.equal(weights[0]["head.weight"], weights[1]["head.weight"])
    means = [each["body.1.running_mean"] for each in weights]
    assert not torch.equal(means[0], means[1]), "statistics are of these weights"
    assert bound(given, cohort) == members, "what is done is not done again"


def test_the_tail_keeps_a_constant_share_of_the_rate_and_the_other_methods():
    tail = build("strategies", {"swag": {"rate": 0.5}})._tail_of(recipe(methods=({"ema": {}},)))
    assert tail.train.optimizer == {"sgd": {"lr": 0.025, "momentum": 0.9}} and tail.train.schedule == {"constant": {}}
    assert [next(iter(each)) for each in tail.methods] == ["ema", "swag"]
    assert tail.train.epochs == 2, "half of three, two at least"


def test_killed_in_the_tail_it_draws_the_same_networks(tmp_path):
    """Stopped after a checkpoint inside the tail's second epoch, with moments and generators to restore."""
    given = replace(recipe(), methods=({"swag": {"members": 2, "rank": 3}},))
    given = replace(given, train=replace(given.train, epochs=4, checkpoint_every_minutes=1e-9))
    cohort = tiny_cohort(tmp_path / "data")
    unbroken = fit(given, cohort, shop=workshop(tmp_path / "unbroken", given))

    shop = workshop(tmp_path / "broken", given)
    training = Training(given, cohort, shop, shop.folder / "fits" / "0", (), None)
    training.run_epoch()
    learn, left = training._learn, [2]

    def killed(batches):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        learn(batches)

    training._learn = killed
    with pytest.raises(KeyboardInterrupt):
        training.run_epoch()
    training.taps.remove()
    torch.manual_seed(123)
    resumed = fit(given, cohort, shop=workshop(tmp_path / "broken", given))
    for one, two in zip(unbroken, resumed, strict=True):
        left_weights, right_weights = (read_state(each.folder / "best.safetensors")[0] for each in (one, two))
        assert all(torch.equal(left_weights[name], right_weights[name]) for name in left_weights)


def test_doubt_of_the_model_grows_away_from_the_data():
    """A line through noisy points about 0: SGD wanders as far as they leave the line open, more so farther out."""
    rng = torch.Generator().manual_seed(0)
    x = torch.rand(64, 1, generator=rng) * 2 - 1
    y = 0.5 * x + 0.3 * torch.randn(64, 1, generator=rng)
    network = torch.nn.Sequential(torch.nn.Linear(1, 32), torch.nn.Tanh(), torch.nn.Linear(32, 1))
    method = SWAG(members=40, rank=20)
    method.setup(network, None)
    method.generator = torch.Generator().manual_seed(3)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
    for epoch in range(120):
        for chosen in torch.randperm(64, generator=rng).split(8):
            optimizer.zero_grad()
            (network(x[chosen]) - y[chosen]).square().mean().backward()
            optimizer.step()
        if epoch >= 60:
            method.collect()
    asked = torch.tensor([[0.0], [0.5], [2.0], [4.0]])
    answers = []
    for weights in method.members_of(network):
        network.load_state_dict(dict(weights))
        answers.append(network(asked).detach())
    inside, edge, outside, far = torch.stack(answers).std(0)[:, 0].tolist()
    assert max(inside, edge) < outside < far and far > 2 * max(inside, edge)
