"""RandAugment: some of a list at a share of their strength; and what strength means for each transform."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from preceptor.core.applied import Intensity, Nothing, Several, Spatial, parts
from preceptor.core.errors import PrepareError, RecipeError
from preceptor.core.evidence import Question
from preceptor.core.slots import build, names, parameters, plugin
from preceptor.prepare.patches import draw

from .augmented import case, varied

WITH_STRENGTH = [name for name in names("transforms") if hasattr(plugin("transforms", name), "neutral")]
OF_PIXELS = [
    "anisotropy", "bias_field", "blur", "brightness", "contrast", "cutout", "gamma", "ghosting", "jpeg", "low_dose", "motion",
    "noise", "poisson_noise", "rician_noise", "screen_photograph", "sharpen", "speckle", "spike", "stain_jitter",
    "ultrasound_gain", "ultrasound_shadow",
]  # fmt: skip


def test_every_transform_of_pixel_values_says_what_its_strength_is():
    assert set(OF_PIXELS) - set(WITH_STRENGTH) == {"poisson_noise"}, "no number of counts changes nothing"


@pytest.mark.parametrize("name", WITH_STRENGTH)
def test_at_its_neutral_values_nothing_changes(name):
    cls = plugin("transforms", name)
    assert set(cls.neutral) <= set(parameters(cls)) - {"chance"}
    transform = cls(**{**_settings(cls.example()), **cls.neutral})
    for sample in (case(), case((24, 20), channels=3)):
        before = torch.from_numpy(sample.reference.array)
        try:
            found = list(parts(transform.draw(np.random.default_rng(1), sample)))
        except PrepareError:
            continue
        for applied in found:
            if isinstance(applied, Intensity):
                after = applied.function(before.clone())
                if name == "jpeg":  # 256 levels, whatever the quality
                    torch.testing.assert_close(after, before, rtol=0, atol=3 * 4 / 255)
                else:
                    torch.testing.assert_close(after, before.clone(), rtol=0, atol=2e-5)
            elif isinstance(applied, Spatial):
                np.testing.assert_allclose(applied.matrix, np.eye(len(applied.matrix)), atol=1e-9)
                assert applied.displacement is None or np.abs(applied.displacement.control).max() < 1e-6


def _settings(transform):
    return {name: getattr(transform, name) for name in parameters(type(transform))}


@pytest.mark.parametrize("name", OF_PIXELS)
def test_chance_is_how_often_it_happens(name):
    settings = _settings(plugin("transforms", name).example())
    sample = case((16, 12), channels=3)
    happens = []
    for chance in (0.0, 0.5, 1.0):
        transform = build("transforms", {name: {**settings, "chance": chance}})
        drawn = [transform.draw(np.random.default_rng(seed), sample) for seed in range(60)]
        happens.append(sum(not isinstance(each, Nothing) for each in drawn))
    assert happens[0] == 0 and happens[2] == 60 and 15 < happens[1] < 45


@pytest.mark.parametrize("name", OF_PIXELS)
def test_the_bits_do_not_hang_on_the_number_of_threads(name):
    """A loader's worker has one thread, a loader without workers all of them."""
    sample = case((96, 80), channels=3) if name in ("stain_jitter", "screen_photograph") else case((40, 32, 36))
    found = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(varied(build("transforms", name), sample, seed=4)[0])
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])


@pytest.mark.parametrize("name", OF_PIXELS)
@pytest.mark.parametrize("value", [0.0, -3.5, 1e4])
def test_an_image_of_one_value_stays_finite(name, value):
    sample = case((16, 12), channels=3, values=np.full((3, 16, 12), value))
    for seed in range(4):
        assert varied(build("transforms", name), sample, seed)[0].isfinite().all()


@pytest.mark.parametrize("name", OF_PIXELS)
def test_axes_of_one_voxel_do_no_harm(name):
    for shape in ((1, 1), (1, 9)):
        assert varied(build("transforms", name), case(shape, channels=3), 2)[0].isfinite().all()


