"""Known answers of bias-field correction: P1.1 and I5.4."""

from __future__ import annotations

import numpy as np
import pytest

from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError
from preceptor.core.image import Image
from preceptor.core.slots import build
from preceptor.intake.read import read_image
from preceptor.prepare.bias_correction import Correction, log_field
from preceptor.prepare.compose import prepare_sample

from ..prepare.cases import sample


def shells(size, values, radii, noise, seed=0):
    """Nested ellipsoids, and which is which."""
    place = np.stack(np.meshgrid(*[np.linspace(-1, 1, size)] * 3, indexing="ij"))
    distance = np.sqrt((place[0] / 0.9) ** 2 + (place[1] / 0.8) ** 2 + (place[2] / 0.85) ** 2)
    tissue = sum((distance < radius).astype(int) for radius in radii)
    clean = np.array([0, *values])[tissue] + np.random.default_rng(seed).normal(0, noise, tissue.shape) * (tissue > 0)
    return clean, tissue, place


def quadratic(place, seed):
    x, y, z = place
    terms = [x, y, z, x * x, y * y, z * z, x * y, x * z, y * z]
    return sum(c * term for c, term in zip(np.random.default_rng(seed).normal(0, 1, 9), terms, strict=True))


def cosine(place):
    return np.cos(np.pi * (place[0] + 1) / 2) + 0.7 * np.cos(np.pi * (place[1] + 1) / 2) - np.cos(np.pi * place[2] / 2)


def scaled(field, inside, deviation):
    return (field - field[inside].mean()) / field[inside].std() * deviation


def variation(values):
    return values.std() / values.mean()


def alike(found, planted, inside):
    """Correlation of log fields: the scale of a field is arbitrary, so their means are taken off."""
    return np.corrcoef(found[inside], planted[inside])[0, 1]


_USUAL = Correction()
_QUICK = Correction(shrink=4, levels=3, iterations=30)


@pytest.mark.answer("I5.4")
def test_a_planted_field_is_found_again():
    clean, tissue, place = shells(48, (60, 110, 150), (1, 0.75, 0.45), 3)
    inside = tissue > 0
    planted = scaled(quadratic(place, 0), inside, 0.073)
    biased = clean * np.exp(planted)
    found = log_field(biased, inside, (1, 1, 1), _QUICK)
    assert found.shape == clean.shape  # sought on a shrunken grid, laid out on the whole
    assert alike(found, planted, inside) >= 0.98
    assert abs(found[inside].mean()) < 1e-4
    for number in (1, 2, 3):
        floor, before = (variation(image[tissue == number]) for image in (clean, biased))
        after = variation((biased / np.exp(found))[tissue == number])
        assert after <= 1.2 * floor < before


@pytest.mark.answer("I5.4")
def test_a_clean_image_stays_as_it_is():
    clean, tissue, _ = shells(48, (60, 110, 150), (1, 0.75, 0.45), 3)
    found = log_field(clean, tissue > 0, (1, 1, 1), _QUICK)
    assert np.abs(np.exp(found[tissue > 0]) - 1).mean() <= 0.02


@pytest.mark.answer("I5.4")
@pytest.mark.answer("P1.1")
def test_the_step_seeks_the_field_in_the_object_alone():
    """A bright, noisy background (air with a coil's hum) would drive the fit; zeros have no logarithm."""
    clean, tissue, place = shells(32, (300, 700, 1000), (1, 0.75, 0.45), 20)
    inside = tissue > 0
    planted = scaled(place[0] + 0.5 * place[1], inside, 0.2)
    hum = np.random.default_rng(3).exponential(20, clean.shape) * ~inside
    step = {"n4": {"shrink": 2, "levels": 3, "iterations": 20}}
    for how in ({}, {"over": "positive"}, {"mask": "label"}):
        noisy = clean * np.exp(planted) + (hum if how != {"over": "positive"} else 0)
        given = sample(noisy, label=inside.astype(np.uint8))
        out = prepare_sample(given, [build("transforms", {"n4": {**step["n4"], **how}})]).images["view"].array[0]
        assert np.isfinite(out).all()
        found = np.log(noisy[inside] / out[inside])
        assert np.corrcoef(found, planted[inside])[0, 1] >= 0.95, how
        assert variation(out[tissue == 3]) <= 0.75 * variation(noisy[tissue == 3])


@pytest.mark.answer("P1.1")
def test_without_signal_there_is_no_field():
    with pytest.raises(PrepareError, match="0 voxels with signal"):
        prepare_sample(sample(np.full((20, 20, 20), -5.0)), [build("transforms", {"n4": {"over": "positive"}})])


@pytest.mark.answer("P1.1")
def test_frames_and_pictures():
    """A film of a picture: each frame has its own field."""
    x, y = np.meshgrid(*[np.linspace(-1, 1, 48)] * 2, indexing="ij")
    inside = x**2 + y**2 < 0.8
    fields = np.stack([0.2 * x, 0.2 * y])
    film = np.where(inside, 100 * np.exp(fields), 0).astype(np.float32)[None]
    given = Sample("case", {"view": Image(film, np.eye(4), has_time=True)})
    out = prepare_sample(given, [build("transforms", {"n4": {"levels": 2, "shrink": 1}})]).images["view"].array[0]
    for frame, before in zip(out, film[0], strict=True):
        assert variation(frame[inside]) < 0.4 * variation(before[inside])


@pytest.mark.slow
@pytest.mark.answer("P1.1")
@pytest.mark.parametrize(("deviation", "curve"), [(0.1, "quadratic"), (0.2, "cosine")])
def test_the_phantom_passes_the_gate(deviation, curve):
    clean, tissue, place = shells(64, (300, 700, 1000), (1, 0.75, 0.45), 20)
    inside = tissue > 0
    field = quadratic(place, 1) if curve == "quadratic" else cosine(place)
    _gate(clean, inside, tissue == 3, scaled(field, inside, deviation), (1, 1, 1))


@pytest.mark.slow
@pytest.mark.answer("P1.1")
@pytest.mark.parametrize("patient", ["patient07", "patient19"])
def test_real_brains_pass_the_gate(shared_data, patient):
    from scipy.ndimage import binary_erosion
    from skimage.filters import threshold_multiotsu

    image = read_image(shared_data("ms_lesion_mni2mm") / patient, "T1.nii.gz")
    clean = image.array[0].astype(float)
    inside = clean > 0
    white = (clean > threshold_multiotsu(clean[inside], 3)[1]) & (clean < np.percentile(clean[inside], 99))
    place = np.stack(np.meshgrid(*[np.linspace(-1, 1, size) for size in clean.shape], indexing="ij"))
    _gate(
        clean,
        inside,
        binary_erosion(white),
        scaled(quadratic(place, 0), inside, 0.2),
        image.spacing_mm,
        Correction(shrink=3),
    )


def _gate(clean, inside, white, planted, spacing_mm, how=_USUAL):
    biased = clean * np.exp(planted)
    found = log_field(biased, inside, spacing_mm, how)
    after = variation((biased / np.exp(found))[white])
    assert alike(found, planted, inside) >= 0.95
    assert after <= 1.25 * variation(clean[white]) and after <= 0.75 * variation(biased[white])
