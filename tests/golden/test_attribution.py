"""Known answers of attributions: a network of two units, a game of three players, and captum where it is installed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from preceptor.core.batch import Batch
from preceptor.maths.shapley import all_coalitions, exact_shapley, kernel_coalitions, kernel_shapley
from preceptor.maths.tree_shapley import Tree, tree_expectation, tree_shapley
from preceptor.prove.explainers.deeplift import DeepLIFT
from preceptor.prove.explainers.gradient import Gradient
from preceptor.prove.explainers.guided_backprop import GuidedBackprop
from preceptor.prove.explainers.integrated_gradients import IntegratedGradients
from preceptor.prove.explainers.kernel_shap import KernelShap
from preceptor.prove.explainers.lrp import LRP
from preceptor.prove.explainers.rise import Rise
from preceptor.prove.explainers.shap_deep import ShapDeep
from preceptor.prove.explainers.shap_gradient import ShapGradient
from preceptor.prove.explainers.smooth_grad import SmoothGrad


class Bound:
    """What explainers call ``model``, for a network of one view."""

    def __init__(self, network, background=None):
        self.network, self.background = network, background

    def __call__(self, images):
        return {"answer": self.network(images["view"])}


def explain(explainer, network, images, background=None):
    batch = Batch(
        {"view": images},
        {"view": torch.ones(len(images), dtype=bool)},
        {},
        torch.arange(len(images)),
        [str(row) for row in range(len(images))],
    )
    return explainer(Bound(network, background), batch, lambda outputs: outputs["answer"][:, 0])["view"]


def two_units() -> nn.Module:
    """ReLU(x1 - x2) - 2 ReLU(2 x1 + x2 - 1)."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(2, 2), nn.ReLU(inplace=True), nn.Linear(2, 1, bias=False)).double()
    with torch.no_grad():
        network[1].weight.copy_(torch.tensor([[1.0, -1.0], [2.0, 1.0]]))
        network[1].bias.copy_(torch.tensor([0.0, -1.0]))
        network[3].weight.copy_(torch.tensor([[1.0, -2.0]]))
    return network


POINT = torch.tensor([[[[2.0, 1.0]]]], dtype=torch.float64)


