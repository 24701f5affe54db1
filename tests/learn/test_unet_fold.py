"""Blocks of voxels folded into channels: exact there and back, and a U-Net that answers on the image's own grid."""

import pytest
import torch

from preceptor.core.errors import RecipeError
from preceptor.core.plugins import Inputs
from preceptor.learn.layers import folded, unfolded
from preceptor.learn.networks.unet import UNet


@pytest.mark.parametrize("shape", [(2, 3, 8, 4), (1, 2, 4, 6, 8)])
def test_unfolding_undoes_folding(shape):
    image = torch.arange(float(torch.Size(shape).numel())).view(shape)
    dense = folded(image, 2)
    assert dense.shape == (shape[0], shape[1] * 2 ** (len(shape) - 2), *(side // 2 for side in shape[2:]))
    assert torch.equal(unfolded(dense, 2), image)


def test_a_block_of_voxels_becomes_channels_as_in_torch():
    image = torch.randn(2, 3, 6, 8)
    assert torch.equal(folded(image, 2), torch.nn.functional.pixel_unshuffle(image, 2))
    assert torch.equal(unfolded(folded(image, 2), 2), torch.nn.functional.pixel_shuffle(folded(image, 2), 2))


def test_the_answer_keeps_the_image_s_size_and_place():
    torch.manual_seed(0)
    network = UNet(Inputs(("image",), 1, 3, (40, 56, 40)), 3, channels=[4, 8, 8], fold=2)
    assert network.divisor == 8
    assert network(torch.zeros(1, 1, 35, 51, 33)).shape == (1, 3, 35, 51, 33)
    image = torch.zeros(1, 1, 40, 56, 40)
    still = network(image)
    image[0, 0, 20, 30, 10] = 1
    # Instance normalisation moves every voxel a little; a change in one place is largest there.
    change = (network(image) - still).abs().sum(1)[0]
    place = torch.tensor(torch.unravel_index(change.argmax(), change.shape))
    assert (place - torch.tensor([20, 30, 10])).abs().max() <= 6


def test_folding_is_refused_where_the_coarse_answers_would_not_fit():
    inputs = Inputs(("image",), 1, 3, (40, 56, 40))
    for setting in ({"deep_supervision": True}, {"padding": "valid"}):
        with pytest.raises(RecipeError, match="folds voxels only"):
            UNet(inputs, 3, channels=[4, 8], fold=2, **setting)