# ---------------------------------------------------------------- some of a list

LIST = [
    {"affine": {"degrees": 40.0, "scale": 0.2}},
    {"brightness": {"shift": 4.0}},
    {"contrast": {"lowest": 0.5, "highest": 2.0}},
]


def test_spatial_ones_are_composed_and_the_others_applied_in_order():
    policy = build("transforms", {"rand_augment": {"transforms": LIST, "count": 5}})
    sample, moved, changed = case(), 0, 0
    for seed in range(8):
        applied = policy.draw(np.random.default_rng(seed), sample)
        assert isinstance(applied, Several) and len(applied.parts) == 5
        kinds = [name for each in applied.parameters["drawn"] for name in each]
        spatial, intensities = draw([policy], np.random.default_rng(seed), sample, sample.reference.shape)
        assert (spatial is not None) == ("affine" in kinds)
        assert len(intensities) == sum(name != "affine" for name in kinds)
        matrices = [each.matrix for each in applied.parts if isinstance(each, Spatial)]
        if matrices:
            np.testing.assert_allclose(
                spatial.matrix, np.linalg.multi_dot([*matrices, np.eye(4), np.eye(4)]), atol=1e-9
            )
        moved, changed = moved + bool(matrices), changed + bool(intensities)
    assert moved > 2 and changed > 2


def test_the_magnitude_is_a_share_of_the_way_from_nothing():
    """The same dice at half the magnitude: half the shift, half the angle."""
    half, full = (
        build("transforms", {"rand_augment": {"transforms": LIST[:2], "count": 1, "magnitude": magnitude}})
        for magnitude in (0.5, 1.0)
    )
    seen = set()
    for seed in range(10):
        ((name, weak),), ((_, strong),) = (
            each.draw(np.random.default_rng(seed), case()).parameters["drawn"][0].items() for each in (half, full)
        )
        key = {"affine": "degrees", "brightness": "shift"}[name]
        np.testing.assert_allclose(np.array(weak[key]) * 2, strong[key], rtol=1e-9)
        seen.add(name)
    assert seen == {"affine", "brightness"}


def test_at_magnitude_zero_nothing_changes():
    policy = build("transforms", {"rand_augment": {"transforms": LIST, "count": 3, "magnitude": 0.0}})
    spatial, intensities = draw([policy], np.random.default_rng(0), case(), (24, 20, 16))
    assert spatial is None or np.allclose(spatial.matrix, np.eye(4))
    image = torch.from_numpy(case().reference.array)
    for each in intensities:
        torch.testing.assert_close(each.function(image.clone()), image, rtol=0, atol=1e-5)


def test_all_are_as_likely():
    policy = build("transforms", {"rand_augment": {"transforms": LIST, "count": 2}})
    drawn = [
        name
        for seed in range(300)
        for each in policy.draw(np.random.default_rng(seed), case((4, 4))).parameters["drawn"]
        for name in each
    ]
    shares = [drawn.count(name) / len(drawn) for name in ("affine", "brightness", "contrast")]
    assert shares == pytest.approx([1 / 3] * 3, abs=0.06)


def test_what_one_of_them_does_not_suit_the_policy_does_not():
    mirror = {"flip": {"axes": ["left-right"], "chance": 1.0}}
    policy = build("transforms", {"rand_augment": {"transforms": [mirror, "noise"]}})
    assert not policy.suits(Question("classification", "side", ("left", "right")))
    assert policy.suits(Question("classification", "finding", ("absent", "present")))
    assert not policy.reads_pixels


def test_a_list_that_can_not_be_drawn_from_is_refused():
    with pytest.raises(RecipeError, match="empty"):
        build("transforms", {"rand_augment": {"transforms": []}})
    fitted = next(name for name in names("transforms") if hasattr(plugin("transforms", name), "fit"))
    with pytest.raises((RecipeError, TypeError), match=fitted):
        build(
            "transforms",
            {"rand_augment": {"transforms": [{fitted: _settings(plugin("transforms", fitted).example())}]}},
        )