def deep(norm=nn.Identity, seed=0) -> nn.Module:
    """Convolutions, a norm, a maximum and curves: every rule at once."""
    torch.manual_seed(seed)
    return (
        nn.Sequential(
            *(nn.Conv2d(1, 6, 3, padding=1), norm(), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
            *(nn.Conv2d(6, 8, 3, padding=1), nn.GELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
            *(nn.Linear(8, 4), nn.Tanh(), nn.Linear(4, 2)),
        )
        .double()
        .eval()
    )


def pictures(count=3, side=8, seed=1):
    return torch.randn(count, 1, side, side, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.answer("I10.3")
@pytest.mark.parametrize(
    ("explainer", "expected"),
    [
        (IntegratedGradients(steps=10, fill="zero"), (-4.4, -2.6)),
        (DeepLIFT(fill="zero"), (-4.4, -2.6)),
        (LRP(gamma=0.0), (-4.4, -2.6)),
        (GuidedBackprop(), (1.0, -1.0)),
        (Gradient(), (3.0, 3.0)),
    ],
    ids=lambda each: type(each).__name__,
)
def test_a_network_of_two_units(explainer, expected):
    found = explain(explainer, two_units(), POINT)
    torch.testing.assert_close(found[0, 0], torch.tensor(expected, dtype=torch.float64), atol=1e-6, rtol=0)


@pytest.mark.answer("I10.3")
def test_gradient_times_input_is_not_complete_and_the_others_are():
    network = two_units()
    difference = float((network(POINT) - network(torch.zeros_like(POINT))).detach())
    assert difference == -7
    for explainer in (IntegratedGradients(steps=10, fill="zero"), DeepLIFT(fill="zero"), LRP(gamma=0)):
        assert abs(float(explain(explainer, network, POINT).sum()) + 7) < 1e-6
    leaf = POINT.clone().requires_grad_()
    (slope,) = torch.autograd.grad(network(leaf).sum(), leaf)
    assert float((slope * POINT).sum()) == -9


@pytest.mark.answer("I10.3")
@pytest.mark.parametrize("norm", [nn.Identity, lambda: nn.GroupNorm(3, 6), lambda: nn.BatchNorm2d(6)])
def test_deeplift_adds_up_through_norms_maxima_and_curves(norm):
    network, images = deep(norm), pictures()
    for layer in network:  # a scale and a shift that matter
        if isinstance(layer, (nn.GroupNorm, nn.BatchNorm2d)):
            nn.init.normal_(layer.weight, 1, 0.3)
            nn.init.normal_(layer.bias, 0, 0.3)
    with torch.no_grad():
        difference = (network(images) - network(torch.zeros_like(images)))[:, 0]
    found = explain(DeepLIFT(fill="zero"), network, images).sum((1, 2))
    torch.testing.assert_close(found, difference, atol=1e-7, rtol=1e-6)


@pytest.mark.answer("I10.3")
@pytest.mark.parametrize("gamma", [0.0, 0.25])
def test_relevance_adds_up_to_the_score(gamma):
    network, images = deep(lambda: nn.BatchNorm2d(6)), pictures()
    network[1].running_mean.normal_(0, 0.3)
    with torch.no_grad():
        score = network(images)[:, 0]
    found = explain(LRP(gamma=gamma), network, images).sum((1, 2))
    torch.testing.assert_close(found, score, atol=1e-5, rtol=1e-5)


@pytest.mark.answer("I10.3")
def test_gamma_favours_the_sign_of_the_output():
    """One output of +3 and -1: with gamma 1 the positive part counts twice, 6 / 5 and -1 / 5 of the output's 2."""
    network = nn.Sequential(nn.Conv2d(1, 1, (1, 2), bias=False), nn.Flatten()).double()
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([[[[3.0, -1.0]]]]))
    ones = torch.ones(1, 1, 1, 2, dtype=torch.float64)
    found = explain(LRP(gamma=1.0), network, ones)
    torch.testing.assert_close(found[0, 0], torch.tensor([2.4, -0.4], dtype=torch.float64))
    with torch.no_grad():
        network[0].weight.neg_()  # an output of -2: now the negative part counts twice
    found = explain(LRP(gamma=1.0), network, ones)
    torch.testing.assert_close(found[0, 0], torch.tensor([-2.4, 0.4], dtype=torch.float64))


@pytest.mark.answer("I10.3")
def test_guided_backprop_hands_nothing_back_through_a_silent_rectifier():
    """max(0, 2a) + max(0, -a) at a = 1: the second is silent, though what comes back to it is positive."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(1, 2, bias=False), nn.ReLU(), nn.Linear(2, 1, bias=False)).double()
    with torch.no_grad():
        network[1].weight.copy_(torch.tensor([[2.0], [-1.0]]))
        network[3].weight.fill_(1.0)
    found = explain(GuidedBackprop(), network, torch.ones(1, 1, 1, 1, dtype=torch.float64))
    assert float(found) == 2


@pytest.mark.answer("I10.3")
@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        ((1.0, -2.5), (0.0, -2.0)),  # max(1, 0.5) from max(0, 3): it fell because the second did, not the first
        ((4.0, 0.0), (1.0, 0.0)),  # max(4, 3) from max(0, 3): the first overtook it
        ((1.0, 2.0), (0.0, 2.0)),  # max(1, 5) from max(0, 3): the second all along
    ],
)
def test_a_maximum_belongs_to_the_voxel_that_is_or_was_largest(pixels, expected):
    """max(a, b + 3) and a reference of zeros, where the second holds the maximum."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(2, 2), nn.Unflatten(1, (1, 2)), nn.MaxPool1d(2), nn.Flatten())
    network = network.double()
    with torch.no_grad():
        network[1].weight.copy_(torch.eye(2))
        network[1].bias.copy_(torch.tensor([0.0, 3.0]))
    image = torch.tensor(pixels, dtype=torch.float64).view(1, 1, 1, 2)
    found = explain(DeepLIFT(fill="zero"), network, image)
    torch.testing.assert_close(found[0, 0], torch.tensor(expected, dtype=torch.float64))


@pytest.mark.answer("I10.3")
def test_more_steps_come_closer_to_the_difference():
    network, images = deep(), pictures(count=6)
    with torch.no_grad():
        difference = (network(images) - network(torch.zeros_like(images)))[:, 0]
    gaps = [
        float((explain(IntegratedGradients(steps, "zero"), network, images).sum((1, 2)) - difference).abs().max())
        for steps in (5, 50, 500)
    ]
    assert gaps[2] < gaps[0] / 5 and gaps[2] < 2e-3 * float(difference.abs().max())


@pytest.mark.answer("I10.3")
def test_steps_taken_together_are_those_taken_one_by_one():
    network, images = deep(), pictures()
    one, many = (explain(IntegratedGradients(7, "zero", size), network, images) for size in (1, 64))
    torch.testing.assert_close(one, many)


def test_deep_shap_with_one_reference_is_deeplift_and_averages_over_several():
    network, images, others = deep(), pictures(), pictures(2, seed=5)
    found = explain(ShapDeep(), network, images, {"view": others})
    with torch.no_grad():
        expected = (network(images) - network(others).mean(0, keepdim=True))[:, 0]
    torch.testing.assert_close(found.sum((1, 2)), expected, atol=1e-6, rtol=1e-6)
    zero = {"view": torch.zeros_like(others[:1])}
    torch.testing.assert_close(
        explain(ShapDeep(), network, images, zero), explain(DeepLIFT(fill="zero"), network, images)
    )


def test_gradient_shap_adds_up_on_average():
    network, images, others = deep(), pictures(), pictures(4, seed=5)
    with torch.no_grad():
        expected = (network(images) - network(others).mean(0, keepdim=True))[:, 0]
    found = explain(ShapGradient(samples=800), network, images, {"view": others}).sum((1, 2))
    assert float((found - expected).abs().max()) < 0.1 * float(expected.abs().max())


def test_smooth_grad_of_a_linear_score_is_the_gradient():
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 1)).double()
    images = pictures()
    torch.testing.assert_close(
        explain(SmoothGrad(samples=3), network, images), explain(Gradient(), network, images), atol=1e-12, rtol=1e-9
    )


