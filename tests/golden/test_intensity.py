"""Known answers of intensities: P1.4 to P1.7 and their traps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from preceptor.core.cohort import Case, Cohort, Sample
from preceptor.core.errors import PrepareError
from preceptor.core.image import Image
from preceptor.core.slots import build, plugin
from preceptor.maths.intensity_scale import between, middle_and_spread, percentiles
from preceptor.maths.white_stripe import histogram_peak, stripe
from preceptor.prepare.compose import prepare_sample

from ..prepare.cases import sample


def prepared(values, step, label=None, **meta):
    """``(*space)`` after one step."""
    values = np.asarray(values, dtype=float)
    given = sample(np.stack([values, values]) if values.ndim == 1 else values, label=label, **meta)
    out = prepare_sample(given, [build("transforms", step) if isinstance(step, (dict, str)) else step])
    array = out.images["view"].array[0]
    return array[0] if values.ndim == 1 else array


def fitted(step, *values):
    """The step, fitted on images of these values."""
    made = build("transforms", step)
    given = (sample(np.stack([np.asarray(each, dtype=float)] * 2)) for each in values)
    return made.with_state(made.fit(given))


# ---------------------------------------------------------------- P1.4 z-score, percentiles, range


@pytest.mark.answer("P1.4")
def test_the_deviation_is_that_of_the_population():
    values = [2.0, 4, 4, 4, 5, 5, 7, 9]
    assert middle_and_spread(torch.tensor(values, dtype=torch.float64)) == pytest.approx((5, 2), abs=1e-12)
    assert np.allclose(prepared(values, "zscore"), [-1.5, -0.5, -0.5, -0.5, 0, 0, 1, 2], atol=1e-6)


@pytest.mark.answer("P1.4")
def test_percentiles_are_linear():
    assert percentiles(torch.arange(101), (1, 99)).tolist() == [1, 99]
    assert percentiles(torch.tensor([10, 20, 30, 40, 1000]), (1, 99)) == pytest.approx([10.4, 961.6], abs=1e-9)
    ramp = np.arange(101.0)
    out = prepared(ramp, "percentile")
    assert np.allclose(out[[0, 1, 50, 99, 100]], [0, 0, 0.5, 1, 1], atol=1e-6)
    assert np.allclose(between(torch.tensor([-5.0, 1, 50, 99, 200]), 1, 99, clip=True), [0, 0, 0.5, 1, 1], atol=1e-6)
    assert prepared(ramp, {"percentile": {"clip": False}})[100] == pytest.approx(99 / 98, abs=1e-6)


@pytest.mark.answer("P1.4")
def test_what_wild_values_do_not_move():
    values = [10.0, 20, 30, 40, 1000]
    assert np.allclose(prepared(values, {"zscore": {"by": "iqr"}}), [-1, -0.5, 0, 0.5, 48.5], atol=1e-6)
    assert middle_and_spread(torch.tensor(values), "mad") == pytest.approx((30, 14.826), abs=1e-6)
    assert np.allclose(prepared(values, {"zscore": {"by": "mad"}})[3], 10 / 14.826, atol=1e-6)


@pytest.mark.answer("P1.4")
def test_range():
    assert np.allclose(prepared([0.0, 50, 200], {"range": {"start": "zero"}}), [0, 0.25, 1], atol=1e-6)
    assert np.allclose(prepared([50.0, 125, 200], "range"), [0, 0.5, 1], atol=1e-6)
    assert np.allclose(prepared([50.0, 125, 200], {"range": {"low": -1, "high": 3}}), [-1, 1, 3], atol=1e-6)


@pytest.mark.answer("P1.4")
@pytest.mark.parametrize(
    "step", ["zscore", {"zscore": {"by": "iqr"}}, {"zscore": {"by": "mad"}}, "percentile", "range", "clahe", "equalise"]
)
@pytest.mark.parametrize("value", [0.0, 0.1, 700.0, -3000.1])
def test_a_constant_image_becomes_zero(step, value):
    assert (prepared(np.full((16, 16), value), step) == 0).all()


@pytest.mark.answer("P1.4")
def test_padding_does_not_change_what_is_taken_from_the_object():
    """Statistics over the whole box change when air is added around; over a region they do not."""
    values = np.random.default_rng(0).uniform(50, 90, (12, 12))
    mask = np.ones((12, 12), np.uint8)
    wide, wide_mask = np.pad(values, 10), np.pad(mask, 10)
    inside = np.s_[10:22, 10:22]
    for step in ("zscore", "percentile", "range", "equalise"):
        narrow = prepared(values, step)
        for how in ({"over": "positive"}, {"over": "foreground"}, {"mask": "label"}):
            assert np.allclose(prepared(wide, {step: how}, wide_mask)[inside], narrow, atol=1e-5), (step, how)
        assert np.abs(prepared(wide, step)[inside] - narrow).max() > 0.02, step


@pytest.mark.answer("P1.4")
def test_a_constant_image_is_told():
    check, blank = plugin("checks", "odd_images").example(), sample(np.full((16, 16), 7.0))
    case = Case("case", {"view": "a.nii"})
    (problem,) = check(Cohort((case,), Path()), {"case": check.look(case, blank, None)}, None)
    assert problem.severity == "error" and problem.cases == ("case",)


@pytest.mark.answer("P1.4")
def test_integers_are_not_rounded():
    bytes_ = torch.tensor([0, 1, 1, 2, 255], dtype=torch.uint8)
    assert percentiles(bytes_, (10,))[0] == pytest.approx(0.4)


# ---------------------------------------------------------------- P1.7 equalisation and CLAHE


@pytest.mark.answer("P1.7")
def test_equalisation():
    assert np.allclose(prepared([0.0, 0, 1, 2], "equalise"), [0.5, 0.5, 0.625, 1], atol=1e-6)


@pytest.mark.answer("P1.7")
def test_clahe():
    row, column = np.indices((64, 64))
    array = (3 * row + column**2 / 40) % 256
    share = (array - array.min()) / (array.max() - array.min())
    assert share.mean() == pytest.approx(0.482952, abs=1e-6)
    assert (share[10, 20], share[40, 50]) == pytest.approx((0.156311, 0.713169), abs=1e-6)
    for given in (share, array, -700 + 3 * array):  # the unit does not matter
        out = prepared(given, "clahe")
        assert (out[10, 20], out[40, 50]) == pytest.approx((0.293651, 0.666667), abs=1 / 255)
        assert (out.mean(), out.std()) == pytest.approx((0.520743, 0.191660), abs=1e-4)


@pytest.mark.answer("P1.7")
def test_a_constant_picture_has_no_contrast_to_stretch():
    """The library makes 1 of every voxel."""
    assert (prepared(np.full((16, 16), 0.5), "clahe") == 0).all()


@pytest.mark.answer("P1.7")
def test_clahe_is_not_monotone_and_equalisation_is():
    row, column = np.indices((64, 64))
    values = (row * 2.0 + 40 * np.sin(column / 5)).ravel()
    order = np.argsort(values)
    local = prepared(values.reshape(64, 64), "clahe").ravel()[order]
    whole = prepared(values.reshape(64, 64), "equalise").ravel()[order]
    assert (np.diff(local) < -0.01).any()
    assert (np.diff(whole) >= 0).all()


@pytest.mark.answer("P1.7")
def test_frames_are_equalised_one_by_one():
    frames = np.random.default_rng(0).random((1, 2, 24, 24)).astype(np.float32)
    frames[:, 1] = frames[:, 1] * 50 + 3
    film = Sample("case", {"view": Image(frames, np.eye(4), has_time=True)})
    out = prepare_sample(film, [build("transforms", "clahe")]).images["view"].array
    assert np.allclose(out[0, 1], prepared(frames[0, 1], "clahe"), atol=1e-6)


@pytest.mark.answer("P1.7")
@pytest.mark.parametrize(
    ("source", "reference", "expected"),
    [
        ([0, 0, 1, 2], [10, 20, 30, 40], [20, 20, 30, 40]),
        (range(8), [5, 5, 5, 9, 9, 9, 9, 20], [5, 5, 5, 6, 7, 8, 9, 20]),
    ],
)
def test_histogram_matching(source, reference, expected):
    step = fitted("histogram_match", reference)
    assert np.allclose(prepared(list(source), step), expected, atol=1e-6)


@pytest.mark.answer("P1.7")
def test_the_reference_is_the_mean_of_the_training_images():
    step = fitted("histogram_match", [10, 20, 30, 40], [30, 40, 50, 60])
    assert np.allclose(prepared([0, 0, 1, 2], step), [30, 30, 40, 50], atol=1e-6)


@pytest.mark.answer("P1.7")
def test_only_a_region_is_matched_and_the_rest_moved_along():
    step = fitted({"histogram_match": {"over": "positive"}}, [0, 0, 10, 20, 30, 40])
    assert np.allclose(prepared([-3, 0, 1, 1, 2, 3], step), [20, 20, 20, 20, 30, 40], atol=1e-6)


# ---------------------------------------------------------------- P1.5 Nyul

_A = np.arange(101.0)
_C = _A**2 / 100


def _nyul(*images, **how):
    return fitted({"nyul": {"over": "all", **how}}, *images)


def _places(step):
    return step._state["views"]["view"]["table"][0]


@pytest.mark.answer("P1.5")
def test_landmarks():
    both = [0, 5.096938776, 11.729591837, 19.382653061, 28.056122449, 37.75]
    both += [48.464285714, 60.198979592, 72.954081633, 86.729591837, 100]
    c = [0, 1.010204082, 4.071428571, 9.173469388, 16.316326531, 25.5]
    c += [36.724489796, 49.989795918, 65.295918367, 82.642857143, 100]
    assert _places(_nyul(_A))[:3] == pytest.approx([0, 9.183673469, 19.387755102], abs=1e-8)
    assert _places(_nyul(_C)) == pytest.approx(c, abs=1e-5)
    assert _places(_nyul(_A, _C)) == pytest.approx(both, abs=1e-5)
    assert np.abs(_places(_nyul(2 * _A + 10, _C)) - both).max() < 1e-5  # the unit does not matter


@pytest.mark.answer("P1.5")
def test_images_come_onto_the_standard_scale():
    step = _nyul(_A, _C)
    out = prepared(_A, step)
    assert out[[15, 50]] == pytest.approx([8.413265306, 37.75], abs=1e-5)
    assert prepared(_C, step)[[15, 50]] == pytest.approx([7.860544218, 37.75], abs=1e-5)  # 2.25 and 25
    assert out[[0, 100]] == pytest.approx([-0.566326531, 101.474489796], abs=1e-5)  # the outermost pieces go on …
    clipped = prepared(_A, _nyul(_A, _C, clip=True))
    assert clipped[[0, 100]] == pytest.approx([0, 100], abs=1e-6)  # … or are cut off, as asked


@pytest.mark.answer("P1.5")
def test_an_image_with_few_values_keeps_its_order():
    """Half of the landmarks coincide where half of the image is background."""
    values = np.concatenate([np.zeros(60), np.linspace(5, 50, 41)])
    out = prepared(values, _nyul(_A, _C))
    assert np.isfinite(out).all() and (np.diff(out[60:]) > 0).all() and out[0] < out[61]


def _scanners(seed, shares_b):
    rng = np.random.default_rng(seed)
    images, tissues = [], []
    for number in range(10):
        shares = (0.2, 0.45, 0.35) if number < 5 else shares_b
        tissue = rng.choice(3, 60_000, p=shares)
        values = rng.normal(np.array([300, 700, 1000])[tissue], np.array([60, 50, 40])[tissue])
        if number >= 5:
            values = 5 * (np.maximum(values, 0) / 1000) ** 0.7 * 400 + 50
        images.append(values)
        tissues.append(tissue)
    return images, tissues


def _gap(images, tissues):
    """Between the scanners' tissue means, in units of the distance from tissue 1 to 3."""
    means = np.array(
        [[image[tissue == k].mean() for k in range(3)] for image, tissue in zip(images, tissues, strict=True)]
    )
    a, b = means[:5].mean(0), means[5:].mean(0)
    return np.abs(a - b).max() / (a[2] - a[0])


