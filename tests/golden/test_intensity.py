"""Known answers of intensities: P1.4, P1.7 and their traps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from preceptor.core.cohort import Case, Cohort, Sample
from preceptor.core.image import Image
from preceptor.core.slots import build, plugin
from preceptor.maths.intensity_scale import between, middle_and_spread, percentiles
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
