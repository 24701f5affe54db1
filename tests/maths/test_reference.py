"""What images of a kind look like from afar: other kinds are far away, changes of brightness are not."""

from __future__ import annotations

import numpy as np
import pytest

from preceptor.core.state import read_state, write_state
from preceptor.maths import reference


def cells(generator, size=48, axes=2, number=6):
    """Soft blobs at random places."""
    grid = np.stack(np.meshgrid(*[np.arange(size)] * axes, indexing="ij"), -1)
    picture = np.zeros((size,) * axes)
    for centre in generator.uniform(0.2 * size, 0.8 * size, (number, axes)):
        picture += np.exp(-((grid - centre) ** 2).sum(-1) / (0.02 * size**2))
    return (picture + generator.normal(0, 0.05, picture.shape))[None].astype(np.float32)


@pytest.fixture(scope="module")
def fitted():
    generator = np.random.default_rng(0)
    made = reference.fit_reference(cells(generator) for _ in range(80))
    held_out = [reference.score(made, cells(generator)) for _ in range(99)]
    return made, reference.limits(held_out, 0.02), held_out


def test_images_of_the_kind_are_about_one_away(fitted):
    _, limits, held_out = fitted
    assert (np.median(held_out, axis=0) > 0.6).all() and (np.median(held_out, axis=0) < 1.6).all()
    assert max(limits) < 4
    assert np.mean([max(each.shares(limits)) > 1 for each in held_out]) <= 0.02


@pytest.mark.parametrize(
    "change",
    [
        lambda picture: -picture,
        lambda picture: np.random.default_rng(1).normal(size=picture.shape).astype(np.float32),
        lambda picture: np.tile(np.sin(np.arange(48, dtype=np.float32)), (1, 48, 1)),
        lambda picture: picture + np.random.default_rng(1).normal(0, 1, picture.shape).astype(np.float32),
        lambda picture: np.pad(picture[:, 16:32, 16:32], ((0, 0), (16, 16), (16, 16))),
    ],
    ids=["inverted", "noise", "stripes", "noisy", "cut out"],
)
def test_other_kinds_are_far_away(fitted, change):
    made, limits, _ = fitted
    assert max(reference.score(made, change(cells(np.random.default_rng(2)))).shares(limits)) > 1


def test_brightness_contrast_and_size_change_little(fitted):
    made, _, _ = fitted
    picture = cells(np.random.default_rng(3))
    plain = reference.score(made, picture)
    assert reference.score(made, 40 * picture + 1000) == pytest.approx(plain, rel=1e-2)
    larger = np.repeat(np.repeat(picture, 2, 1), 2, 2)
    assert reference.score(made, larger).layout == pytest.approx(plain.layout, rel=1e-3)


def test_a_reference_of_features_is_that_of_images(fitted, tmp_path):
    made, _, _ = fitted
    generator = np.random.default_rng(0)
    features = np.stack([reference.appearance(cells(generator)) for _ in range(80)])
    again = reference.fit_features(features, 1, 2)
    picture = cells(np.random.default_rng(4))
    assert reference.score(again, picture) == pytest.approx(reference.score(made, picture))
    write_state(tmp_path / "reference.safetensors", made)
    assert reference.score(read_state(tmp_path / "reference.safetensors")[0], picture) == reference.score(made, picture)


def test_volumes_and_few_images():
    generator = np.random.default_rng(5)
    made = reference.fit_reference(cells(generator, size=20, axes=3, number=3) for _ in range(6))
    assert np.isfinite(reference.score(made, cells(generator, size=20, axes=3, number=3))).all()
    alone = reference.fit_reference([cells(generator)])
    assert np.isfinite(reference.score(alone, cells(generator))).all()


def test_what_can_not_be_compared_is_refused(fitted):
    made, _, _ = fitted
    with pytest.raises(ValueError, match="against a reference of 1 channels"):
        reference.score(made, np.zeros((3, 8, 8)))
    with pytest.raises(ValueError, match="differ in channels"):
        reference.fit_reference([np.ones((1, 8, 8)), np.ones((2, 8, 8))])
    with pytest.raises(ValueError, match="needs an image"):
        reference.fit_reference([])
    with pytest.raises(ValueError, match="one to three axes"):
        reference.appearance(np.ones((1, 2, 2, 2, 2)))


@pytest.mark.parametrize(
    ("array", "blank"),
    [
        (np.zeros((1, 4, 4)), True),
        (np.full((1, 4, 4), 1e6), True),
        (np.array([[[0.0, np.nan]]]), True),
        (np.array([[[0.0, 1e-3]]]), False),
        (np.array([[[1000, 1001]]], dtype=np.int16), False),
    ],
)
def test_a_blank_image_shows_nothing(array, blank):
    assert reference.is_blank(array) == blank


def test_threshold_promises_where_there_are_enough_images():
    distances = np.arange(1.0, 100.0)
    assert reference.threshold(distances, 0.05) == 95.0  # ceil(100 * 0.95)
    assert reference.threshold(distances, 0.01) == 99.0
    with pytest.raises(ValueError, match="held-out"):
        reference.threshold([])


def test_threshold_of_few_images_is_estimated_and_not_blinded_by_an_odd_one():
    refused, limits = [], {"plain": [], "odd": []}
    for seed in range(200):
        generator = np.random.default_rng(seed)
        held_out = np.exp(generator.normal(0, 0.3, 30))
        limits["plain"].append(reference.threshold(held_out, 0.01))
        limits["odd"].append(reference.threshold(np.append(held_out, 50.0), 0.01))
        refused.append(np.mean(np.exp(generator.normal(0, 0.3, 500)) > limits["plain"][-1]))
    assert np.mean(refused) <= 0.02
    assert np.mean(limits["odd"]) <= 1.2 * np.mean(limits["plain"])
    assert reference.threshold([1.0, 1.0, 4.0]) >= 1.25 * 4


@pytest.mark.parametrize(("heavy", "most"), [(False, 0.012), (True, 0.03)])
def test_limits_of_few_images_refuse_about_what_was_asked_and_are_not_moved_by_an_odd_one(heavy, most):
    """Four aspects, 12 held-out images, one in a hundred to be refused."""
    refused, moved = [], []
    for seed in range(150):
        generator = np.random.default_rng(seed)
        spread = generator.standard_t(5, (312, 4)) if heavy else generator.normal(size=(312, 4))
        held_out, new = np.split(np.exp(0.25 * spread), [12])
        limits = reference.limits([reference.Distance(*each) for each in held_out], 0.01)
        refused.append((new > limits).any(1).mean())
        held_out[0] *= 1e6
        moved.append(np.divide(reference.limits([reference.Distance(*each) for each in held_out], 0.01), limits).mean())
    assert 0.005 < np.mean(refused) < most
    assert np.mean(moved) < 1.25
