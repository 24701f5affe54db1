"""Known answers of resampling whole images: the grid (P1.2), slices made thicker (P1.3), anti-aliasing (I5.3)."""

from __future__ import annotations

import numpy as np
import pytest

from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError
from preceptor.core.image import Image
from preceptor.core.slots import build
from preceptor.maths.geometry import spacing_map
from preceptor.maths.resampling import resample, smooth
from preceptor.prepare.compose import prepare_sample


def stack(profile, thickness_mm, first_mm=0.0, **facts):
    """A stack that differs from slice to slice alone, two voxels wide."""
    array = np.broadcast_to(np.asarray(profile, np.float32), (1, 2, 2, len(profile)))
    affine = np.diag([1.0, 1.0, thickness_mm, 1.0])
    affine[2, 3] = first_mm
    return Image(array, affine, **facts)


def harmonised(image, mask=None, **how):
    step = build("transforms", {"harmonise_slices": {"axis": "inferior-superior", **how}})
    return prepare_sample(Sample("a", {"ct": image}, {"mask": mask} if mask else {}), [step])


def seen(sample):
    """Profile, first centre in millimetres, distance between slices."""
    image = sample.images["ct"]
    return image.array[0, 0, 0], image.affine_mm[2, 3], image.spacing_mm[2]


# ---------------------------------------------------------------- P1.2 the grid


@pytest.mark.answer("P1.2")
@pytest.mark.parametrize(
    ("slices", "old", "new", "number", "first_mm"),
    [(200, 1, 5, 40, 2.0), (32, 5, 1, 160, -2.0), (500, 0.5, 5, 50, 2.25)],
)
def test_the_outer_edges_are_kept(slices, old, new, number, first_mm):
    image = stack(np.arange(slices), old)
    profile, first, spacing = seen(harmonised(image, thickness_mm=new))
    assert len(profile) == number and first == pytest.approx(first_mm) and spacing == pytest.approx(new)
    by_resample = prepare_sample(
        Sample("a", {"ct": image}), [build("transforms", {"resample": {"spacing_mm": [1, 1, new]}})]
    )
    assert by_resample.images["ct"].shape == (2, 2, number)
    assert np.allclose(by_resample.images["ct"].affine_mm, harmonised(image, thickness_mm=new).images["ct"].affine_mm)
    centre = [first + spacing * (number - 1) / 2, old * (slices - 1) / 2]
    assert centre[0] == pytest.approx(centre[1], abs=1e-9)


@pytest.mark.answer("P1.2")
def test_a_ramp_of_ten_goes_to_two_and_seven():
    matrix, shape = spacing_map((10,), (1,), (5,))
    ramp = np.arange(10, dtype=np.float32)[None]
    assert resample(ramp, matrix, shape)[0].tolist() == [2, 7]
    assert resample(ramp, matrix, shape, antialias="slab")[0].tolist() == [2, 7]
    labels = resample(ramp.astype(np.uint8), matrix, shape, nearest=True)
    assert labels[0].tolist() == [2, 7], "labels by the same places as images"


@pytest.mark.answer("P1.2")
@pytest.mark.parametrize(("old", "new"), [(1, 5), (5, 1), (1, 2.5), (3, 2), (1, 4)])
def test_constants_and_ramps_in_millimetres_are_kept(old, new):
    """To the seven digits of float32. Linear interpolation can't know what lies beyond the outermost centres.

    A slab that covers a part of a thin slice sees that slice's mean: 1/8 of a slab's share off at most.
    """
    constant, _, _ = seen(harmonised(stack(np.full(60, 7.0), old), thickness_mm=new))
    assert np.abs(constant - 7).max() < 1e-6
    places_mm = np.arange(60) * old
    profile, first, spacing = seen(harmonised(stack(places_mm, old), thickness_mm=new))
    at_mm = first + spacing * np.arange(len(profile))
    inside = (at_mm > spacing / 2) & (at_mm < places_mm[-1] - spacing / 2)
    partly = new > old and new % old
    assert np.abs(profile - at_mm)[inside].max() < (old / 8 * old / new + 1e-4 if partly else 1e-6 * places_mm[-1])


