"""Snapshots: each cycle goes on from the one before, and the last ones vote."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from preceptor.core.errors import RecipeError
from preceptor.core.plugins import Fitted
from preceptor.core.slots import build
from preceptor.learn import checkpoint
from preceptor.learn.fit import fit

from .training import same, tiny_cohort, tiny_recipe, workshop


def test_a_cycle_begins_from_the_one_before(tmp_path):
    recipe = tiny_recipe(train={"epochs": 2})
    shop = workshop(tmp_path / "run", recipe)
    bound = build("strategies", {"snapshot": {"cycles": 3, "kept": 2}}).bind(partial(fit, shop=shop))
    members = bound(recipe, tiny_cohort(tmp_path / "data"))
    assert [each.path for each in members] == [(1,), (2,)]
    weights = [checkpoint.load(shop.folder / "fits" / str(at), print)["network"] for at in range(3)]
    assert not same(weights[0], weights[1]) and not same(weights[1], weights[2])


def test_the_next_cycle_begins_from_what_the_last_one_kept():
    begun = []

    def watching(recipe, cohort, start=None, path=()):
        begun.append(start)
        return [Fitted(path, Path("fits") / str(path[-1]), 0.5, 1, cohort)]

    build("strategies", {"snapshot": {"cycles": 3}}).bind(watching)(None, None, start=Path("given"))
    assert begun == [Path("given"), Path("fits/0/best"), Path("fits/1/best")]


def test_more_members_than_cycles_are_refused():
    with pytest.raises(RecipeError) as caught:
        build("strategies", {"snapshot": {"cycles": 2, "kept": 3}})
    assert caught.value.problem.code == "snapshot_kept"