def test_rise_finds_the_only_pixels_that_count():
    class Corner(nn.Module):
        def forward(self, image):
            return image[:, :, :3, :3].sum((2, 3))

    found = explain(Rise(covers=800, fill="zero"), Corner(), torch.ones(1, 1, 14, 14))[0]
    assert found.flatten().argmax() in (0, 1, 2, 14, 15, 16, 28, 29, 30)
    far = torch.ones(14, 14, dtype=bool)
    far[:6, :6] = False
    # Far away only chance correlations are left.
    assert float(found[1, 1]) > 1 and float(found[far].abs().mean()) < 0.1


@pytest.mark.answer("I10.4")
def test_a_game_of_three_players():
    worth = np.array([0, 10, 20, 50, 30, 40, 60, 100.0])  # {}, 1, 2, 12, 3, 13, 23, 123
    expected = [23.3333333333, 38.3333333333, 38.3333333333]
    np.testing.assert_allclose(exact_shapley(worth), expected, atol=1e-9)
    rows, weights = kernel_coalitions(3, 100, np.random.default_rng(0))
    values = worth[(rows * [1, 2, 4]).sum(1)]
    np.testing.assert_allclose(kernel_shapley(rows, weights, values, worth[0], worth[-1]), expected, atol=1e-9)


@pytest.mark.answer("I10.4")
def test_the_regression_agrees_with_the_sum_over_orders_for_any_game():
    rng = np.random.default_rng(3)
    for players in (2, 4, 6):
        worth = rng.normal(size=(2**players, 2))
        rows, weights = kernel_coalitions(players, 10_000, rng)
        asked = worth[(rows * 2 ** np.arange(players)).sum(1)]
        found = kernel_shapley(rows, weights, asked, worth[0], worth[-1])
        np.testing.assert_allclose(found, exact_shapley(worth), atol=1e-9)
        np.testing.assert_allclose(found.sum(0), worth[-1] - worth[0], atol=1e-9)
    assert all_coalitions(2).tolist() == [[False, False], [True, False], [False, True], [True, True]]


