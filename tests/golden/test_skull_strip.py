"""Known answers of brain extraction without a network: P1.12, I5.10. Heads are made: no real one with skull is at hand."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
from scipy import ndimage

from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError, RecipeError
from preceptor.core.image import Image
from preceptor.core.slots import build
from preceptor.intake.read import read_image
from preceptor.maths.geometry import about_centre, rotation
from preceptor.maths.phantom_skull import dressed_head, scanned
from preceptor.maths.resampling import resample, resample_at
from preceptor.maths.warps import control_points
from preceptor.prepare.compose import prepare_sample
from preceptor.prepare.segmenter import open_bundles_with


def real_brain(root, patient="patient07", spacing_mm=3.0):
    """A real brain without its skull, at 3 mm with room for a skull: values, mask, affine."""
    image = read_image(root / patient, "T1.nii.gz")
    factor = spacing_mm / image.spacing_mm[0]
    matrix = np.diag([factor] * 3 + [1.0])
    matrix[:3, 3] = -15.0 / image.spacing_mm[0]
    shape = tuple(int((size + 30.0 / image.spacing_mm[0]) / factor) for size in image.shape)
    values = resample(image.array, matrix, shape, antialias=True, fill=0.0)[0]
    inside = ndimage.binary_fill_holes(values > 0.1 * np.percentile(values[values > 0], 99))
    return values, inside, image.affine_mm @ matrix


def made_brain():
    """An egg with ventricles and a stem, 4 mm: values, mask, affine."""
    x, y, z = (np.stack(np.meshgrid(*[np.arange(52.0) - 25.5] * 3, indexing="ij")) * 4.0)[:]
    inside = ((x / 68) ** 2 + (y / 84) ** 2 + (z / 62) ** 2 < 1) & ~((y < -50) & (z < -20))
    inside |= (np.hypot(x, y + 15) < 14) & (z < 0) & (z > -78)
    values = np.where(inside, 0.9 - 0.3 * ((x / 68) ** 2 + (y / 84) ** 2 + (z / 62) ** 2), 0)
    ventricles = ((np.abs(x) - 14) / 9) ** 2 + ((y - 6) / 32) ** 2 + ((z - 8) / 12) ** 2 < 1
    values[ventricles] = 0.2
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    affine[:3, 3] = -25.5 * 4
    return values, inside, affine


def another(values, inside, spacing_mm, seed):
    """The same brain in another head: turned, scaled, shifted and warped by 5 mm."""
    rng = np.random.default_rng(seed)
    linear = rotation(np.deg2rad(rng.uniform(-10, 10, 3))) @ np.diag(rng.uniform(0.92, 1.08, 3))
    matrix = about_centre(linear, rng.uniform(-8, 8, 3) / spacing_mm, values.shape)
    field = np.stack(
        [ndimage.zoom(rng.normal(size=(5, 5, 5)), [n / 5 for n in values.shape], order=3) for _ in range(3)]
    )
    field *= 5 / spacing_mm / np.abs(field).max()
    places = control_points(values.shape, values.shape) + field
    places = np.tensordot(matrix[:3, :3], places, 1) + matrix[:3, 3].reshape(3, 1, 1, 1)
    moved = resample_at(values[None].astype(np.float32), places)[0]
    return moved, resample_at(inside[None].astype(np.float32), places)[0] >= 0.5


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def write_atlas(folder, values, inside, affine, seed=100):
    spacing = tuple(np.linalg.norm(affine[:3, :3], axis=0))
    head = scanned(dressed_head(values, inside, spacing, np.random.default_rng(seed)), np.random.default_rng(seed))
    nibabel.save(nibabel.Nifti1Image(head, affine), folder / "head.nii.gz")
    nibabel.save(nibabel.Nifti1Image(inside.astype(np.uint8), affine), folder / "brain.nii.gz")


def stripper(root, **how):
    step = build("transforms", {"skull_strip": {"atlas": "head.nii.gz", "mask": "brain.nii.gz", **how}}, root=root)
    return step.with_state(step.fit([]))


def head_of(values, inside, affine, seed):
    spacing = tuple(np.linalg.norm(affine[:3, :3], axis=0))
    rng = np.random.default_rng(seed + 50)
    return Sample("a", {"t1": Image(scanned(dressed_head(values, inside, spacing, rng), rng)[None], affine)})


def judged(step, values, inside, affine, seed):
    moved, true = another(values, inside, np.linalg.norm(affine[:3, 0]), seed)
    sample = head_of(moved, true, affine, seed)
    out = prepare_sample(sample, [step])
    found = out.masks["brain"].array[0] > 0
    assert (out.images["t1"].array[0][~found] == sample.images["t1"].array.min()).all()
    assert np.array_equal(out.images["t1"].array[0][found], sample.images["t1"].array[0][found])
    return dice(found, true), found.sum() / true.sum(), dice(inside, true)


@pytest.mark.answer("P1.12")
def test_a_made_brain_is_found_in_a_made_head(tmp_path):
    brain = made_brain()
    write_atlas(tmp_path, *brain)
    overlap, volume, untouched = judged(stripper(tmp_path, effort="quick"), *brain, seed=0)
    assert overlap >= 0.96 and abs(volume - 1) <= 0.03
    assert untouched < 0.95, "the case is no copy of the atlas"


@pytest.mark.answer("P1.12")
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_real_brain_is_found_in_a_made_head(tmp_path, shared_data, seed):
    brain = real_brain(shared_data("ms_lesion_mni2mm"))
    write_atlas(tmp_path, *brain)
    overlap, volume, untouched = judged(stripper(tmp_path), *brain, seed=seed)
    assert overlap >= 0.96 and abs(volume - 1) <= 0.03
    assert untouched < 0.95


@pytest.mark.answer("P1.12")
@pytest.mark.slow
@pytest.mark.parametrize(
    ("atlas", "patient"), [("patient07", "patient19"), ("patient19", "patient07"), ("patient26", "patient19")]
)
def test_another_patients_brain_is_found(tmp_path, shared_data, atlas, patient):
    """No affine map lays one person's brain onto another's: the best one has a Dice of .95 here."""
    root = shared_data("ms_lesion_mni2mm")
    write_atlas(tmp_path, *real_brain(root, atlas))
    values, inside, affine = real_brain(root, patient)
    found = prepare_sample(head_of(values, inside, affine, 0), [stripper(tmp_path)]).masks["brain"].array[0] > 0
    assert dice(found, inside) >= 0.96 and abs(found.sum() / inside.sum() - 1) <= 0.03


@pytest.mark.answer("I5.10")
def test_what_is_no_brain_is_refused(tmp_path):
    """A template alone is no promise: a head that is not matched, or a brain of another size, is refused."""
    values, inside, affine = made_brain()
    write_atlas(tmp_path, values, inside, affine)
    step = stripper(tmp_path, effort="quick")
    rng = np.random.default_rng(0)
    noise = rng.normal(10, 1, values.shape)
    half = np.where(np.arange(52) > 26, head_of(values, inside, affine, 1).images["t1"].array[0], 0)
    for wrong in (noise, half + rng.normal(0, 0.01, half.shape)):
        with pytest.raises(PrepareError) as told:
            prepare_sample(Sample("a", {"t1": Image(wrong[None].astype(np.float32), affine)}), [step])
        assert told.value.problem.code == "registration_failed"
    small = stripper(tmp_path, effort="quick", most_ml=900)
    with pytest.raises(PrepareError, match="ml") as told:
        prepare_sample(head_of(values, inside, affine, 3), [small])
    assert told.value.problem.code == "brain_implausible"
    assert "Not validated on real heads" in (type(step).__doc__ or "")


@pytest.mark.answer("I5.10")
def test_the_atlas_travels_with_the_state_and_a_model_has_a_slot(tmp_path):
    values, inside, affine = made_brain()
    write_atlas(tmp_path, values, inside, affine)
    step = stripper(tmp_path, effort="quick")
    for file in tmp_path.iterdir():
        file.unlink()
    out = prepare_sample(head_of(values, inside, affine, 5), [step])
    assert dice(out.masks["brain"].array[0] > 0, inside) >= 0.96, "the files are gone, the atlas is not"
    (tmp_path / "model.bundle").write_bytes(b"weights")
    by_model = build("transforms", {"skull_strip": {"model": "model.bundle", "fill": 0}}, root=tmp_path)
    by_model = by_model.with_state(by_model.fit([]))
    opened = []

    def opener(path):
        opened.append(path.read_bytes())
        return lambda image: inside

    open_bundles_with(opener)
    out = prepare_sample(head_of(values, inside, affine, 5), [by_model])
    assert opened == [b"weights"] and np.array_equal(out.masks["brain"].array[0] > 0, inside)
    for wrong in ({}, {"atlas": "a"}, {"atlas": "a", "mask": "b", "model": "c"}):
        with pytest.raises(RecipeError):
            build("transforms", {"skull_strip": wrong})