@pytest.mark.answer("P1.5")
@pytest.mark.parametrize("seed", range(3))
def test_scanners_come_together_where_tissues_have_the_same_shares(seed):
    images, tissues = _scanners(seed, (0.2, 0.45, 0.35))
    step = _nyul(*images)
    ours = _gap([prepared(image, step) for image in images], tissues)
    scored = _gap([prepared(image, "zscore") for image in images], tissues)
    assert ours <= 0.02 and ours < scored < 0.05
    assert _gap(images, tissues) == pytest.approx(1.5, abs=0.03)


# ---------------------------------------------------------------- P1.6 WhiteStripe


@pytest.mark.answer("P1.6")
def test_the_stripe_around_a_given_mode():
    found = stripe(np.arange(101.0), 70.0)
    assert found.tolist() == list(range(65, 76))
    mean, deviation = middle_and_spread(torch.from_numpy(found))
    assert (mean, deviation) == pytest.approx((70, 3.162277660), abs=1e-6)
    assert (80 - mean) / deviation == pytest.approx(3.162277660, abs=1e-6)


def _tissues(shares=(0.2, 0.45, 0.35), seed=0):
    rng = np.random.default_rng(seed)
    tissue = rng.choice(3, 60_000, p=shares)
    return rng.normal(np.array([300, 700, 1000])[tissue], np.array([60, 50, 40])[tissue]), tissue


