"""Known answers of fairness: gaps of thresholded answers, weights that make group and class independent, group DRO."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from preceptor.core.batch import Index
from preceptor.core.slots import build
from preceptor.maths import fairness, group_fairness
from preceptor.maths.class_weights import balanced_weights
from preceptor.maths.group_weights import independence_weights, raise_worst

from .seeds import seeds
from .stepping import cohort_of, step_of

PROBABILITY = np.array([0.9, 0.7, 0.4, 0.2, 0.8, 0.3, 0.55, 0.6, 0.1, 0.45])
TRUTH = np.array([1.0, 1, 0, 0, 1, 1, 0, 1, 1, 0])
GROUP = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2])


def _gaps(threshold: float) -> dict[str, float]:
    found = group_fairness.rates(TRUTH, (threshold <= PROBABILITY).astype(float))
    shares = {name: [group_fairness.share(rate, group == GROUP) for group in range(3)] for name, rate in found.items()}
    return shares | {f"{name} gap": group_fairness.spread(each).gap for name, each in shares.items()}


@pytest.mark.answer("L8.1")
@pytest.mark.parametrize(
    ("threshold", "selection", "true_positive", "false_positive", "gaps"),
    [
        (0.5, [0.5, 0.666667, 0.333333], [1, 0.5, 0.5], [0, 1, 0], (0.333333, 0.5, 1)),
        (0.35, [0.75, 0.666667, 0.666667], [1, 0.5, 0.5], [0.5, 1, 1], (0.083333, 0.5, 0.5)),
    ],
)
def test_rates_of_groups_and_their_gaps(threshold, selection, true_positive, false_positive, gaps):
    found = _gaps(threshold)
    assert found["selection"] == pytest.approx(selection, abs=1e-6)
    assert found["true_positive"] == pytest.approx(true_positive, abs=1e-6)
    assert found["false_positive"] == pytest.approx(false_positive, abs=1e-6)
    names = ("selection gap", "true_positive gap", "false_positive gap")
    assert [found[name] for name in names] == pytest.approx(gaps, abs=1e-6)


@pytest.mark.answer("L8.1")
@pytest.mark.parametrize(("threshold", "difference"), [(0.5, 1.0), (0.35, 0.5)])
def test_equalised_odds_is_the_larger_gap_of_the_two_rates(threshold, difference):
    found = _gaps(threshold)
    assert max(found[f"{name} gap"] for name in group_fairness.CRITERIA["equalised_odds"]) == pytest.approx(difference)


# ---------------------------------------------------------------- L8.2 reweighing

SITE = np.array([0] * 4 + [1] * 6)
ILL = np.array([1, 1, 1, 0, 1, 0, 0, 0, 0, 0])


@pytest.mark.answer("L8.2")
def test_weights_of_every_cell_and_one_prevalence_for_all():
    weights = independence_weights(SITE, ILL)
    assert weights[[0, 3, 4, 5]] == pytest.approx([0.533333333, 2.4, 2.4, 0.72], abs=1e-9)
    for group in (0, 1):
        inside = group == SITE
        assert np.average(ILL[inside], weights=weights[inside]) == pytest.approx(0.4, abs=1e-12)
        assert weights[inside].sum() == pytest.approx(inside.sum())


@pytest.mark.answer("L8.2")
def test_unknown_groups_and_classes_weigh_one_and_count_for_no_share():
    weights = independence_weights(np.r_[SITE, -1, 0], np.r_[ILL, 1, -1])
    assert weights[:10] == pytest.approx(independence_weights(SITE, ILL))
    assert weights[10:].tolist() == [1, 1]


@pytest.mark.answer("L8.2")
def test_groups_alone_are_balanced_by_n_over_k_n_g():
    assert balanced_weights([60, 30, 10]) == pytest.approx([0.555555556, 1.111111111, 3.333333333], abs=1e-9)


@pytest.mark.answer("L8.2")
def test_the_method_draws_by_these_weights_and_rows_of_one_case_share_them():
    rows = np.r_[np.arange(12), 0]  # case 0 has two patches
    share = np.r_[np.full(12, 1 / 12), 0]
    share[[0, 12]] = 1 / 24
    fields = {"site": [*("ab"[s] for s in SITE), None, "a"]}
    index = Index([str(n) for n in range(12)], rows, -np.ones(13), share, {"y": np.r_[ILL, 1, -1]}, fields)
    chance = build("methods", {"reweighing": {"field": "site"}}).sampler(index)
    expected = np.r_[independence_weights(SITE, ILL), 1, 1, 0] / 12
    expected[[0, 12]] = expected[0] / 2
    assert chance == pytest.approx(expected, abs=1e-12)


# ---------------------------------------------------------------- L8.3 group DRO


@pytest.mark.answer("L8.3")
def test_the_worse_a_group_fares_the_more_it_counts():
    losses = torch.tensor([0.2, 0.5, 1.1], dtype=torch.float64)
    share = raise_worst(torch.full((3,), 1 / 3, dtype=torch.float64), losses, 0.1)
    assert share.tolist() == pytest.approx([0.320038010, 0.329784620, 0.350177360], abs=1e-8)
    assert float(share @ losses) == pytest.approx(0.614095014, abs=1e-9)


@pytest.mark.answer("L8.3")
def test_a_group_the_batch_lacks_is_skipped_and_not_averaged_as_nought():
    share = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    after = raise_worst(share, torch.tensor([1.0, float("nan"), 1.0], dtype=torch.float64), 0.5)
    assert (after[1] / after[0]).item() == pytest.approx(0.6 / np.exp(0.5))
    assert after.sum().item() == pytest.approx(1)


@pytest.mark.answer("L8.3")
def test_the_methods_factors_make_the_objective_the_shared_sum_of_group_means():
    """Mean losses .2, .5 and 1.1 in groups of unequal size, one sample unlabelled: .614095014 as in the formula."""
    losses = torch.tensor([0.1, 0.3, 0.5, 1.1, 1.0, 1.2, 9.0])
    counts = torch.tensor([1.0, 1, 1, 1, 1, 1, 0])
    method = build("methods", {"group_dro": {"field": "ward", "rate": 0.1}})
    method.setup(nn.Identity(), cohort_of("ward", ["a", "b", "c"]))
    step = step_of(
        nn.Identity(),
        losses[:, None],
        {"label": torch.zeros(7, dtype=torch.long)},
        fields={"ward": list("aabcccc")},
        counts={"loss": counts},
        loss_of=lambda output: output[:, 0],
    )
    factor = method.weight(step)
    assert (losses * factor * counts / counts.sum()).sum().item() == pytest.approx(0.614095014, abs=1e-6)
    assert method.share.tolist() == pytest.approx([0.320038010, 0.329784620, 0.350177360, 0], abs=1e-7)


@pytest.mark.answer("L8.3")
def test_groups_may_be_the_cells_of_field_and_class():
    method = build("methods", {"group_dro": {"field": "ward", "classes": 2, "rate": 0.1}})
    method.setup(nn.Identity(), cohort_of("ward", ["a", "b"]))
    truth = torch.tensor([0, 1, 0, 0])
    losses = torch.tensor([0.2, 0.5, 1.1, 1.1])
    step = step_of(
        nn.Identity(),
        losses[:, None],
        {"label": truth},
        fields={"ward": ["a", "a", "b", "b"]},
        counts={"loss": torch.ones(4)},
        loss_of=lambda output: output[:, 0],
    )
    method.weight(step)
    assert method.share.tolist() == pytest.approx([0.320038010, 0.329784620, 0.350177360, 0, 0, 0], abs=1e-7)


def _wards(seed: int, number: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    group = rng.choice(3, number, p=[0.5, 0.3, 0.2])
    truth = (rng.random(number) < np.array([0.6, 0.4, 0.25])[group]).astype(int)
    features = rng.normal(size=(number, 8))
    features[:, 0] += 1.5 * (2 * truth - 1) * np.array([1, 0.8, 0.5])[group]
    features[:, 1] += np.array([1.0, 0.0, -1.0])[group]
    return torch.tensor(features, dtype=torch.float32), torch.tensor(truth), torch.tensor(group)


def _penalty(criterion: str | None, probability: torch.Tensor, group: torch.Tensor, truth: torch.Tensor):
    if criterion is None:
        return 0.0
    if criterion == "demographic_parity":
        return 5 * fairness.demographic_parity(probability, group)
    return 5 * getattr(fairness, criterion)(probability, group, truth)


@pytest.mark.answer("L8.3")
@pytest.mark.slow
@pytest.mark.parametrize("seed", seeds(5))
def test_each_criterion_narrows_its_own_gap_and_parity_widens_another(seed):
    features, truth, group = _wards(seed, 4000)
    fresh, expected, wards = (each.numpy() for each in _wards(seed + 1000, 8000))
    found = {}
    for criterion in (None, "demographic_parity", "equal_opportunity", "equalised_odds"):
        torch.manual_seed(seed)
        network = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1), nn.Flatten(0))
        optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
        for _ in range(600):
            rows = torch.randint(0, 4000, (256,))
            logit = network(features[rows])
            loss = nn.functional.binary_cross_entropy_with_logits(logit, truth[rows].float())
            loss = loss + _penalty(criterion, logit.sigmoid(), group[rows], truth[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            answer = (network(torch.tensor(fresh)) >= 0).double().numpy()
        rates = group_fairness.rates(expected.astype(float), answer)
        gaps = {
            name: group_fairness.spread([group_fairness.share(rate, wards == each) for each in range(3)]).gap
            for name, rate in rates.items()
        }
        found[criterion] = gaps | {"accuracy": float((answer == expected).mean())}
    plain = found[None]
    assert found["demographic_parity"]["selection"] <= 0.6 * plain["selection"]
    assert found["equal_opportunity"]["true_positive"] <= 0.55 * plain["true_positive"]
    assert found["equalised_odds"]["true_positive"] <= 0.85 * plain["true_positive"]
    assert all(plain["accuracy"] - each["accuracy"] <= 0.05 for each in found.values())
    assert found["demographic_parity"]["false_positive"] > plain["false_positive"] + 0.05
