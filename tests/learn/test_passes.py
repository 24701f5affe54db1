"""Further passes: what is done to the image, what is brought back, and that nothing else is touched."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from preceptor.core.plugins import Pass
from preceptor.core.slots import build
from preceptor.learn.passes import bring_back, vary
from preceptor.prove.answering import Answering
from tests.learn.test_features import MAP, model_of, sample_of


def image(*shape):
    return torch.from_numpy(np.random.default_rng(0).normal(size=shape).astype(np.float32))


def test_a_plain_pass_is_the_image_itself():
    given = image(2, 1, 5, 4)
    assert vary(given, Pass(), (0,)) is given and Pass().is_fixed and Pass(flip=(0,)).is_fixed
    for each in (Pass(dropout=True), Pass(shift=(1,)), Pass(noise=0.1), Pass(gamma=1.1)):
        assert not each.is_fixed


def test_moving_repeats_the_border_and_is_undone():
    line = torch.arange(5.0).view(1, 1, 5, 1)
    assert vary(line, Pass(shift=(2, 0, 7)), (0,)).flatten().tolist() == [0, 0, 0, 1, 2]
    given = image(1, 2, 6, 7, 5)
    each = Pass(flip=(1,), shift=(1, -2, 0))
    back = bring_back(vary(given, each, (0,)), each)
    inside = (..., slice(2, 4), slice(2, 5), slice(None))
    torch.testing.assert_close(back[inside], given[inside])
    flat = image(3, 4)
    assert bring_back(flat, each) is flat, "one answer a case has no place"


def test_gamma_keeps_the_darkest_and_the_brightest():
    given = image(2, 1, 6, 6)
    darker = vary(given, Pass(gamma=2.0), (0,))
    assert torch.allclose(darker.amin((1, 2, 3)), given.amin((1, 2, 3)))
    assert torch.allclose(darker.amax((1, 2, 3)), given.amax((1, 2, 3)))
    assert (darker <= given + 1e-6).all() and (darker < given - 0.05).any()
    assert torch.isfinite(vary(torch.full((1, 1, 3, 3), 4.0), Pass(gamma=2.0), (0,))).all()


def test_noise_is_a_share_of_the_images_own_and_can_be_repeated():
    given = torch.cat([image(1, 1, 60, 60), 100 * image(1, 1, 60, 60)])
    added = vary(given, Pass(noise=0.1), (1, 2)) - given
    torch.testing.assert_close(
        added.flatten(1).std(1) / given.flatten(1).std(1), torch.full((2,), 0.1), rtol=0.05, atol=0
    )
    assert torch.equal(added, vary(given, Pass(noise=0.1), (1, 2)) - given)
    assert not torch.equal(added, vary(given, Pass(noise=0.1), (1, 3)) - given)


def test_the_changes_are_small_drawn_once_and_differ():
    safeguard = build("safeguards", {"test_time_augmentation": {"samples": 20, "shift": 3, "gamma": 0.3}})
    passes = safeguard.passes()
    assert passes == safeguard.passes() and len({(each.shift, each.gamma) for each in passes}) == 20
    assert all(abs(by) <= 3 for each in passes for by in each.shift)
    assert all(abs(np.log(each.gamma)) <= 0.3 for each in passes)


def test_passes_are_averaged_and_told_apart():
    model, sample = model_of({"cnn": {"channels": [4, 8]}}), sample_of()
    guarded = Answering(model, (build("safeguards", {"test_time_augmentation": {"samples": 4}}),))
    answer, again = guarded(sample), guarded(sample)
    assert answer.passes.shape == (5, 3) and np.array_equal(answer.passes, again.passes)
    np.testing.assert_allclose(answer.probability, answer.passes.mean(0))
    assert answer.model_uncertainty > 0 and answer.data_uncertainty > 0
    still = build("safeguards", {"test_time_augmentation": {"samples": 2, "shift": 0, "noise": 0.0, "gamma": 0.0}})
    alike = Answering(model, (still,))(sample)
    np.testing.assert_allclose(alike.passes, np.repeat(alike.passes[:1], 3, 0), rtol=1e-5)
    assert alike.model_uncertainty == pytest.approx(0, abs=1e-6)


def test_a_dense_answer_lies_where_the_image_lies():
    """A network that calls what is bright: moved passes must not move the mask."""

    class Bright(torch.nn.Module):
        def forward(self, image):
            return torch.cat([-20 * (image - 0.5), 20 * (image - 0.5)], 1)

    model = replace(model_of({"unet": {"channels": [4, 8]}}, question=MAP, shape=(16, 16)), networks=[Bright()])
    sample = sample_of(shape=(16, 16))
    array = np.zeros((1, 16, 16), np.float32)
    array[0, 5:10, 6:11] = 1
    sample = replace(sample, images={"image": sample.images["image"].with_array(array)})
    passes = [Pass(index=at, shift=shift) for at, shift in enumerate(((2, -1), (-2, 2), (0, 1)))]
    found = model(sample, passes=(Pass(), *passes))
    assert np.array_equal(found.label, array[0].astype(np.uint8))
