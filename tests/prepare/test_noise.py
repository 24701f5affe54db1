"""Noise: each kind has the distribution that its physics gives it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from preceptor.core.slots import build

from .augmented import case, varied

SHAPE = (64, 64, 32)


def flat(value: float):
    return case(SHAPE, values=np.full((1, *SHAPE), value))


def test_rician_noise_of_nothing_has_a_rayleigh_mean():
    after, applied = varied(build("transforms", {"rician_noise": {"sigma": 2.0, "zero": 0.0}}), flat(0.0))
    sigma = applied.parameters["sigma"]
    assert after.mean() == pytest.approx(sigma * math.sqrt(math.pi / 2), rel=0.005)
    assert after.var() == pytest.approx(sigma**2 * (2 - math.pi / 2), rel=0.015)


def test_rician_noise_of_a_strong_signal_is_gaussian():
    after, applied = varied(build("transforms", {"rician_noise": {"sigma": 0.5, "zero": 0.0}}), flat(50.0))
    sigma = applied.parameters["sigma"]
    assert (after - 50).mean() == pytest.approx(sigma**2 / 100, abs=4 * sigma / math.sqrt(after.numel()))
    assert after.std() == pytest.approx(sigma, rel=0.01)
    assert ((after**2).mean() - 50**2) == pytest.approx(2 * sigma**2, abs=0.5)  # E[M²] = A² + 2 sigma²


@pytest.mark.parametrize("mean", [3.0, 100.0])  # counts drawn one by one, and by three moments
def test_poisson_noise_varies_as_its_mean(mean):
    noise = build("transforms", {"poisson_noise": {"lowest": 1.0, "highest": 1.0, "zero": 0.0}})
    after, _ = varied(noise, flat(mean))
    off = after - mean
    assert abs(off.mean()) < 5 * math.sqrt(mean / after.numel())
    assert (off**2).mean() == pytest.approx(mean, rel=0.02)
    assert (off**3).mean() == pytest.approx(mean, rel=0.5 if mean > 30 else 0.15)


def test_counts_by_moments_are_right_where_an_image_is_dark():
    values = np.full((1, *SHAPE), 1.5)
    values[0, 0] = 100.0  # one bright slab: the fast way is taken for all of the patch
    noise = build("transforms", {"poisson_noise": {"lowest": 1.0, "highest": 1.0, "zero": 0.0}})
    after, _ = varied(noise, case(SHAPE, values=values))
    dark = after[0, 1:]
    assert after.min() >= 0
    assert dark.mean() == pytest.approx(1.5, abs=0.1) and dark.var() == pytest.approx(1.5, abs=0.1)


def test_more_counts_are_less_noise():
    spread = []
    for counts in (10.0, 40.0):
        noise = build("transforms", {"poisson_noise": {"lowest": counts, "highest": counts, "zero": 0.0}})
        spread.append(varied(noise, flat(5.0))[0].var())
    assert spread[0] / spread[1] == pytest.approx(4, rel=0.05)


def test_speckle_varies_as_the_signal_squared():
    values = np.ones((1, *SHAPE))
    values[:, 32:] = 3.0
    after, applied = varied(build("transforms", {"speckle": {"sigma": 0.4, "zero": 0.0}}), case(SHAPE, values=values))
    dim, bright = after[0, :32], after[0, 32:]
    assert dim.std() == pytest.approx(applied.parameters["sigma"], rel=0.02)
    assert bright.var() / dim.var() == pytest.approx(9, rel=0.05)
    assert bright.mean() == pytest.approx(3, rel=0.01)


@pytest.mark.parametrize("name", ["rician_noise", "poisson_noise", "speckle"])
def test_the_signal_is_counted_from_zero(name):
    """An image shifted as a whole, and its zero with it, holds the same noise."""
    sample = case()
    moved = case(values=sample.reference.array - 7)
    one, _ = varied(build("transforms", {name: {"zero": 0.0}}), sample)
    other, _ = varied(build("transforms", {name: {"zero": -7.0}}), moved)
    torch.testing.assert_close(one - 7, other, rtol=0, atol=2e-5)


def test_every_view_gets_noise_of_its_own():
    for name in ("rician_noise", "poisson_noise", "speckle"):
        applied = build("transforms", name).draw(np.random.default_rng(0), case())
        image = torch.from_numpy(case().reference.array)
        assert not torch.equal(applied.function(image.clone()), applied.function(image.clone()))
