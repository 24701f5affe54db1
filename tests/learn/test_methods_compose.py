"""Methods compose: in any order the weights are the same bits, and each member of a pair acts as it does alone."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch

from preceptor.core.plugins import Inputs
from preceptor.learn.fit import Training

from .training import Net, same, tiny_cohort, tiny_recipe, train, workshop


class TwoHeads(Net):
    """`Net` without dropout and batch norm, and with an auxiliary output."""

    def __init__(self, inputs: Inputs, width: int) -> None:
        super().__init__(inputs, width, norm=False, dropout=0.0)
        self.aside = torch.nn.Linear(6, width)

    def forward(self, images):
        features = self.body(images["image"]).flatten(2).mean(-1)
        return {"answer": self.head(features), "early": self.aside(features)}


METHODS = {
    "auxiliary_outputs": {"weight": 0.3},
    "class_balance": {},
    "demographic_parity": {"field": "site", "weight": 2.0},
    "early_stopping": {"patience": 5},
    "ema": {"decay": 0.9},
    "gradient_reversal": {"field": "site", "layer": "body", "weight": 1.0},
    "right_reasons": {"weight": 0.1, "mask": "forbidden"},
}
PENALTIES = ("auxiliary_outputs", "demographic_parity", "gradient_reversal", "right_reasons")
PAIRS = list(combinations(METHODS, 2))


def _recipe(methods):
    given = [{name: METHODS[name]} for name in methods]
    return tiny_recipe(
        methods=given, augment=[], train={"epochs": 1, "batch_size": 8, "optimizer": {"sgd": {"lr": 0.05}}}
    )


def test_there_are_at_least_twenty_pairs():
    assert len(PAIRS) >= 20


@pytest.mark.parametrize("pair", PAIRS, ids="+".join)
def test_the_order_in_the_recipe_does_not_matter(tmp_path, pair):
    cohort = _cohort(tmp_path)
    _, forth = train(tmp_path / "a", _recipe(pair), cohort, {"mine": TwoHeads})
    _, back = train(tmp_path / "b", _recipe(pair[::-1]), cohort, {"mine": TwoHeads})
    assert same(forth, back)


@pytest.mark.parametrize("pair", list(combinations(PENALTIES, 2)), ids="+".join)
def test_each_changes_the_gradient_as_it_does_alone(tmp_path, pair):
    cohort = _cohort(tmp_path)
    first, second = pair
    plain, left, right, both = (_gradient(tmp_path, cohort, each) for each in ((), (first,), (second,), pair))
    for name, gradient in plain.items():
        alone = (left[name] - gradient) + (right[name] - gradient)
        together = both[name] - gradient
        assert torch.allclose(alone, together, atol=1e-6), name
    changed = [any(not torch.equal(side[name], plain[name]) for name in plain) for side in (left, right)]
    assert changed == [True, True]


def _gradient(folder, cohort, methods) -> dict[str, torch.Tensor]:
    """The network's gradient after the first step's backward, halfway through the training."""
    recipe = _recipe(methods)
    place = folder / ("-".join(methods) or "plain")
    training = Training(recipe, cohort, workshop(place, recipe, {"mine": TwoHeads}), place / "fits" / "0", (), None)
    training._progress = lambda: 0.5
    training.optimizer.step = lambda: None
    batch = next(iter(training._batches()))
    training._learn([batch])
    return {
        name: torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.clone()
        for name, parameter in training.network.named_parameters()
    }


def _cohort(folder):
    """The tiny cohort, with a mask of forbidden pixels."""
    from dataclasses import replace

    import numpy as np

    cohort = tiny_cohort(folder / "data")
    arrays = dict(np.load(folder / "data" / "data.npz"))
    arrays["forbidden"] = np.zeros(arrays["images"].shape, dtype=np.uint8)
    arrays["forbidden"][:, :3, :3] = 1
    np.savez(folder / "data" / "data.npz", **arrays)
    return cohort.with_cases(
        replace(case, masks={"forbidden": f"data.npz::forbidden::{i}"}) for i, case in enumerate(cohort)
    )
