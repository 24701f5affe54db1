"""Networks: any size in, the same size out; thick slices; missing views; names that others rely on."""

from __future__ import annotations

import pytest
import torch

from preceptor.core.errors import RecipeError
from preceptor.core.plugins import Inputs
from preceptor.core.slots import build, names, plugin
from preceptor.learn.call import call
from preceptor.learn.layers import normalisation
from preceptor.maths.unet_sizes import poolings_by_axis

NAMES = names("networks")


def inputs(patch, channels=1, views=("image",)):
    return Inputs(views, channels, len(patch), patch)


def unet(patch=(16, 16, 16), width=3, channels=None, **parameters):
    spec = {"unet": {"channels": channels or [4, 8], **parameters}}
    return build("networks", spec, inputs=inputs(patch), width=width)


def shown(network, number=2):
    """A batch of noise for the network's own inputs, everything present."""
    fed = network.inputs
    images = {view: torch.randn(number, fed.channels, *fed.patch) for view in fed.views}
    return images, {view: torch.ones(number, dtype=torch.bool) for view in fed.views}


@pytest.mark.parametrize("name", NAMES)
def test_answers_learns_and_names_its_parts(name):
    torch.manual_seed(0)
    network = plugin("networks", name).example()
    outputs = call(network, *shown(network), {})
    assert outputs["answer"].shape[:2] == (2, network.width)
    sum(output.square().sum() for output in outputs.values()).backward()
    gradients = {key: parameter.grad for key, parameter in network.named_parameters()}
    assert all(gradient is not None and torch.isfinite(gradient).all() for gradient in gradients.values()), name
    network.get_submodule(network.head)
    last = network.last_features
    for module in [last] if isinstance(last, str) else last.values():
        network.get_submodule(module)


@pytest.mark.parametrize("name", NAMES)
def test_in_evaluation_a_case_is_answered_as_if_it_were_alone(name):
    torch.manual_seed(0)
    network = plugin("networks", name).example().eval()
    images, present = shown(network, 3)
    together = call(network, images, present, {})["answer"]
    for row in range(3):
        alone = {view: image[row : row + 1] for view, image in images.items()}
        there = {view: shown_[row : row + 1] for view, shown_ in present.items()}
        assert torch.allclose(call(network, alone, there, {})["answer"][0], together[row], atol=1e-5)


@pytest.mark.parametrize("name", ["resnet", "densenet121", "cnn", "unet"])
@pytest.mark.parametrize("dims", [2, 3])
def test_two_and_three_dimensions(name, dims):
    network = build("networks", name, inputs=inputs((32,) * dims, channels=2), width=3).eval()
    with torch.no_grad():
        assert network(torch.randn(1, 2, *(32,) * dims)).shape[:2] == (1, 3)


# ---------------------------------------------------------------- U-Net


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("sides", [(16, 16, 16), (17, 5, 30), (1, 9, 4)])
def test_any_size_comes_back(padding, sides):
    network = unet(padding=padding).eval()
    with torch.no_grad():
        assert network(torch.randn(2, 1, *sides)).shape == (2, 3, *sides)


def test_padding_is_cut_off_again():
    """A size that fits and one that does not: where neither sees the border, they answer alike."""
    torch.manual_seed(0)
    network = unet((32, 32), norm="none", channels=[4, 4]).eval()
    image = torch.randn(1, 1, 47, 48)
    with torch.no_grad():
        whole, part = network(image), network(image[..., :-2, :-1])
    assert torch.allclose(whole[..., :30, :30], part[..., :30, :30], atol=1e-6)


def test_deep_supervision_in_training_alone():
    network = unet((16, 24, 16), channels=[4, 8, 8, 8], deep_supervision=True)
    outputs = network(torch.randn(1, 1, 16, 24, 16))
    assert {name: tuple(output.shape[2:]) for name, output in outputs.items()} == {
        "answer": (16, 24, 16),
        "deep_1": (8, 12, 8),
        "deep_2": (4, 6, 4),
    }
    assert isinstance(network.eval()(torch.randn(1, 1, 16, 24, 16)), torch.Tensor)


