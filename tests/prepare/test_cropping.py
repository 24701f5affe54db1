"""Boxes around the foreground or a structure, padding, clearing the background; and the way back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError, RecipeError
from preceptor.core.image import Image
from preceptor.core.slots import build
from preceptor.intake.read import read_image
from preceptor.prepare.compose import prepare_sample, resample_like

#: Axes swapped and reversed, 2 x 0.8 x 1.5 mm.
AFFINE = np.array([[0, -0.8, 0, 40], [2.0, 0, 0, -10], [0, 0, 1.5, 7], [0, 0, 0, 1]])


def case(shape=(20, 30, 16), box=((4, 9), (10, 25), (3, 14)), affine=AFFINE, **meta):
    """A block of 5 in a background of -3, marked 2 in the mask 'organ', which has a speck of 1 elsewhere."""
    place = tuple(slice(*each) for each in box[: len(shape)])
    image = np.full((1, *shape), -3.0, np.float32)
    image[(0, *place)] = 5
    organ = np.zeros((1, *shape), np.uint8)
    organ[(0, *place)] = 2
    organ[(0,) * (1 + len(shape))] = 1
    return Sample(
        "a", {"t1": Image(image, affine, meta=meta)}, {"organ": Image(organ, affine, is_label=True, meta=meta)}
    )


def prepared(sample, *steps):
    return prepare_sample(sample, [build("transforms", step) for step in steps])


def back(sample, like):
    mask = sample.masks["organ"]
    return resample_like(mask.array, mask.affine_mm, like, nearest=True)


@pytest.mark.parametrize(
    "step",
    [
        "crop_foreground",
        {"crop_foreground": {"margin_mm": 3}},
        {"crop_foreground": {"multiple_of": 16}},
        {"crop_foreground": {"mask": "organ"}},
        {"roi": {"mask": "organ", "values": [2], "shape": [16, 6, 40]}},
        {"pad": {"multiple_of": 16}},
        {"pad": {"shape": [64, 10, 17], "at": "end"}},
    ],
)
def test_what_is_cut_out_comes_back_in_its_place(step):
    given_case = case()
    out = prepared(given_case, "orient_ras", step)
    assert np.array_equal(back(out, given_case.images["t1"]) == 2, given_case.masks["organ"].array == 2)
    at = np.argwhere(out.masks["organ"].array[0] == 2)
    assert (out.images["t1"].array[(0, *at.T)] == 5).all(), "image and mask move together"


def test_a_box_lies_close_around_the_foreground():
    out = prepared(case(), "crop_foreground")
    assert out.images["t1"].shape == (5, 15, 11) and (out.images["t1"].array == 5).all()
    roomy = prepared(case(), {"crop_foreground": {"margin_mm": 3}})  # 2, 0.8 and 1.5 mm a voxel: 2, 4 and 2 voxels
    assert roomy.images["t1"].shape == (9, 23, 15)
    even = prepared(case(), {"crop_foreground": {"multiple_of": 8, "fill": 0}})
    assert even.images["t1"].shape == (8, 16, 16)
    assert prepared(case(), {"crop_foreground": {"mask": "organ"}}).images["t1"].shape == (9, 25, 14), (
        "the speck counts"
    )


def test_the_margin_ends_with_the_image():
    out = prepared(case(), {"crop_foreground": {"margin_mm": 1000}})
    assert out.images["t1"].shape == (20, 30, 16)


def test_a_region_has_its_size_and_middle():
    out = prepared(case(), {"roi": {"mask": "organ", "values": [2], "shape": [7, 17, 13], "fill": 9}})
    assert out.images["t1"].shape == (7, 17, 13)
    organ = np.argwhere(out.masks["organ"].array[0] == 2)
    assert organ.min(0).tolist() == [1, 1, 1] and organ.max(0).tolist() == [5, 15, 11]
    millimetres = prepared(case(), {"roi": {"mask": "organ", "values": [2], "size_mm": [14, 13.6, 19.5]}})
    assert millimetres.images["t1"].shape == (7, 17, 13)
    centre_mm = (AFFINE @ [6, 17, 8, 1])[:3].tolist()
    placed = prepared(case(), {"roi": {"centre_mm": centre_mm, "shape": [7, 17, 13], "fill": 9}})
    assert np.allclose(placed.images["t1"].affine_mm, out.images["t1"].affine_mm)
    turned = prepared(case(), "orient_ras", {"roi": {"centre_mm": centre_mm, "shape": [17, 7, 13]}})
    assert (turned.images["t1"].affine_mm @ [8, 3, 6, 1])[:3] == pytest.approx(centre_mm)


def test_pictures_count_in_pixels():
    flat = case((20, 30), affine=np.eye(4), geometry="unknown")
    assert prepared(flat, {"crop_foreground": {"margin_mm": 2}}).images["t1"].shape == (9, 19)
    assert prepared(flat, {"roi": {"centre_mm": [6, 17], "shape": [5, 15]}}).images["t1"].array.min() == 5


@given(size=st.integers(1, 40), at_least=st.integers(1, 40), multiple=st.sampled_from([1, 4, 16]))
def test_padding_loses_nothing(size, at_least, multiple):
    rng = np.random.default_rng(size)
    image = Image(rng.normal(size=(1, size, 9)).astype(np.float32) + 10, np.eye(4))
    out = prepared(Sample("a", {"x": image}), {"pad": {"shape": [at_least, 1], "multiple_of": multiple + 1, "fill": 0}})
    array = out.images["x"].array
    assert array.shape[1] >= max(size, at_least) and array.shape[1] % (multiple + 1) == 0
    assert array.sum(dtype=float) == pytest.approx(image.array.sum(dtype=float), rel=1e-6)


def test_what_can_not_be_cut_is_refused():
    for step, code in (
        ({"crop_foreground": {"above": 99}}, "no_foreground"),
        ({"crop_foreground": {"mask": "lung"}}, "mask_absent"),
        ({"roi": {"mask": "organ", "values": [7], "shape": [4, 4, 4]}}, "mask_empty"),
        ({"roi": {"centre_mm": [900, 0, 0], "shape": [4, 4, 4]}}, "roi_outside"),
        ({"roi": {"mask": "organ", "shape": [4, 4]}}, "axes_mismatch"),
        ({"pad": {"shape": [4, 4]}}, "axes_mismatch"),
    ):
        with pytest.raises(PrepareError) as told:
            prepared(case(), step)
        assert told.value.problem.code == code
    for step in ({"roi": {"shape": [4]}}, {"roi": {"mask": "organ"}}, "pad"):
        with pytest.raises(RecipeError):
            build("transforms", step)


@pytest.mark.parametrize("step", ["crop_foreground", "zscore", "percentile"])
def test_a_mask_of_the_cohort_is_missed_in_words_when_the_model_predicts(step):
    """What is sealed is shown an image and nothing else."""
    with pytest.raises(PrepareError, match="there in training alone, not when the model predicts") as told:
        prepared(replace(case(), masks={}), {step: {"mask": "organ"}})
    assert "organ" in str(told.value) and "skull_strip" in str(told.value)


def chest(n=48):
    """A body of 40 HU with lungs of -800 that a windpipe opens to the outside, on a table that it touches."""
    x, y, z = np.indices((n, n, n)) - np.array([n / 2, n / 2, n / 2])[:, None, None, None]
    volume = np.full((n, n, n), -1000.0)
    body = (x / 18) ** 2 + (y / 12) ** 2 < 1
    volume[body] = 40
    lungs = ((np.abs(x) - 8) / 5) ** 2 + (y / 7) ** 2 + (z / 16) ** 2 < 1
    volume[lungs] = -800
    volume[(x**2 + y**2 < 5) & (z > 0)] = -1000
    table = np.abs(y + 13) <= 1
    volume[table] = 100
    return volume + np.random.default_rng(0).normal(0, 10, volume.shape), body, table


def test_a_table_is_left_behind_and_lungs_are_kept():
    volume, body, table = chest()
    sample = Sample("a", {"ct": Image(volume[None].astype(np.float32), np.eye(4), meta={"modality": "CT"})})
    out = prepared(sample, {"remove_background": {"threshold": -300, "opening_mm": 4, "fill": -1000}})
    inside = out.masks["body"].array[0] > 0
    assert inside[body & ~table].mean() > 0.99 and inside[~body & ~table].mean() < 0.01
    assert inside[table & ~body].mean() < 0.5
    assert (out.images["ct"].array[0][~inside] == -1000).all()
    assert np.array_equal(out.images["ct"].array[0][inside], sample.images["ct"].array[0][inside])


def test_lungs_of_a_film_are_no_background(shared_data):
    """With four levels of grey; masks of a network say where the lungs are."""
    import csv

    root = shared_data("cxr_covid_ieee8023")
    rows = [row for row in csv.DictReader((root / "metadata.csv").open()) if row["lung_mask"]]
    rows = [row for row in rows if (root / row["image"]).exists() and (root / row["lung_mask"]).exists()][::9]
    kept = []
    for row in rows:
        film = Sample("a", {"frontal": read_image(root, row["image"])})
        lungs = read_image(root, row["lung_mask"], is_label=True).array[0] > 0
        inside = prepared(film, {"remove_background": {"levels": 4}}).masks["body"].array[0] > 0
        kept.append((inside & lungs).sum() / lungs.sum())
    assert len(kept) == 10 and np.median(kept) > 0.995 and min(kept) > 0.85


def test_a_blank_image_has_no_body():
    blank = Sample("a", {"mr": Image(np.zeros((1, 16, 16), np.uint8), np.eye(4))})
    with pytest.raises(PrepareError) as told:
        prepared(blank, "remove_background")
    assert told.value.problem.code == "no_background"


def test_a_stripped_brain_is_cropped_and_comes_back(shared_data):
    root = shared_data("ms_lesion_mni2mm") / "patient07"
    files = {name: next(root.glob(f"*{name}.nii*")).name for name in ("T1", "FLAIR")}
    lesion = next(file.name for file in root.iterdir() if "mask" in file.name.lower() or "lesion" in file.name.lower())
    images = {name: read_image(root, file) for name, file in files.items()}
    sample = Sample("a", images, {"organ": read_image(root, lesion, is_label=True)})
    out = prepared(sample, "orient_ras", {"crop_foreground": {"margin_mm": 4, "multiple_of": 8}})
    assert np.prod(out.images["T1"].shape) < 0.85 * np.prod(images["T1"].shape)
    assert np.array_equal(back(out, images["T1"]), sample.masks["organ"].array)