@pytest.mark.answer("I10.4")
def test_sampled_coalitions_come_close():
    """Ten players with pairs that help each other: 400 of 1022 coalitions, against the exact values."""
    rng = np.random.default_rng(4)
    alone, pairs = rng.normal(size=10), np.triu(rng.normal(size=(10, 10)), 1) / 3
    members = all_coalitions(10).astype(float)
    worth = members @ alone + np.einsum("ci,ij,cj->c", members, pairs, members)
    rows, weights = kernel_coalitions(10, 400, rng)
    values = worth[(rows * 2 ** np.arange(10)).sum(1)]
    found = kernel_shapley(rows, weights, values, worth[0], worth[-1])
    # In games of pairs a coalition and its complement together say everything: the sample is exact, as are the sums.
    np.testing.assert_allclose(found, exact_shapley(worth), atol=1e-6)


@pytest.mark.answer("I10.4")
def test_kernel_shap_of_patches_is_exact_where_every_cover_is_asked_for():
    """Four patches; the score is a product of the first two and half the last: Shapley 1/2, 1/2, 0, 1/2."""

    class Product(nn.Module):
        def forward(self, image):
            patches = image[:, 0].unfold(1, 2, 2).unfold(2, 2, 2).mean((3, 4)).flatten(1)
            return (patches[:, 0] * patches[:, 1] + patches[:, 3] / 2)[:, None]

    found = explain(KernelShap(patch=2, fill="zero"), Product(), torch.ones(1, 1, 4, 4))[0]
    expected = torch.tensor([[0.5, 0.5], [0.0, 0.5]]).repeat_interleave(2, 0).repeat_interleave(2, 1) / 4
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


@pytest.mark.answer("I10.4")
def test_the_same_game_played_by_a_tree():
    """A tree that asks for one player after the other; who is not known goes where the training cases went: out."""
    worth, nobody = {(): 0, (0,): 10, (1,): 20, (2,): 30, (0, 1): 50, (0, 2): 40, (1, 2): 60, (0, 1, 2): 100}, 1e-12
    rows: list[list[float]] = []

    def grow(player: int, there: tuple[int, ...], weight: float) -> int:
        place = len(rows)
        rows.append([-1, -1, player, 0.5, worth[there] if player == 3 else 0, weight])
        if player < 3:
            rows[place][0] = grow(player + 1, there, weight)
            rows[place][1] = grow(player + 1, (*there, player), weight * nobody)
        return place

    grow(0, (), 1.0)
    left, right, column, threshold, value, weight = np.array(rows).T
    tree = Tree(left.astype(int), right.astype(int), column.astype(int), threshold, value, weight)
    found = tree_shapley(tree, np.ones((1, 3)))[0]
    np.testing.assert_allclose(found, [23.3333333333, 38.3333333333, 38.3333333333], atol=1e-7)
    assert abs(tree_expectation(tree)) < 1e-7 and found.sum() == pytest.approx(100)


@pytest.mark.peer
def test_captum_agrees():
    attr = pytest.importorskip("captum.attr")
    images = pictures()
    zeros = torch.zeros_like(images)

    def network():
        torch.manual_seed(2)
        layers = [nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(6, 8, 3), nn.ReLU()]
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(32, 2)).double().eval()

    theirs = attr.DeepLift(network()).attribute(images, zeros, target=0).sum(1).detach()
    torch.testing.assert_close(explain(DeepLIFT("zero"), network(), images), theirs, atol=1e-8, rtol=1e-6)
    theirs = attr.GuidedBackprop(network()).attribute(images, target=0).sum(1).detach()
    torch.testing.assert_close(explain(GuidedBackprop(), network(), images), theirs)
    theirs = attr.IntegratedGradients(network()).attribute(images, zeros, target=0, n_steps=64, method="riemann_middle")
    torch.testing.assert_close(explain(IntegratedGradients(64, "zero"), network(), images), theirs.sum(1).detach())