def test_thick_slices_are_neither_pooled_nor_mixed_before_the_others_have_come_down():
    strides, kernels = poolings_by_axis((128, 128, 16), 4)
    assert strides == [(2, 2, 1), (2, 2, 1), (2, 2, 1), (2, 2, 2)]
    assert kernels == [(3, 3, 1), (3, 3, 1), (3, 3, 1), (3, 3, 3), (3, 3, 3)]
    network = unet((64, 64, 8), norm="none", channels=[2, 2])
    image = torch.zeros(1, 1, 64, 64, 8)
    spike = image.clone()
    spike[..., 3] = 1.0
    with torch.no_grad():
        changed = (network(spike) - network(image)).abs().amax((0, 1, 2, 3)) > 0
    assert changed.tolist() == [False, False, False, True, False, False, False, False]


def test_cubes_are_pooled_alike():
    assert poolings_by_axis((32, 40, 32), 3) == ([(2, 2, 2)] * 3, [(3, 3, 3)] * 4)
    assert unet((32, 40, 32), channels=[2, 2, 2, 2]).divisor == 8


def test_a_patch_too_small_is_refused_with_the_number_of_levels_that_fit():
    with pytest.raises(RecipeError, match="too small") as caught:
        unet((8, 8), channels=[2, 2, 2, 2])
    assert "at most 3 numbers" in caught.value.problem.expected
    assert unet((8, 8), channels=[2, 2, 2])(torch.zeros(1, 1, 8, 8)).shape == (1, 3, 8, 8)


def test_valid_convolutions_have_no_coarser_answers():
    with pytest.raises(RecipeError, match="coarser"):
        unet(padding="valid", deep_supervision=True)


@pytest.mark.parametrize("parameters", [{"residual": True}, {"down": "pool"}, {"norm": "batch"}, {"dropout": 0.5}])
def test_variants_answer(parameters):
    assert unet(channels=[4, 8, 8], **parameters)(torch.randn(2, 1, 16, 16, 16)).shape == (2, 3, 16, 16, 16)


def test_instance_norm_is_that_of_torch():
    torch.manual_seed(0)
    image = torch.randn(2, 6, 5, 4, 3)
    ours = normalisation("instance", 6, 3)
    theirs = torch.nn.InstanceNorm3d(6, affine=True)
    assert torch.allclose(ours(image), theirs(image), atol=1e-5)


@pytest.mark.parametrize("name", ["unet", "resnet", "densenet121"])
def test_half_precision_answers_nearly_alike(name):
    torch.manual_seed(0)
    network = build("networks", name, inputs=inputs((32, 32)), width=2).eval()
    image = torch.randn(2, 1, 32, 32)
    with torch.no_grad():
        full = network(image)
        with torch.autocast("cpu", torch.bfloat16):
            half = network(image).float()
    assert (full - half).abs().max() < 0.05 * full.abs().max() + 0.05


# ---------------------------------------------------------------- several views

VIEWS = ("frontal", "lateral")


def two_views(name, encoder=None, **parameters):
    spec = {name: {"encoder": encoder or {"cnn": {"channels": [4, 8]}}, "features": 8, **parameters}}
    return build("networks", spec, inputs=inputs((28, 28), views=VIEWS), width=2)


@pytest.mark.parametrize("name", ["hemis", "dual_net"])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shared", [True, False])
def test_junk_in_a_missing_view_changes_nothing(name, training, shared):
    torch.manual_seed(0)
    network = two_views(name, shared=shared).train(training)
    images = {view: torch.randn(4, 1, 28, 28) for view in VIEWS}
    present = {"frontal": torch.tensor([True, True, False, True]), "lateral": torch.tensor([False, True, True, True])}
    clean = call(
        network,
        {view: torch.where(present[view].view(-1, 1, 1, 1), image, 0.0) for view, image in images.items()},
        present,
        {},
    )
    for view in VIEWS:
        images[view][~present[view]] = float("nan")
    found = call(network, images, present, {})
    assert torch.equal(found["answer"], clean["answer"])
    found["answer"].sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)


