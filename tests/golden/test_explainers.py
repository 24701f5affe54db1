"""Known answers of the explainers: two channels of two by two for Grad-CAM, a line of four pixels for occlusion."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from preceptor.core.batch import Batch
from preceptor.maths.attribution import activation_map, window_corners
from preceptor.prove.explainers.grad_cam import GradCam
from preceptor.prove.explainers.grad_cam_plus_plus import GradCamPlusPlus
from preceptor.prove.explainers.occlusion import Occlusion

ACTIVATION = torch.tensor([[[1.0, 2.0], [3.0, 0.0]], [[0.0, 1.0], [4.0, 1.0]]])


class Readout(nn.Module):
    """A layer whose output is the image itself, and a score computed from it."""

    last_features = "features"

    def __init__(self, score):
        super().__init__()
        self.features = nn.Identity()
        self.score = score

    def forward(self, image):
        return self.score(self.features(image))


def batch_of(*images):
    stacked = torch.stack(images)
    count = len(images)
    return Batch(
        {"view": stacked}, {"view": torch.ones(count, dtype=bool)}, {}, torch.arange(count), ["a", "b"][:count]
    )


class Bound:
    """What explainers call ``model``, for a network of one view."""

    def __init__(self, network):
        self.network = network

    def __call__(self, images):
        return {"answer": self.network(images["view"])}


def explain(explainer, score, *images):
    return explainer(Bound(Readout(score)), batch_of(*images), lambda outputs: outputs["answer"])["view"]


def linear(a):
    return 2 * a[:, 0].mean((1, 2)) - a[:, 1].mean((1, 2))


def curved(a):
    return (a[:, 0] ** 2).sum((1, 2)) / 4 + a[:, 1].amax((1, 2))


@pytest.mark.answer("I10.1")
def test_grad_cam_of_a_linear_score():
    found = explain(GradCam(), linear, ACTIVATION)
    torch.testing.assert_close(found, torch.tensor([[[0.5, 0.75], [0.5, 0.0]]]))


@pytest.mark.answer("I10.1")
def test_grad_cam_of_a_curved_score_and_each_case_by_itself():
    found = explain(GradCam(), curved, ACTIVATION, 2 * ACTIVATION)
    torch.testing.assert_close(found[0], torch.tensor([[0.75, 1.75], [3.25, 0.25]]))
    # Twice the activation: alpha_0 doubles with it, alpha_1 stays a quarter.
    torch.testing.assert_close(found[1], 2 * (1.5 * ACTIVATION[0] + 0.25 * ACTIVATION[1]))


@pytest.mark.answer("I10.1")
def test_the_negative_part_is_cut_before_the_map_is_resized():
    activation = torch.tensor([[[[4.0, -4.0]]]])
    found = activation_map(activation, torch.ones(1, 1), (1, 4))
    torch.testing.assert_close(found, torch.tensor([[[4.0, 3.0, 1.0, 0.0]]]))


@pytest.mark.answer("I10.1")
def test_a_later_layer_in_place_does_not_change_what_was_seen():
    class InPlace(nn.Module):
        last_features = "body"

        def __init__(self):
            super().__init__()
            self.body = nn.Conv2d(1, 1, 1, bias=False)
            self.relu = nn.ReLU(inplace=True)
            nn.init.constant_(self.body.weight, 1.0)

        def forward(self, image):
            return self.relu(self.body(image)).sum((1, 2, 3))

    image = torch.tensor([[[2.0, -1.0], [1.0, -3.0]]])
    found = GradCam()(Bound(InPlace()), batch_of(image), lambda outputs: outputs["answer"])["view"]
    # The gradient is (1, 0, 1, 0): its mean is a half, of the layer's own output, not of the ReLU's.
    torch.testing.assert_close(found, torch.tensor([[[1.0, 0.0], [0.5, 0.0]]]))


@pytest.mark.answer("I10.2")
def test_grad_cam_plus_plus():
    found = explain(GradCamPlusPlus(), curved, ACTIVATION)
    expected = torch.tensor([[[0.361363636, 0.847727273], [1.584090909, 0.125]]])
    torch.testing.assert_close(found, expected, atol=1e-7, rtol=1e-7)


@pytest.mark.answer("I10.2")
def test_grad_cam_plus_plus_leaves_out_what_speaks_against():
    def against(a):
        return (a[:, 0] ** 2).sum((1, 2)) / 4 - a[:, 1].amax((1, 2))

    found = explain(GradCamPlusPlus(), against, ACTIVATION)
    torch.testing.assert_close(found, 0.361363636363 * ACTIVATION[:1])


@pytest.mark.answer("I10.6")
def test_occlusion_of_a_line_of_four():
    image = torch.tensor([[1.0, 2.0, 3.0, 4.0]])

    def score(a):
        return 2 * a[:, 0, 1] + a[:, 0, 3]

    assert window_corners((4,), (2,), (1,)) == [(0,), (1,), (2,)]
    assert window_corners((5,), (2,), (2,)) == [(0,), (2,), (3,)]  # the last one is flush with the border
    found = explain(Occlusion(window=2, stride=1, fill="zero"), score, image)
    torch.testing.assert_close(found, torch.full((1, 4), 4.0))  # every window drops the score by 4


@pytest.mark.answer("I10.6")
def test_occlusion_tells_the_windows_apart_and_fills_as_said():
    image = torch.tensor([[1.0, 2.0, 3.0, 6.0]])

    def score(a):
        return a[:, 0, 0] + 10 * a[:, 0, 3]

    zero = explain(Occlusion(window=2, stride=1, fill="zero"), score, image)
    torch.testing.assert_close(zero, torch.tensor([[1.0, 0.5, 30.0, 60.0]]))  # drops 1, 0, 60
    mean = explain(Occlusion(window=2, stride=1, fill="mean"), score, image)
    torch.testing.assert_close(mean, torch.tensor([[-2.0, -1.0, 15.0, 30.0]]))  # filled with 3: drops -2, 0, 30
    least = explain(Occlusion(window=2, stride=1, fill="minimum"), score, image)
    torch.testing.assert_close(least, torch.tensor([[0.0, 0.0, 25.0, 50.0]]))  # filled with 1: drops 0, 0, 50
