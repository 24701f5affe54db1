"""Known answers of the networks: parameters counted, sizes of valid convolutions, dropout's scale."""

from __future__ import annotations

import pytest
import torch

from preceptor.core.plugins import Inputs
from preceptor.core.slots import build
from preceptor.maths.first_layer import for_channels
from preceptor.maths.unet_sizes import valid_input_side, valid_output_side


def parameters(spec, channels, width, patch=(64, 64)):
    with torch.device("meta"):
        network = build("networks", spec, inputs=Inputs(("image",), channels, len(patch), patch), width=width)
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.answer("I8.1")
@pytest.mark.parametrize(
    ("layers", "channels", "number"),
    [
        (18, 3, 11_689_512),
        (34, 3, 21_797_672),
        (50, 3, 25_557_032),
        (101, 3, 44_549_160),
        (18, 1, 11_683_240),
        (50, 1, 25_550_760),
    ],
)
def test_resnet_parameters(layers, channels, number):
    assert parameters({"resnet": {"layers": layers}}, channels, 1000) == number


@pytest.mark.answer("I8.1")
@pytest.mark.parametrize(
    ("channels", "width", "number"),
    [(3, 1000, 7_978_856), (1, 1000, 7_972_584), (3, 14, 6_968_206), (1, 14, 6_961_934)],
)
def test_densenet_parameters(channels, width, number):
    assert parameters("densenet121", channels, width) == number


@pytest.mark.answer("I8.1")
@pytest.mark.parametrize(("channels", "number"), [(3, 31_031_810), (1, 31_030_658)])
def test_unet_of_2015_parameters(channels, number):
    spec = {"unet": {"channels": [64, 128, 256, 512, 1024], "norm": "none", "down": "pool", "padding": "valid"}}
    assert parameters(spec, channels, 2, (572, 572)) == number


@pytest.mark.answer("I8.1")
def test_summed_kernels_keep_a_grey_answer_and_their_mean_would_not():
    torch.manual_seed(0)
    colour = torch.nn.Conv2d(3, 8, 7, bias=False).double()
    grey_image = torch.rand(2, 1, 20, 20, dtype=torch.float64)
    expected = colour(grey_image.expand(-1, 3, -1, -1))
    found = torch.nn.functional.conv2d(grey_image, for_channels(colour.weight, 1))
    assert torch.allclose(found, expected, rtol=0, atol=1e-12)
    back = for_channels(for_channels(colour.weight, 1), 3)
    again = torch.nn.functional.conv2d(grey_image.expand(-1, 3, -1, -1), back)
    assert torch.allclose(again, expected, rtol=0, atol=1e-12)


@pytest.mark.answer("I8.2")
@pytest.mark.parametrize(
    ("side", "output"), [(572, 388), (188, 4), (204, 20), (220, 36), (236, 52), (252, 68), (190, None), (172, None)]
)
def test_valid_sizes(side, output):
    assert valid_output_side(side, poolings=4) == output
    if output is not None:
        assert valid_input_side(output, poolings=4) == side
        assert valid_input_side(output - 3, poolings=4) == side  # no smaller input answers so much


@pytest.mark.answer("I8.2")
def test_the_network_has_these_sizes():
    spec = {"unet": {"channels": [2, 2, 2, 2, 2], "norm": "none", "down": "pool", "padding": "valid"}}
    network = build("networks", spec, inputs=Inputs(("image",), 1, 2, (572, 572)), width=2)
    with torch.no_grad():
        for side, output in ((572, 388), (188, 4), (204, 20)):
            assert network.convolve(torch.zeros(1, 1, side, side))[0].shape == (1, 2, output, output)
        assert network(torch.zeros(1, 1, 50, 101)).shape == (1, 2, 50, 101)  # mirrored as far as needed


@pytest.mark.answer("I8.2")
def test_the_answer_lies_where_the_image_does():
    """A valid answer inside a large image equals the mirrored answer of the image cut out around it."""
    torch.manual_seed(0)
    spec = {"unet": {"channels": [3, 3], "norm": "none", "down": "pool", "padding": "valid"}}
    network = build("networks", spec, inputs=Inputs(("image",), 1, 2, (64, 64)), width=2)
    image = torch.randn(1, 1, 60, 60)
    with torch.no_grad():
        answer = network(image)
        mirrored = torch.nn.functional.pad(image, (8, 8, 8, 8), mode="reflect")
        assert torch.allclose(network.convolve(mirrored)[0], answer, atol=1e-6)
        bare = network.convolve(image)[0]
    assert torch.allclose(answer[..., 8:-8, 8:-8], bare, atol=1e-6)


@pytest.mark.answer("L11.3")
@pytest.mark.parametrize("name", ["resnet", "densenet121", "cnn"])
def test_dropout_keeps_the_mean_and_is_off_in_evaluation(name):
    torch.manual_seed(0)
    network = build("networks", {name: {"dropout": 0.3}}, inputs=Inputs(("image",), 1, 2, (32, 32)), width=2)
    ones = torch.ones(10**6)
    dropped = network.drop.train()(ones)
    assert dropped.unique().tolist() == pytest.approx([0.0, 1.428571429], abs=1e-6)
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.002)
    network.eval()
    assert torch.equal(network.drop(ones), ones)
    image = torch.randn(2, 1, 32, 32)
    assert torch.equal(network(image), network(image))
    network.drop.train()
    assert not torch.equal(network(image), network(image))
