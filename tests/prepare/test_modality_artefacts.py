"""Dose, compression, stains, ultrasound, photographs: each does to an image what is known of it."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
import torch
from PIL import Image as Picture
from scipy import ndimage
from scipy.fft import dctn

from preceptor.core.errors import PrepareError
from preceptor.core.slots import build
from preceptor.maths.jpeg import compressed, steps

from .augmented import case, varied


def detailed(shape, channels=1):
    """A picture in 0..255, with edges, slopes and texture."""
    rng = np.random.default_rng(5)
    smooth = ndimage.gaussian_filter(rng.random((channels, *shape)), (0, *[3] * len(shape)))
    picture = (smooth - smooth.min()) / np.ptp(smooth) * 200 + 20 + rng.normal(0, 6, smooth.shape)
    picture[(slice(None), *[slice(9, 19)] * len(shape))] += 60
    picture = picture.clip(0, 255).round()
    picture.flat[0], picture.flat[-1] = 0, 255  # the patch's range is JPEG's
    return picture


# ---------------------------------------------------------------- dose


def added_noise(dose, shape=(96, 96, 4), spacing_mm=(0.8, 0.8, 3.0), **settings):
    """What is added to nothing at one dose: the draw of a seed that gives the lowest dose, or near."""
    transform = build("transforms", {"low_dose": {"lowest": dose, **settings}})
    seed = max(range(40), key=lambda seed: np.random.default_rng(seed).random(2)[1])
    return varied(transform, case(shape, spacing_mm, values=np.zeros((1, *shape))), seed)


def test_the_variance_grows_as_one_over_the_dose():
    own = 12.0
    for dose in (0.5, 0.25, 0.05):
        noise, applied = added_noise(dose, noise_hu=own)
        drawn = applied.parameters["dose"]
        assert drawn == pytest.approx(dose, rel=0.15)
        assert float(noise.var()) + own**2 == pytest.approx(own**2 / drawn, rel=0.03)


def test_a_full_dose_adds_nothing():
    assert added_noise(1.0)[0].abs().max() == 0


def test_noise_is_in_the_units_of_the_prepared_image():
    in_hu, in_window = added_noise(0.25)[0], added_noise(0.25, hu_per_unit=400.0)[0]
    torch.testing.assert_close(in_hu, in_window * 400, rtol=1e-4, atol=1e-3)


def test_noise_power_follows_the_ramp_and_the_sharpness():
    noise, _ = added_noise(0.1, shape=(96, 96, 32), sharpness_mm=1.0)
    power = (np.abs(np.fft.fft2(noise[0].numpy(), axes=(0, 1))) ** 2).mean(-1)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(96, 0.8), np.fft.fftfreq(96, 0.8), indexing="ij"))
    sigma = 1.0 / math.sqrt(8 * math.log(2))
    expected = frequency * np.exp(-4 * (np.pi * sigma * frequency) ** 2)
    band = (frequency > 0) & (expected > 0.05 * expected.max())
    ratio = (power[band] / power[band].sum()) / (expected[band] / expected[band].sum())
    assert ratio.mean() == pytest.approx(1, abs=0.05) and ratio.std() < 0.35  # each point is a mean of 32 exponentials
    assert power[0, 0] < 1e-6 * power.max(), "back-projection leaves the mean of a slice"
    through = (
        noise[0, :, :, :-1].flatten() @ noise[0, :, :, 1:].flatten() / (noise[0].var() * noise[0, :, :, 1:].numel())
    )
    assert abs(through) < 0.02, "slices are independent"


# ---------------------------------------------------------------- JPEG


@pytest.mark.parametrize("quality", [10, 50, 75, 90])
def test_grey_is_what_a_jpeg_library_makes_of_it(quality):
    """Alike but where a coefficient lies half-way between two steps: the library's whole-number transform errs by 0.1."""
    rows = detailed((40, 56))[0].clip(30, 225).astype(np.uint8)
    kept = io.BytesIO()
    Picture.fromarray(rows).save(kept, "JPEG", quality=quality)
    theirs = np.asarray(Picture.open(kept))
    ours = compressed(torch.from_numpy(rows.astype(np.float32))[None], quality)[0].numpy()

    def coefficients(picture):
        blocks = (picture.astype(float) - 128).reshape(5, 8, 7, 8).swapaxes(1, 2)
        return dctn(blocks, axes=(2, 3), norm="ortho")

    for picture, slack in ((ours, 1e-6), (theirs, 0.15)):
        stepped = np.round(coefficients(picture) / steps(quality)) * steps(quality)
        assert (np.abs(coefficients(rows) - stepped) <= steps(quality) / 2 + slack).all(), "the nearest step"
    off = np.abs(ours - theirs.astype(float))
    assert off.mean() < 0.3 and np.median(off) == 0
    assert np.abs(theirs.astype(float) - rows).mean() > 5 * off.mean()