@pytest.mark.parametrize("name", ["hemis", "dual_net"])
def test_a_view_that_no_case_has_may_be_absent_from_the_batch(name):
    network = two_views(name).eval()
    image, there = torch.randn(3, 1, 28, 28), torch.ones(3, dtype=torch.bool)
    absent = call(network, {"frontal": image}, {"frontal": there}, {})["answer"]
    hidden = call(network, {"frontal": image, "lateral": image}, {"frontal": there, "lateral": ~there}, {})["answer"]
    assert torch.equal(absent, hidden)


@pytest.mark.parametrize("name", ["hemis", "dual_net"])
def test_a_case_without_any_view_is_answered_the_same_whatever_is_stored(name):
    network = two_views(name).eval()
    nothing = {view: torch.zeros(2, dtype=torch.bool) for view in VIEWS}
    answers = [
        call(network, {view: torch.randn(2, 1, 28, 28) for view in VIEWS}, nothing, {})["answer"] for _ in range(2)
    ]
    assert torch.equal(answers[0], answers[1])
    assert torch.isfinite(answers[0]).all()


def test_hemis_takes_views_in_any_order_when_they_share_an_encoder():
    torch.manual_seed(0)
    network = two_views("hemis", shared=True).eval()
    images = {view: torch.randn(3, 1, 28, 28) for view in VIEWS}
    there = {view: torch.ones(3, dtype=torch.bool) for view in VIEWS}
    swapped = {"frontal": images["lateral"], "lateral": images["frontal"]}
    assert torch.allclose(network(images, there), network(swapped, there), atol=1e-6)


def test_hemis_segments_with_any_subset_of_sequences():
    spec = {"hemis": {"encoder": {"unet": {"channels": [4, 8]}}, "features": 6}}
    network = build("networks", spec, inputs=inputs((16, 16, 16), views=("t1", "t2")), width=3)
    images = {view: torch.randn(2, 1, 9, 16, 12) for view in ("t1", "t2")}
    present = {"t1": torch.tensor([True, False]), "t2": torch.tensor([True, True])}
    assert network(images, present).shape == (2, 3, 9, 16, 12)


def test_dual_net_answers_from_each_view_alone():
    network = two_views("dual_net").eval()
    images = {view: torch.randn(3, 1, 28, 28) for view in VIEWS}
    there = {view: torch.ones(3, dtype=torch.bool) for view in VIEWS}
    outputs = network(images, there)
    assert set(outputs) == {"answer", *VIEWS}
    images["lateral"] = torch.randn(3, 1, 28, 28)
    again = network(images, there)
    assert torch.equal(outputs["frontal"], again["frontal"])
    assert not torch.equal(outputs["lateral"], again["lateral"])
    assert not torch.equal(outputs["answer"], again["answer"])


def test_dual_net_needs_two_views():
    with pytest.raises(RecipeError, match="dual_net"):
        build("networks", {"dual_net": {"encoder": "cnn"}}, inputs=inputs((28, 28)), width=2)


def test_a_deeply_supervised_encoder_lends_its_answer():
    encoder = {"unet": {"channels": [4, 8, 8], "deep_supervision": True}}
    spec = {"hemis": {"encoder": encoder, "features": 4}}
    network = build("networks", spec, inputs=inputs((16, 16), views=("t1", "t2")), width=3).train()
    images = {view: torch.randn(2, 1, 16, 16) for view in ("t1", "t2")}
    there = {view: torch.ones(2, dtype=torch.bool) for view in ("t1", "t2")}
    assert network(images, there).shape == (2, 3, 16, 16)


@pytest.mark.parametrize("name", ["unet", "hemis", "dual_net"])
def test_a_network_can_be_exported_and_answers_the_same(name):
    torch.manual_seed(0)
    network = plugin("networks", name).example().eval()
    images, present = shown(network)
    several = name in ("hemis", "dual_net")
    graph = torch.export.export(network, (images, present) if several else (images["image"],)).module()
    if several:
        present[next(iter(present))][0] = False  # the graph was drawn with every view there
    fed = (images, present) if several else (images["image"],)
    expected, found = network(*fed), graph(*fed)
    if isinstance(expected, dict):
        expected, found = expected["answer"], found["answer"]
    assert torch.allclose(found, expected, atol=1e-6)
