"""Masks found by classical means: lungs and ultrasound sectors, judged on phantoms of known shape and on real files."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError
from preceptor.core.image import Image
from preceptor.core.slots import build
from preceptor.intake.read import read_image
from preceptor.prepare.compose import prepare_sample
from preceptor.prepare.lungs import lungs_in_xray
from preceptor.prepare.sector import find_sector


def prepared(image, *steps, view="view"):
    return prepare_sample(Sample("a", {view: image}), [build("transforms", step) for step in steps])


def dice(a, b):
    return 2 * (a & b).sum() / max(a.sum() + b.sum(), 1)


def refused(image, step):
    with pytest.raises(PrepareError) as told:
        prepared(image, step)
    return told.value.problem.code


# ---------------------------------------------------------------- lungs in CT


def chest(left=1.0, shape=(72, 56, 48), spacing_mm=5.0):
    """Two lungs with vessels and a windpipe that leads outside, in a body on a table; 5 mm voxels, `left` scales one."""
    x, y, z = (np.stack(np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in shape), indexing="ij")) * spacing_mm)[:]
    hu = np.full(shape, -1000.0)
    hu[(x / 165) ** 2 + (y / 110) ** 2 < 1] = 40
    lungs = ((x - 75) / 52) ** 2 + (y / 80) ** 2 + (z / 105) ** 2 < 1
    lungs |= ((x + 75) / (52 * left)) ** 2 + (y / (80 * left)) ** 2 + (z / (105 * left)) ** 2 < 1
    hu[lungs] = -820
    hu[lungs & (np.hypot(y - 20, z) < 4)] = 30
    hu[(np.hypot(x, y) < 9) & (z > 0)] = -1000
    hu[np.abs(y + 122) < 6] = 200
    bowel = (x / 25) ** 2 + (y / 20) ** 2 + ((z + 105) / 12) ** 2 < 1
    hu[bowel] = -950
    affine = np.diag([spacing_mm, spacing_mm, spacing_mm, 1.0])
    noise = np.random.default_rng(0).normal(0, 20, shape)
    return Image((hu + noise)[None].astype(np.float32), affine, meta={"modality": "CT"}), lungs


def test_two_lungs_with_their_vessels_are_found():
    image, lungs = chest()
    out = prepared(image, "lung_mask")
    found = out.masks["lung"].array[0] > 0
    assert dice(found, lungs) >= 0.97
    assert abs(found.sum() / lungs.sum() - 1) <= 0.05


def test_the_order_of_the_axes_does_not_matter():
    image, lungs = chest()
    affine = np.array([[0, 0, -5.0, 0], [5.0, 0, 0, 0], [0, 5.0, 0, 0], [0, 0, 0, 1]])
    turned = Image(np.moveaxis(image.array, (1, 2, 3), (3, 1, 2)), affine, meta=image.meta)
    assert (
        dice(np.moveaxis(prepared(turned, "lung_mask").masks["lung"].array[0] > 0, (2, 0, 1), (0, 1, 2)), lungs) >= 0.95
    )


def test_implausible_lungs_are_refused():
    assert refused(chest(left=0.5)[0], "lung_mask") == "no_lungs", "one side is almost empty"
    assert refused(chest()[0], {"lung_mask": {"least_ml": 9000}}) == "no_lungs"
    image, _ = chest()
    assert refused(image.with_array(np.clip(image.array, 0, None)), "lung_mask") == "no_lungs", (
        "not in Hounsfield units"
    )
    solid = image.with_array(np.where(image.array > -500, 40, -1000).astype(np.float32))
    filled = solid.with_array(
        np.where(np.abs(np.indices(image.shape)[1] - 27) < 18, 40, -1000)[None].astype(np.float32)
    )
    assert refused(filled, "lung_mask") == "no_lungs", "a block without air"


# ---------------------------------------------------------------- lungs in X-rays


def film(shape=(200, 180), tilt=0.0):
    x, y = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    lungs = ((np.abs(x - tilt * y) - 0.42) / 0.27) ** 2 + ((y + 0.1) / 0.62) ** 2 < 1
    grey = 150 - 90 * lungs + 40 * np.exp(-((x / 0.1) ** 2)) + 25 * y + 15 * x
    grey += 6 * np.sin(y * 40) * lungs + np.random.default_rng(0).normal(0, 6, shape)
    return Image(np.clip(grey, 0, 255).astype(np.uint8)[None], np.eye(4), meta={"geometry": "unknown"}), lungs


@pytest.mark.parametrize("tilt", [0.0, 0.1])
def test_two_dark_fields_side_by_side_are_found(tilt):
    image, lungs = film(tilt=tilt)
    out = prepared(image, "lung_mask")
    assert dice(out.masks["lung"].array[0] > 0, lungs) >= 0.9


def test_a_film_without_two_fields_is_refused():
    image, _ = film()
    half = image.array.copy()
    half[:, :100] = 150
    noise = np.random.default_rng(1).integers(0, 255, (1, 160, 160)).astype(np.uint8)
    for array in (half, noise):
        assert refused(Image(array, np.eye(4), meta=image.meta), "lung_mask") == "no_lungs"


def test_other_views_are_left_alone():
    image, _ = film()
    sample = Sample("a", {"lateral": Image(image.array[:, ::2], np.eye(4)), "frontal": image})
    out = prepare_sample(sample, [build("transforms", {"lung_mask": {"view": "frontal"}})])
    assert out.masks["lung"].shape == image.shape


@pytest.mark.slow
def test_real_films_beside_a_networks_masks(shared_data):
    root = shared_data("cxr_covid_ieee8023")
    rows = [row for row in csv.DictReader((root / "metadata.csv").open()) if row["lung_mask"]]
    rows = [row for row in rows if (root / row["image"]).exists() and (root / row["lung_mask"]).exists()][::6]
    overlaps = []
    for row in rows:
        found = lungs_in_xray(read_image(root, row["image"]).array[0])
        if found.quality >= 0.5:
            overlaps.append(dice(found.mask, read_image(root, row["lung_mask"], is_label=True).array[0] > 0))
    assert len(rows) == 15 and len(overlaps) >= 6
    assert np.median(overlaps) >= 0.75 and min(overlaps) >= 0.6


# ---------------------------------------------------------------- sectors


def sector_clip(frames=8, size=(160, 140)):
    """A sector that something moves in, with a shadow, a scale at the side and some writing."""
    rng = np.random.default_rng(0)
    x, y = np.indices(size) - np.array([80, -25])[:, None, None]
    sector = (np.hypot(x, y) < 150) & (np.hypot(x, y) > 32) & (np.abs(np.arctan2(x, y)) < 0.45)
    clip = np.where(sector, rng.gamma(4, 12, (frames, *size)) * np.exp(-y / 120), 0)
    clip[:, np.abs(x + 0.3 * y) < 4] *= 0.05
    clip[:, 152:154, 10:130:4] = 255
    clip[:, 4:30:3, 4:10] = 200
    clip += rng.normal(0, 0.7, clip.shape)
    return np.clip(clip, 0, 255).astype(np.uint8), sector


@pytest.mark.parametrize("frames", [1, 8])
def test_a_sector_is_found_in_a_frame_and_in_a_clip(frames):
    clip, sector = sector_clip()
    found = find_sector(clip[:frames], 0.03)
    assert dice(found.mask, sector) >= 0.95 and found.quality >= 0.7
    assert not found.mask[152:154].any() and not found.mask[:30, :10].any(), "no scale, no writing"


def test_the_sector_is_kept_as_a_mask_and_the_rest_cleared():
    clip, sector = sector_clip()
    image = Image(clip[None], np.eye(4), has_time=True, meta={"geometry": "unknown"})
    out = prepared(image, {"sector_mask": {"clear": True}}, {"crop_foreground": {"mask": "sector"}})
    shown, mask = out.images["view"].array, out.masks["sector"].array[0] > 0
    assert shown.dtype == np.uint8 and shown.shape[2:] == mask.shape and shown.shape[2] < 150
    assert (shown[0, :, ~mask] == 0).all()
    first = np.argwhere(sector).min(0)
    assert np.abs(np.round(out.images["view"].affine_mm[:2, 3]) - first).max() <= 3


def test_a_blank_clip_has_no_sector():
    for array in (np.zeros((1, 4, 64, 64), np.uint8), np.random.default_rng(0).integers(0, 255, (1, 4, 64, 64)) * 0):
        assert refused(Image(array, np.eye(4), has_time=True), "sector_mask") == "no_sector"
    specks = np.zeros((1, 64, 64), np.uint8)
    specks[0, ::16, ::16] = 255
    assert refused(Image(specks, np.eye(4)), "sector_mask") == "no_sector"


def test_real_clips_have_sectors(shared_data):
    folder = shared_data("pocus_lung_us_video") / "clips"
    clips = sorted(path for path in folder.iterdir() if path.is_dir())[::8]
    qualities, alike = [], []
    for path in clips:
        frames = np.stack([read_image(path, file.name).array[0] for file in sorted(path.glob("*.jpg"))])
        found = find_sector(frames, 0.03)
        qualities.append(found.quality)
        alike.append(dice(found.mask, find_sector(frames[:1], 0.03).mask))
    assert len(clips) >= 15 and np.mean(np.array(qualities) >= 0.6) >= 0.9
    assert np.median(alike) >= 0.95