def test_the_steps_of_a_quality_are_the_librarys():
    for quality in (1, 25, 50, 90, 100):
        kept = io.BytesIO()
        Picture.new("L", (8, 8)).save(kept, "JPEG", quality=quality)
        with Picture.open(kept) as picture:
            assert steps(quality).ravel().tolist() == list(picture.quantization[0])


def test_edges_that_fill_no_block_are_kept():
    picture = torch.from_numpy(detailed((13, 21)).astype(np.float32))
    assert compressed(picture, 95).shape == (1, 13, 21)
    assert (compressed(picture, 95) - picture).abs().mean() < 4


def test_a_volume_is_compressed_slice_by_slice_with_rows_along_y():
    volume = detailed((24, 20, 5))
    after, applied = varied(build("transforms", {"jpeg": {"lowest": 30, "highest": 60}}), case(values=volume))
    assert 30 <= applied.parameters["quality"] <= 60
    for number in range(5):
        plane = torch.from_numpy(volume[0, :, :, number].T.astype(np.float32).copy())
        expected = compressed(plane[None], applied.parameters["quality"])[0].T
        torch.testing.assert_close(after[0, :, :, number].float(), expected, rtol=0, atol=1e-3)


def test_colour_is_compressed_together_as_a_camera_does():
    picture = detailed((32, 24), channels=3)
    transform = build("transforms", {"jpeg": {"lowest": 60, "highest": 60, "colour": True}})
    after, _ = varied(transform, case(values=picture))
    kept = io.BytesIO()
    Picture.fromarray(picture.astype(np.uint8).transpose(2, 1, 0)).save(kept, "JPEG", quality=60, subsampling="4:2:0")
    theirs = np.asarray(Picture.open(kept)).astype(float).transpose(2, 1, 0)
    np.testing.assert_allclose(after.numpy(), theirs, atol=1e-3)
    with pytest.raises(PrepareError, match="three channels"):
        transform.draw(np.random.default_rng(0), case((16, 16)))


# ---------------------------------------------------------------- stains


def test_a_dye_that_is_doubled_is_doubled_in_the_optical_density():
    from skimage.color import rgb_from_hed

    stains = rgb_from_hed / np.linalg.norm(rgb_from_hed, axis=1, keepdims=True)
    amounts = np.random.default_rng(0).uniform(0.1, 0.7, (100, 3))
    light = 255 * np.exp(-amounts @ stains)
    sample = case((10, 10), values=light.T.reshape(3, 10, 10))
    after, applied = varied(build("transforms", {"stain_jitter": {"sigma": 0.2}}), sample)
    factors, shifts = (np.array(applied.parameters[each]) for each in ("factors", "shifts"))
    expected = 255 * np.exp(-(amounts * factors + shifts) @ stains)
    np.testing.assert_allclose(after.numpy().reshape(3, -1).T, expected.clip(max=255), rtol=1e-3)
    assert (np.abs(factors - 1) <= 0.2).all() and (np.abs(shifts) <= 0.2).all() and len(set(factors)) == 3


def test_stains_are_the_same_on_any_scale_of_light():
    values = np.random.default_rng(0).uniform(20, 250, (3, 12, 9))
    one, _ = varied(build("transforms", {"stain_jitter": {"sigma": 0.1}}), case((12, 9), values=values))
    other, _ = varied(
        build("transforms", {"stain_jitter": {"sigma": 0.1, "white": 1.0}}), case((12, 9), values=values / 255)
    )
    torch.testing.assert_close(one / 255, other, rtol=1e-4, atol=1e-5)
    with pytest.raises(PrepareError, match="1 channels"):
        build("transforms", "stain_jitter").draw(np.random.default_rng(0), case((8, 8)))


# ---------------------------------------------------------------- ultrasound


def test_a_shadow_lies_behind_its_depth_and_is_as_wide_and_deep_as_it_says():
    sample = case((60, 80), (0.5, 0.5), values=np.full((1, 60, 80), 2.0))
    after, applied = varied(build("transforms", {"ultrasound_shadow": {"zero": 0.0, "width_mm": 4.0}}), sample)
    depth, width, strength = (applied.parameters[each][0] for each in ("depth_mm", "width_mm", "strength"))
    place = applied.parameters["place_mm"][0][0]
    rows = np.arange(80) * 0.5
    assert (after[0][:, rows < depth] == 2).all(), "nothing is lost before it"
    behind = after[0][:, rows > depth + 2]
    torch.testing.assert_close(behind, behind[:, :1].expand_as(behind))  # parallel beams: the same all the way down
    across = np.arange(60) * 0.5 - 59 * 0.25
    lost = 1 - behind[:, 0].numpy() / 2
    np.testing.assert_allclose(lost, strength * np.exp(-((across - place) ** 2) / (2 * width**2)), atol=1e-5)