@pytest.mark.answer("P1.6")
def test_the_mode_of_white_matter():
    values, _ = _tissues()
    assert histogram_peak(values, "last") == pytest.approx(1000, abs=15)
    assert histogram_peak(values, "largest") == pytest.approx(700, abs=15)
    with_vessels = np.concatenate([values, np.random.default_rng(1).uniform(1200, 3000, 1500)])
    assert histogram_peak(with_vessels, "last") == pytest.approx(1000, abs=15)


@pytest.mark.answer("P1.6")
def test_atrophy_does_not_move_the_scale():
    """Z-scored, white matter comes out darker in the smaller brain; here it stays at 0."""
    for step, least, most in (("whitestripe", 0, 0.1), ("zscore", 0.2, 1)):
        healthy, atrophic = (
            prepared(values, step)[tissue == 2].mean()
            for values, tissue in (_tissues(), _tissues((0.45, 0.35, 0.2), 1))
        )
        assert least <= abs(healthy - atrophic) <= most, step


@pytest.mark.answer("P1.6")
def test_a_stripe_of_one_value_is_refused():
    with pytest.raises(PrepareError, match="single grey value"):
        prepared(np.full((8, 8), 3.0), "whitestripe")
    with pytest.raises(PrepareError, match="single grey value"):
        prepared(np.repeat([1.0, 50, 120, 255], 5000), "whitestripe")