@pytest.mark.answer("P1.2")
def test_two_stacks_are_laid_on_one_grid_and_the_loss_is_told():
    draw = build(
        "transforms", {"harmonise_slices": {"thickness_mm": 2.5, "slices": 64, "axis": "inferior-superior"}}
    ).draw
    thick, thin = (stack(np.zeros(number), old) for number, old in ((32, 5), (200, 1)))
    for image, first_mm, lost_mm in ((thick, -1.25, 0), (thin, 20.75, 40)):
        drawn = draw(None, Sample("a", {"ct": image}))
        assert drawn.shape == (2, 2, 64)
        assert (image.affine_mm @ drawn.matrix)[2, 3] == pytest.approx(first_mm)
        assert drawn.parameters["lost_mm"] == pytest.approx(lost_mm)
        assert drawn.parameters["padded_mm"] == pytest.approx(0)
    wide = draw(None, Sample("a", {"ct": stack(np.zeros(100), 1)}))
    assert wide.parameters["padded_mm"] == pytest.approx(60) and wide.parameters["lost_mm"] == pytest.approx(0)
    with pytest.raises(PrepareError, match=r"lose 40\.0 mm"):
        harmonised(thin, thickness_mm=2.5, slices=64, most_lost_mm=39)


@pytest.mark.answer("P1.2")
def test_one_object_in_thin_and_thick_slices_looks_the_same():
    def profile(centres_mm):
        return np.exp(-(((np.asarray(centres_mm) - 100) / 30) ** 2))

    thin = np.arange(200.0)
    made, first, spacing = seen(harmonised(stack(profile(thin), 1), thickness_mm=5))
    fine = np.linspace(-2.5, 2.5, 1001)
    native = profile((first + spacing * np.arange(40))[:, None] + fine).mean(1)
    assert np.abs(made - native).max() < 1.5e-4
    assert np.abs(made - profile(thin[2::5])).max() > 1e-3, "a slab is no sample"
    back, first_back, _ = seen(harmonised(stack(native, 5, first), thickness_mm=1))
    at_mm = first_back + np.arange(len(back))
    inside = (at_mm > at_mm[0] + 5) & (at_mm < at_mm[-1] - 5)
    assert np.abs(back - profile(at_mm))[inside].max() <= 0.012


# ---------------------------------------------------------------- P1.3 slice thickness


def left_of_a_wave(period_mm, how):
    """Amplitude of a unit wave at every fifth millimetre, far from the ends."""
    place = np.arange(1200.0)
    amplitude = []
    for phase in (0.0, np.pi / 2):
        wave = np.sin(2 * np.pi * place / period_mm + phase)
        out = how(wave)
        at = 5.0 * np.arange(len(out)) + 2
        inner = slice(20, -20)
        basis = np.stack([np.sin(2 * np.pi * at / period_mm), np.cos(2 * np.pi * at / period_mm)], 1)[inner]
        amplitude.append(np.linalg.norm(np.linalg.lstsq(basis, out[inner], rcond=None)[0]))
    return float(np.mean(amplitude))


def by_slabs(wave):
    return seen(harmonised(stack(wave, 1), thickness_mm=5))[0]


def by_gaussian(wave):
    """A Gaussian of 5 mm full width, which is what `smooth` does for a factor of sqrt(26)."""
    return smooth(wave[None], [26**0.5])[0, 2::5]


@pytest.mark.answer("P1.3")
@pytest.mark.parametrize(
    ("period", "box", "gauss"),
    [
        (4, 0.2, 0.003841),
        (6, 0.2, 0.084414),
        (8, 0.482843, 0.248948),
        (20, 0.904029, 0.800530),
        (40, 0.975498, 0.945898),
    ],
)
def test_what_is_left_of_a_wave(period, box, gauss):
    assert left_of_a_wave(period, by_slabs) == pytest.approx(box, abs=1e-6)
    # The kernel is sampled and cut off at four deviations.
    assert left_of_a_wave(period, by_gaussian) == pytest.approx(gauss, abs=2e-4)


@pytest.mark.answer("P1.3")
def test_fine_waves_fade_and_coarse_ones_stay():
    step = build("transforms", {"resample": {"spacing_mm": [1, 1, 5]}})

    def by_resample(wave):
        return seen(prepare_sample(Sample("a", {"ct": stack(wave, 1)}), [step]))[0]

    for how in (by_slabs, by_resample):
        assert max(left_of_a_wave(4, how), left_of_a_wave(6, how)) <= 0.25
        assert left_of_a_wave(40, how) >= 0.9