def test_beams_of_a_curved_probe_spread():
    settings = {"zero": 0.0, "width_mm": 2.0, "strength": 1.0}
    sample = case((120, 80), (0.5, 0.5), values=np.ones((1, 120, 80)))
    after, _ = varied(build("transforms", {"ultrasound_shadow": {**settings, "apex_mm": 20.0}}), sample, 1)
    lost = (1 - after[0, :, 45:]).numpy()  # it sets in at 19 mm
    middle = (lost * np.arange(120)[:, None]).sum(0) / lost.sum(0)
    spread = np.sqrt((lost * (np.arange(120)[:, None] - middle) ** 2).sum(0) / lost.sum(0))
    # Beams meet 20 mm above: a shadow at 35 mm is (20 + 35) / (20 + 25) as wide as at 25 mm.
    assert spread[25] / spread[5] == pytest.approx(55 / 45, rel=0.02)


def test_the_probe_may_lie_at_the_other_end():
    sample = case((20, 60), values=np.ones((1, 20, 60)))
    up, down = (
        varied(build("transforms", {"ultrasound_shadow": {"zero": 0.0, "probe": end}}), sample, 1)[0]
        for end in ("first", "last")
    )
    torch.testing.assert_close(up, down.flip(-1))


def test_a_gain_is_added_by_depth_in_decibels():
    values = np.full((1, 10, 64), 0.5)
    values[0, 0], values[0, 1] = 0.0, 1.0
    settings = {"gain_db": 6.0, "sliders": 2, "dynamic_range_db": 60.0}
    after, applied = varied(build("transforms", {"ultrasound_gain": settings}), case((10, 64), values=values))
    first, last = applied.parameters["gain_db"]
    expected = 0.5 + np.linspace(first, last, 64) / 60
    np.testing.assert_allclose(after[0, 5].numpy(), expected, atol=1e-6)
    assert after.min() >= 0 and after.max() <= 1, "what leaves the range is cut off"
    assert (after[0, 0] == 0).all(), "what is black stays so: it lies outside the sector"


# ---------------------------------------------------------------- photographs of a screen

STILL = dict.fromkeys(("glare", "moire", "gamma", "white_balance", "dim", "veil", "blur_px", "noise"), 0.0)


def photographed(values, seed=0, **settings):
    transform = build("transforms", {"screen_photograph": {**STILL, **settings}})
    return varied(transform, case(values.shape[1:], values=values), seed)


@pytest.fixture
def grey():
    values = np.full((1, 64, 48), 0.25)
    values[0, 0, 0], values[0, -1, -1] = 0.0, 1.0
    return values


def test_moire_is_one_wave(grey):
    after, applied = photographed(grey, moire=0.06)
    change = (after[0] - 0.25).numpy()
    change[0, 0] = change[-1, -1] = 0
    assert change.std() == pytest.approx(0.06 / math.sqrt(2), rel=0.05)
    spectrum = np.abs(np.fft.fft2(change))
    x, y = np.unravel_index(spectrum.argmax(), spectrum.shape)
    waves = math.hypot(min(x, 64 - x), min(y, 48 - y))
    assert waves == pytest.approx(applied.parameters["waves"], abs=1)


def test_a_glare_is_brightest_in_its_middle(grey):
    after, applied = photographed(grey, seed=1, glare=0.5)
    bright = (after[0] - 0.25).numpy()
    bright[0, 0] = bright[-1, -1] = 0
    place = np.array(np.unravel_index(bright.argmax(), bright.shape)) / (64, 48)
    np.testing.assert_allclose(place, applied.parameters["glare_place"], atol=0.03)
    assert bright.max() == pytest.approx(applied.parameters["glare"], rel=0.02)


def test_tone_dimness_and_veil(grey):
    after, applied = photographed(grey, gamma=0.5, dim=0.3, veil=0.15)
    drawn = applied.parameters
    expected = 0.25 ** drawn["gamma"] * (1 - drawn["dim"]) + drawn["veil"]
    assert after[0, 5, 5] == pytest.approx(expected, abs=1e-5)


def test_white_balance_is_a_factor_for_each_colour(grey):
    after, applied = photographed(np.repeat(grey, 3, 0), white_balance=0.2)
    np.testing.assert_allclose(after[:, 5, 5].numpy(), 0.25 * np.array(applied.parameters["white_balance"]), rtol=1e-5)
    assert torch.equal(photographed(grey, white_balance=0.2)[0].float(), torch.from_numpy(grey).float())


def test_the_scale_keeps_its_ends(grey):
    after, _ = photographed(grey * 300 - 100, glare=2.0, noise=0.3)
    assert after.min() >= -100 and after.max() <= 200
    with pytest.raises(PrepareError, match="volume"):
        build("transforms", "screen_photograph").draw(np.random.default_rng(0), case())
