"""Beating hearts: volumes that add up in every frame, truth that moves with its slice, films that files hold."""

from __future__ import annotations

import json

import numpy as np
import pydicom
import pytest

from preceptor.core.drawn import Turn
from preceptor.core.errors import RecipeError
from preceptor.intake.phantoms.cine_heart import CineHeart
from preceptor.intake.read import read_image
from preceptor.intake.synthesis.drawn_study import Order, synthesise
from preceptor.maths.phantom_heart import CAVITY, MYOCARDIUM, Heart, end_systolic_frame, heart_shares

HEART = Heart(end_diastolic_ml=140.0, ejection_fraction=0.55, length_mm=80.0, wall_mm=9.0)


@pytest.mark.parametrize("frames", [3, 10, 14, 25])
def test_the_frames_hold_the_ejection_fraction(frames):
    volumes = HEART.volumes_ml(frames)
    assert volumes[0] == volumes.max() == 140.0
    assert volumes.argmin() == end_systolic_frame(frames)
    assert 1 - volumes.min() / volumes.max() == pytest.approx(0.55, abs=1e-12)
    assert (np.diff(volumes[: volumes.argmin() + 1]) < 0).all() and (np.diff(volumes[volumes.argmin() :]) > 0).all()


@pytest.mark.parametrize("thickness_mm", [2.0, 8.0, 10.0])
def test_cavity_and_wall_add_up_to_their_volumes_however_thick_the_slices(thickness_mm):
    spacing_mm, slices = (2.5, 2.2, thickness_mm), int(110 / thickness_mm)
    for volume_ml in (140.0, 100.0, 63.0):
        shares = heart_shares(HEART, volume_ml, (56, 60, slices), spacing_mm, np.full((slices, 2), (-10.0, 3.3)))
        voxel_ml = np.prod(spacing_mm) / 1000
        assert shares[CAVITY].sum() * voxel_ml == pytest.approx(volume_ml, rel=1e-4)
        assert shares[MYOCARDIUM].sum() * voxel_ml == pytest.approx(HEART.wall_ml, rel=2e-4)
        assert all(share.min() >= 0 and share.max() <= 1 + 1e-9 for share in shares.values())
        assert sum(shares.values()).max() <= 1 + 1e-9


def test_each_slice_cuts_its_own_volume_out_of_the_ellipsoid():
    slices, step_mm = 12, 9.0
    shares = heart_shares(HEART, 140.0, (64, 64, slices), (2.5, 2.5, step_mm), np.zeros((slices, 2)))
    radius, length = HEART.half_axes_mm(140.0)
    base_mm = -HEART.apex_to_base_mm / 2 + length + HEART.wall_at_mm(140.0)
    fine = np.linspace(-slices * step_mm / 2, slices * step_mm / 2, slices * 20_000 + 1)
    middle = (fine[1:] + fine[:-1]) / 2
    height = base_mm - middle
    area = np.where((height >= 0) & (height <= length), np.pi * radius**2 * (1 - (height / length) ** 2), 0)
    expected = area.reshape(slices, -1).mean(axis=1) * step_mm
    assert shares[CAVITY].sum(axis=(0, 1)) * 2.5 * 2.5 * step_mm == pytest.approx(expected, rel=1e-3, abs=2.0)


def test_the_wall_thickens_as_the_cavity_empties():
    assert HEART.wall_at_mm(140.0) == pytest.approx(9.0, abs=1e-9)
    assert HEART.wall_at_mm(63.0) > 11.5
    assert HEART.half_axes_mm(63.0)[1] < 80.0


def test_the_table_says_what_the_label_maps_show():
    kind = CineHeart(noise=0.0)
    for index in range(3):
        drawn = kind.draw(Turn(4, index, 3))
        told = json.loads(drawn.fields["volumes_ml"])
        truth, voxel_ml = drawn.masks["heart"].array[0], np.prod(kind.spacing_mm) / 1000
        counted = [(frame == CAVITY).sum() * voxel_ml for frame in truth]
        assert counted == pytest.approx(told, rel=0.12)
        systole = drawn.fields["end_systolic_frame"]
        by_count = 100 * (1 - counted[systole] / counted[0])
        assert by_count == pytest.approx(drawn.labels["ejection_fraction_percent"], abs=7)
        told_percent = 100 * (1 - drawn.fields["end_systolic_ml"] / drawn.fields["end_diastolic_ml"])
        assert told_percent == pytest.approx(drawn.labels["ejection_fraction_percent"], abs=1e-6)


def test_misalignment_moves_slices_and_their_truth_and_no_blood():
    straight, moved = (CineHeart(show="ends", misalignment_mm=each, noise=0.0).draw(Turn(1, 0, 2)) for each in (0, 5))
    assert straight.labels == moved.labels
    shifts = np.array(json.loads(moved.fields["shifts_mm"]))
    assert shifts.shape == (12, 2) and 2 < shifts.std() < 8
    offsets = []
    for place in range(12):
        before, after = (case.masks["end_diastole"].array[0, :, :, place] >= MYOCARDIUM for case in (straight, moved))
        if before.sum() > 100:
            there = [np.argwhere(each).mean(axis=0) * 2.5 for each in (after, before)]
            offsets.append((place, there[0] - there[1]))
            assert after.sum() == pytest.approx(before.sum(), rel=0.05)
    assert len(offsets) > 5
    assert np.allclose([each for _, each in offsets], [shifts[place] for place, _ in offsets], atol=0.5)


def test_a_film_is_written_and_read_with_its_time(tmp_path):
    kind = {"cine_heart": {"size": [16, 16, 6], "spacing_mm": [10.0, 10.0, 18.0], "frames": 4}}
    cohort = synthesise(Order(kind, 1), tmp_path / "film")
    case = next(iter(cohort))
    film = read_image(cohort.root, case.images["cine"])
    mask = read_image(cohort.root, case.masks["heart"], is_label=True)
    assert film.has_time and mask.has_time and film.array.shape == mask.array.shape == (1, 4, 16, 16, 6)
    assert film.meta["time_step_s"] == pytest.approx(60 / float(case.fields["beats_per_minute"]) / 4, rel=1e-3)
    with pytest.raises(RecipeError, match="film"):
        synthesise(Order(kind, 1, "png"), tmp_path / "pictures")


def test_both_ends_are_written_as_dicom_series(tmp_path):
    kind = {"cine_heart": {"size": [20, 20, 12], "spacing_mm": [8.0, 8.0, 9.0], "show": "ends"}}
    cohort = synthesise(Order(kind, 1, "dicom"), tmp_path / "ends")
    case = next(iter(cohort))
    assert set(case.images) == set(case.masks) == {"end_diastole", "end_systole"}
    image = read_image(cohort.root, case.images["end_systole"])
    header = pydicom.dcmread(next((cohort.root / case.images["end_systole"]).iterdir()), stop_before_pixels=True)
    assert header.BodyPartExamined == "HEART"
    assert image.shape == (20, 20, 12) and image.spacing_mm[2] == pytest.approx(9.0)


def test_a_heart_that_does_not_fit_is_refused():
    with pytest.raises(RecipeError, match="does not fit"):
        CineHeart(size=[32, 32, 12], spacing_mm=[2.0, 2.0, 9.0]).draw(Turn(0, 0, 1))
