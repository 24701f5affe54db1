"""Known answers of the losses of generators and discriminators: I7.3."""

import pytest
import torch
from torch import nn

from preceptor.maths.gan_losses import difference, discriminator_loss, generator_loss, gradient_penalty, held

REAL, FAKE = torch.tensor([2.0, -0.5], dtype=torch.float64), torch.tensor([-1.0, 0.3], dtype=torch.float64)


def close(value, expected):
    assert float(value.detach()) == pytest.approx(expected, abs=2e-9)


@pytest.mark.answer("I7.3")
def test_what_the_discriminator_minimises():
    nothing = torch.tensor([100.0]).double()
    close(discriminator_loss(REAL, -nothing), 0.550502498)
    close(discriminator_loss(nothing, FAKE), 0.583808466)
    for game in ("bce", "bce_saturating"):
        close(discriminator_loss(REAL, FAKE, game), 0.550502498 + 0.583808466)
    close(discriminator_loss(REAL, FAKE, "least_squares"), 1.085)
    close(discriminator_loss(REAL, FAKE, "hinge"), 1.4)
    close(discriminator_loss(REAL, FAKE, "wasserstein"), -1.1)


@pytest.mark.answer("I7.3")
def test_what_the_generator_minimises():
    close(generator_loss(FAKE, "bce"), 0.933808466)
    close(generator_loss(FAKE, "bce_saturating"), -0.583808466)
    close(generator_loss(FAKE, "least_squares"), 2.245)
    close(generator_loss(FAKE, "hinge"), 0.35)
    close(generator_loss(FAKE, "wasserstein"), 0.35)


@pytest.mark.answer("I7.3")
def test_what_holds_a_translation_to_its_source():
    image, again = torch.tensor([1.0, 2, 3]), torch.tensor([1.5, 2, 2])
    for weight, expected in ((10, 5), (5, 2.5), (100, 50)):
        close(difference(again, image, weight), expected)


@pytest.mark.answer("I7.3")
def test_the_penalty_of_slopes():
    def judge(x):
        return x[:, 0] ** 2 + 3 * x[:, 1]

    places = torch.tensor([[1.0, 2.0], [0.0, 1.0]]).double()
    # The place looked at is the real image where its share is 1, the made one where it is 0.
    elsewhere = torch.full_like(places, 7)
    close(gradient_penalty(judge, places, elsewhere, torch.ones(2)), 53.944487245)
    close(gradient_penalty(judge, elsewhere, places, torch.zeros(2)), 53.944487245)
    between = gradient_penalty(judge, 2 * places, 0 * places, torch.full((2,), 0.5))
    close(between, 53.944487245)


@pytest.mark.answer("I7.3")
def test_the_penalty_teaches_the_discriminator_and_not_the_generator():
    judge = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))  # curved: its slope depends on the place
    made = torch.ones(3, 2, requires_grad=True)
    gradient_penalty(judge, torch.zeros(3, 2), made, torch.rand(3)).backward()
    assert made.grad is None and judge[0].weight.grad.abs().sum() > 0


@pytest.mark.answer("I7.3")
def test_a_generator_s_step_leaves_the_discriminator_as_it_is():
    judge = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    before = {name: value.clone() for name, value in judge.state_dict().items()}
    maker = nn.Linear(2, 2)
    with held(judge):
        loss = generator_loss(judge(maker(torch.randn(8, 2))))
    loss.backward()
    assert all(each.grad is None for each in judge.parameters())
    assert maker.weight.grad.abs().sum() > 0
    torch.testing.assert_close(dict(judge.state_dict()), before, rtol=0, atol=0)
    assert judge.training and all(each.requires_grad for each in judge.parameters())
    # Afterwards it learns as before, and its batch statistics move again.
    judge(torch.randn(8, 2)).sum().backward()
    assert judge[0].weight.grad is not None and not torch.equal(judge[1].running_mean, before["1.running_mean"])


@pytest.mark.answer("I7.3")
def test_a_saturating_generator_learns_nothing_from_a_sure_discriminator():
    slopes = {}
    for game in ("bce", "bce_saturating"):
        fake = torch.tensor([-12.0], requires_grad=True)
        generator_loss(fake, game).backward()
        slopes[game] = float(fake.grad)
    assert slopes["bce"] == pytest.approx(-1, abs=1e-4) and abs(slopes["bce_saturating"]) < 1e-4
