"""Explainers on real networks: several views, missing views, frozen weights, and nothing left behind."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from preceptor.core.batch import Batch
from preceptor.core.errors import RecipeError
from preceptor.core.slots import build, names
from preceptor.prove.explainers.grad_cam import GradCam
from preceptor.prove.explainers.gradient import Gradient
from preceptor.prove.explainers.occlusion import Occlusion
from preceptor.prove.explaining.explain import BoundNetwork
from preceptor.prove.explaining.explanation import Explanation


class Convolutions(nn.Module):
    """A small network of one view with batch statistics and dropout, so that modes matter."""

    last_features = "body.3"

    def __init__(self, dims: int = 2):
        super().__init__()
        convolution = {2: nn.Conv2d, 3: nn.Conv3d}[dims]
        norm = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}[dims]
        self.body = nn.Sequential(
            convolution(1, 4, 3, padding=1, stride=2), norm(4), nn.Dropout(0.5), nn.ReLU(inplace=True)
        )
        self.head = nn.Linear(4, 3)

    def forward(self, image):
        return self.head(self.body(image).flatten(2).mean(2))


class TwoViews(nn.Module):
    """One encoder for every view; the answers are averaged over those that are there."""

    last_features = "encoder"

    def __init__(self):
        super().__init__()
        self.encoder = nn.Conv2d(1, 4, 3, padding=1)
        self.head = nn.Linear(4, 2)

    def forward(self, images, present):
        encoded = [self.encoder(image).mean((2, 3)) * present[view][:, None] for view, image in images.items()]
        count = torch.stack([each.float() for each in present.values()]).sum(0)
        return self.head(sum(encoded) / count[:, None])


def batch_of(shape=(9, 8), count=2, views=("only",), absent=()):
    generator = torch.Generator().manual_seed(1)
    images = {view: torch.randn(count, 1, *shape, generator=generator) for view in views}
    present = {view: torch.tensor([(row, view) not in absent for row in range(count)]) for view in views}
    return Batch(images, present, {}, torch.arange(count), [f"case-{row}" for row in range(count)])


def first_class(outputs):
    return outputs["answer"][:, 0]


def explainers():
    return [build("explainers", name) for name in names("explainers")]


@pytest.mark.parametrize("explainer", explainers(), ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("dims", [2, 3])
def test_maps_lie_on_the_inputs_grid_and_repeat(explainer, dims):
    torch.manual_seed(0)
    network = Convolutions(dims)
    batch = batch_of((9, 8, 7)[:dims])
    maps = explainer(BoundNetwork(network, batch), batch, first_class)
    assert maps["only"].shape == (2, *(9, 8, 7)[:dims])
    assert torch.isfinite(maps["only"]).all() and maps["only"].abs().sum() > 0
    again = explainer(BoundNetwork(network, batch), batch, first_class)
    torch.testing.assert_close(maps["only"], again["only"], rtol=0, atol=0)


@pytest.mark.parametrize("explainer", explainers(), ids=lambda each: type(each).__name__)
def test_nothing_is_left_behind(explainer):
    network = Convolutions().train()
    network.body[1].eval()  # a frozen part in a mode of its own
    network.head.weight.grad = torch.full_like(network.head.weight, 7.0)
    batch = batch_of()
    before, images = copy.deepcopy(network.state_dict()), batch.images["only"].clone()
    explainer(BoundNetwork(network, batch), batch, first_class)
    assert network.training and network.head.training and not network.body[1].training
    assert all(not module._forward_hooks and not module._backward_hooks for module in network.modules())
    assert (network.head.weight.grad == 7).all() and network.body[0].weight.grad is None
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert torch.equal(batch.images["only"], images) and not batch.images["only"].requires_grad
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("explainer", explainers(), ids=lambda each: type(each).__name__)
def test_nothing_is_left_behind_after_an_error(explainer):
    network, batch = Convolutions().train(), batch_of()

    def broken(outputs):
        raise ValueError("no score")

    with pytest.raises(ValueError, match="no score"):
        explainer(BoundNetwork(network, batch), batch, broken)
    assert network.training and all(not module._forward_hooks for module in network.modules())


@pytest.mark.parametrize("explainer", explainers(), ids=lambda each: type(each).__name__)
def test_frozen_weights_inside_inference_mode(explainer):
    torch.manual_seed(0)
    network, batch = Convolutions(), batch_of()
    expected = explainer(BoundNetwork(network, batch), batch, first_class)["only"]
    network.requires_grad_(False)
    with torch.inference_mode():
        found = explainer(BoundNetwork(network, batch_of()), batch_of(), first_class)["only"]
    torch.testing.assert_close(found.clone(), expected)


@pytest.mark.parametrize("explainer", explainers(), ids=lambda each: type(each).__name__)
def test_a_missing_view_has_no_map_and_does_not_disturb_the_other(explainer):
    torch.manual_seed(0)
    network = TwoViews()
    batch = batch_of(views=("frontal", "lateral"), absent={(1, "lateral")})
    maps = explainer(BoundNetwork(network, batch), batch, first_class)
    assert torch.isfinite(maps["frontal"]).all() and torch.isfinite(maps["lateral"][0]).all()
    assert torch.isnan(maps["lateral"][1]).all()
    alone = Batch(
        {view: image[1:] for view, image in batch.images.items()},
        {view: there[1:] for view, there in batch.present.items()},
        {},
        torch.zeros(1),
        ["case-1"],
    )
    found = explainer(BoundNetwork(network, alone), alone, first_class)
    torch.testing.assert_close(found["frontal"][0], maps["frontal"][1])
    assert torch.isnan(found["lateral"]).all()


def test_each_view_gets_its_own_map_from_a_shared_encoder():
    torch.manual_seed(0)
    network, batch = TwoViews(), batch_of(views=("frontal", "lateral"))
    maps = GradCam()(BoundNetwork(network, batch), batch, first_class)
    for view in ("frontal", "lateral"):
        activation = network.encoder(batch.images[view])
        weights = network.head.weight[0] / 2 / activation[0, 0].numel()
        torch.testing.assert_close(maps[view], torch.einsum("c,bcxy->bxy", weights, activation).relu().detach())


def test_networks_may_name_a_layer_for_each_view():
    class OneEach(TwoViews):
        last_features = {"frontal": "encoder", "lateral": "second"}

        def __init__(self):
            super().__init__()
            self.second = nn.Conv2d(1, 4, 3, padding=1)

        def forward(self, images, present):  # an encoder does not run where nobody has its view
            layers = {"frontal": self.encoder, "lateral": self.second}
            return self.head(sum(layers[v](x).mean((2, 3)) for v, x in images.items() if present[v].any()))

    torch.manual_seed(0)
    network, batch = OneEach(), batch_of(count=1, views=("frontal", "lateral"))
    both = GradCam()(BoundNetwork(network, batch), batch, first_class)
    weights = network.head.weight[0] / 72
    expected = torch.einsum("c,bcxy->bxy", weights, network.second(batch.images["lateral"])).relu().detach()
    torch.testing.assert_close(both["lateral"], expected)
    batch = batch_of(count=1, views=("frontal", "lateral"), absent={(0, "lateral")})
    alone = GradCam()(BoundNetwork(network, batch), batch, first_class)
    assert torch.isnan(alone["lateral"]).all()
    torch.testing.assert_close(alone["frontal"], both["frontal"])


def test_gradient_is_the_derivative():
    torch.manual_seed(0)
    network, batch = Convolutions().eval().double(), batch_of(count=1)
    batch.images["only"] = batch.images["only"].double()
    found = Gradient()(BoundNetwork(network, batch), batch, first_class)["only"]
    moved = batch.images["only"].clone()
    moved[0, 0, 3, 4] += 1e-6
    slope = (network(moved) - network(batch.images["only"]))[0, 0] / 1e-6
    torch.testing.assert_close(found[0, 3, 4], slope.abs().detach(), rtol=1e-4, atol=1e-9)


def test_occlusion_does_not_depend_on_how_many_images_go_at_once():
    torch.manual_seed(0)
    network, batch = TwoViews(), batch_of(views=("frontal", "lateral"), absent={(0, "frontal")})
    one, many = (
        Occlusion(window=3, stride=2, batch_size=size)(BoundNetwork(network, batch), batch, first_class)
        for size in (1, 64)
    )
    torch.testing.assert_close(one, many, equal_nan=True)


def test_a_layer_that_is_not_there_is_refused_with_its_neighbours():
    batch = batch_of()
    with pytest.raises(RecipeError, match="no layer 'body.9'") as caught:
        GradCam(layer="body.9")(BoundNetwork(Convolutions(), batch), batch, first_class)
    assert "body.3" in caught.value.problem.expected
    network = Convolutions()
    network.last_features = None
    with pytest.raises(RecipeError, match="last features"):
        GradCam()(BoundNetwork(network, batch), batch, first_class)


def test_an_explanation_is_read_as_written(tmp_path):
    torch.manual_seed(0)
    written = Explanation(
        "case-1",
        "the score of disease",
        {"frontal": torch.rand(1, 4, 5).numpy()},
        {"grad_cam": {"frontal": torch.rand(4, 5).numpy()}},
        {"grad_cam": {"layer": None}},
    )
    written.write(tmp_path / "000.npz")
    read = Explanation.read(tmp_path / "000.npz")
    assert (read.key, read.target, read.settings) == (written.key, written.target, {"grad_cam": {"layer": None}})
    assert abs(read.images["frontal"] - written.images["frontal"]).max() < 1e-3
    assert (read.maps["grad_cam"]["frontal"] == written.maps["grad_cam"]["frontal"]).all()
    assert [path.name for path in tmp_path.iterdir()] == ["000.npz"]
