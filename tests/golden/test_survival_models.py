"""Known answer of effects that change over time: hazards that cross, which a proportional model can't follow."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from preceptor.maths.concordance import antolini
from preceptor.maths.survival_curves import breslow, censoring_distribution, survival_of
from preceptor.maths.survival_losses import (
    cox,
    cox_case_control,
    cox_time_baseline,
    deephit_likelihood,
    deephit_ranking,
    hazard_survival,
    logistic_hazard,
)
from preceptor.maths.survival_measures import brier, integrated

from .seeds import seeds

TURN = 1.5


def crossing(cases: int, generator: np.random.Generator):
    """Features, time and event: the first feature hastens the event before the turn and delays it after."""
    features = generator.normal(size=(cases, 3))
    early, late = 0.25 * np.exp(1.5 * features[:, 0]), 0.25 * np.exp(-1.5 * features[:, 0])
    hazard = generator.exponential(size=cases)
    whole = np.where(hazard < early * TURN, hazard / early, TURN + (hazard - early * TURN) / late)
    left = generator.uniform(2, 12, cases)
    return features, np.minimum(whole, left), whole <= left


def network(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, outputs))


def train(model, loss, cases: int, generator) -> None:
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, weight_decay=1e-4)
    for _ in range(600):
        optimizer.zero_grad()
        loss(torch.randint(cases, (256,), generator=generator)).backward()
        optimizer.step()


@cache
def judged(seed: int) -> dict[str, tuple[float, float]]:
    """``{model: (Antolini's C, integrated Brier score)}`` of 1,000 cases by models of 2,000."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    chance = torch.Generator().manual_seed(seed)
    drawn = np.random.default_rng(seed)
    features, time, event = crossing(2000, drawn)
    others, their_time, their_event = crossing(1000, drawn)
    grid = np.quantile(time[event], np.linspace(0, 1, 41))[1:]
    x, t = torch.as_tensor(features, dtype=torch.float32), torch.as_tensor(time, dtype=torch.float32)
    e, new = torch.as_tensor(event), torch.as_tensor(others, dtype=torch.float32)
    curves = {}

    plain = network(3, 1)
    train(plain, lambda rows: cox(plain(x[rows])[:, 0], t[rows], e[rows]).sum() / e[rows].sum(), 2000, chance)
    with torch.no_grad():
        risk, theirs = plain(x)[:, 0].numpy(), plain(new)[:, 0].numpy()
    curves["cox"] = survival_of(breslow(time, event, risk), theirs, grid)

    moving = network(4, 1)
    order = torch.argsort(t)
    place = torch.empty(2000, dtype=torch.long)
    place[order] = torch.arange(2000)

    def at(moments, who):
        return moving(torch.cat([who, (moments / 3 - 1)[:, None]], 1))[:, 0]

    def controls(rows):
        rows = rows[e[rows]]
        later = place[rows] + (torch.rand(len(rows), generator=chance) * (2000 - place[rows])).long()
        return cox_case_control(at(t[rows], x[rows]), at(t[rows], x[order[later]])[:, None]).mean()

    train(moving, controls, 2000, chance)
    with torch.no_grad():
        happened = torch.nonzero(e)[:, 0]
        whole = torch.stack([at(t[one].expand(2000), x) for one in happened])
        moments, steps = cox_time_baseline(whole, t, e)
        theirs = torch.stack([step * at(one.expand(1000), new).exp() for one, step in zip(moments, steps, strict=True)])
        hazard = np.concatenate([np.zeros((1, 1000)), np.cumsum(theirs.numpy(), 0)])
    curves["cox time"] = np.exp(-hazard[np.searchsorted(moments.numpy(), grid, "right")]).T

    # Who left within an interval was seen without the event to the end of the one before.
    interval = np.minimum(np.searchsorted(grid, time, "left"), 39)
    interval = torch.as_tensor(np.where(event, interval, interval - 1))
    seen = torch.nonzero(interval >= 0)[:, 0]
    x, e, interval = x[seen], e[seen], interval[seen]

    steps_of = network(3, 40)
    train(steps_of, lambda rows: logistic_hazard(steps_of(x[rows]), interval[rows], e[rows]).mean(), len(seen), chance)
    shares = network(3, 41)

    def deephit(rows):
        logits = shares(x[rows])
        ranking = deephit_ranking(logits, interval[rows], e[rows])
        return deephit_likelihood(logits, interval[rows], e[rows]).mean() + 0.2 * ranking.per_square

    train(shares, deephit, len(seen), chance)
    with torch.no_grad():
        curves["logistic hazard"] = hazard_survival(steps_of(new)).numpy()
        curves["deephit"] = 1 - torch.softmax(shares(new), 1)[:, :-1].cumsum(1).numpy()

    followed = censoring_distribution(time, event)
    kept = grid < their_time.max() * 0.9

    def score(curve):
        each = [brier(their_time, their_event, curve[:, n], grid[n], followed) for n in np.flatnonzero(kept)]
        return antolini(their_time, their_event, curve, grid), integrated(each, grid[kept])

    return {name: score(curve) for name, curve in curves.items()}


@pytest.mark.answer("L4.6")
@pytest.mark.slow
@pytest.mark.parametrize("seed", seeds(3))
def test_models_that_follow_crossing_hazards_beat_one_that_can_not(seed):
    found = judged(seed)
    for name in ("cox time", "logistic hazard", "deephit"):
        assert found[name][0] >= found["cox"][0] + 0.02, name
    for name in ("cox time", "logistic hazard"):
        assert found[name][1] <= found["cox"][1] - 0.008, name


@pytest.mark.answer("L4.6")
@pytest.mark.slow
def test_on_the_mean_of_the_seeds_they_gain_a_good_deal():
    gains = [
        [judged(seed)[name][0] - judged(seed)["cox"][0] for seed in seeds(3)]
        for name in ("cox time", "logistic hazard", "deephit")
    ]
    assert np.mean(gains, axis=1).min() >= 0.045