@pytest.mark.answer("P1.3")
@pytest.mark.parametrize("axis", ["thickest", "left-right"])
def test_a_ball_there_and_back(axis):
    """1 mm to 5 mm slices and back: no volume is lost by slabs, and the shape survives wherever the ball lies."""
    n, radius = 45, 8
    x, y, z = np.indices((n, n, n)).astype(float) - (n - 1) / 2
    affine = np.eye(4) if axis == "thickest" else np.array([[0, 0, -1.0, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]])
    worst = 1.0
    for shift in np.linspace(-2, 2, 5):
        ball = (x**2 + y**2 + (z - shift) ** 2 <= radius**2).astype(np.float32)
        sample = Sample("a", {"ct": Image(ball[None], affine)})
        for thickness_mm in (5, 1):
            step = build("transforms", {"harmonise_slices": {"thickness_mm": thickness_mm, "axis": axis}})
            sample = prepare_sample(sample, [step])
            if thickness_mm == 5:
                assert sample.images["ct"].shape == (n, n, n // 5)
        back = sample.images["ct"].array[0]
        assert back.sum() == pytest.approx(ball.sum(), rel=1e-5)
        hard = back >= 0.5
        worst = min(worst, 2 * (hard * ball).sum() / (hard.sum() + ball.sum()))
    assert worst >= 0.97


@pytest.mark.answer("P1.3")
@pytest.mark.parametrize("slices", [20, 37, 64, 181, 500])
def test_a_number_of_slices_keeps_the_coverage(slices):
    rng = np.random.default_rng(slices)
    image = stack(rng.normal(size=slices), 1.25, first_mm=-30)
    codes = stack(np.arange(slices) // 10, 1.25, first_mm=-30, is_label=True)
    codes = codes.with_array(codes.array.astype(np.uint8))
    out = harmonised(image, codes, slices=64)
    profile, first, spacing = seen(out)
    assert len(profile) == 64 and spacing * 64 == pytest.approx(1.25 * slices)
    assert first - spacing / 2 == pytest.approx(-30 - 0.625)
    assert set(np.unique(out.masks["mask"].array)) <= set(np.unique(codes.array))
    if slices >= 64:
        assert profile.mean() == pytest.approx(image.array.mean(), abs=1e-5), "every part of the stack counts as much"


# ---------------------------------------------------------------- I5.3 anti-aliasing


@pytest.mark.answer("I5.3")
def test_waves_too_fine_for_the_new_grid_are_gone():
    """A factor of four: what is left of a wave's deviation by our Gaussian, ``sqrt(f^2 - 1) / 2.3548`` voxels."""
    place = np.arange(4000.0)
    matrix, shape = spacing_map((4000,), (1,), (4,))
    left = {}
    for period in (2.5, 4, 8, 12, 24):
        wave = np.sin(2 * np.pi * place / period)[None].astype(np.float32)
        left[period] = [
            resample(wave, matrix, shape, antialias=how)[0, 20:-20].std() / 0.5**0.5 for how in (False, True, "slab")
        ]
    expected = {2.5: (0.219, 0, 0.177), 8: (0.920, 0.399, 0.650), 12: (0.683, 0.476, 0.592), 24: (0.701, 0.633, 0.677)}
    for period in (2.5, 4):
        assert left[period][1] <= 0.05, "shorter than eight voxels"
    assert left[24][1] >= 0.85 and left[24][2] >= 0.85
    for period in (12, 24):
        assert left[period][1] * 0.5**0.5 == pytest.approx(expected[period][1], abs=0.01)
        assert left[period][2] * 0.5**0.5 == pytest.approx(expected[period][2], abs=0.01)


@pytest.mark.answer("I5.3")
def test_merged_slices_are_means_and_labels_are_not_filtered():
    matrix, shape = spacing_map((12,), (1,), (4,))
    ramp = np.arange(12)[None]
    assert np.allclose(resample(ramp.astype(np.float32), matrix, shape, antialias="slab"), [1.5, 5.5, 9.5], atol=1e-6)
    codes = np.array([[3, 3, 3, 3, 9, 9, 9, 9, 0, 0, 0, 0]], np.uint8)
    for how in (True, "slab"):
        assert resample(codes, matrix, shape, nearest=True, antialias=how).tolist() == [[3, 9, 0]]


@pytest.mark.answer("I5.3")
def test_slabs_of_an_oblique_map_are_averaged_too():
    """A turned grid has no axis of its own to average along: the image is averaged first and read linearly then."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(1, 64, 64)).astype(np.float32)
    turn = np.deg2rad(20)
    matrix = np.array([[4 * np.cos(turn), -4 * np.sin(turn), 12], [4 * np.sin(turn), 4 * np.cos(turn), -2], [0, 0, 1]])
    spread = {how: resample(noise, matrix, (9, 9), antialias=how).std() for how in (False, "slab")}
    assert spread["slab"] < 0.35 < spread[False]
