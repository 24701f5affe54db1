"""Images kept in 16 bits: what comes back is what was put in, however it is looked at."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
import torch

from preceptor.core.applied import Intensity
from preceptor.core.slots import build
from preceptor.prepare.levels import Levels, as_levels
from preceptor.prepare.loader import Loader
from preceptor.prepare.store import prepare

from .cases import Structures, volumes


@pytest.mark.parametrize("bits", [1, 8, 12, 16])
def test_whole_numbers_scaled_and_clipped_come_back(bits):
    rng = np.random.default_rng(bits)
    numbers = rng.integers(-1000, -1000 + 2**bits, (2, 30, 31, 32)).astype(np.float32)
    numbers = np.clip(numbers, -1000 + 2**bits // 8, None)
    array = ((numbers - numbers.mean()) / numbers.std()).astype(np.float32)
    kept = as_levels(array)
    assert kept is not None
    assert kept.codes.dtype == np.int16 and kept.shape == array.shape
    assert np.abs(np.asarray(kept) - array).max() <= 5e-7 * np.abs(array).max()
    box = (slice(None), slice(3, 9), slice(0, 31, 2), 5)
    assert np.array_equal(kept[box], np.asarray(kept)[box])


@pytest.mark.parametrize(
    "array",
    [
        np.random.default_rng(0).normal(size=(1, 40, 40, 40)).astype(np.float32),
        np.arange(1000, dtype=np.int16).reshape(1, 10, 10, 10),
        np.full((1, 4, 4, 4), np.nan, np.float32),
        (np.arange(2**17, dtype=np.float32) / 7).reshape(1, 64, 64, 32),
        np.append(np.arange(63999), 5.5).astype(np.float32).reshape(1, 40, 40, 40),
    ],
    ids=["smooth", "whole numbers already", "not finite", "too many levels", "one value between two levels"],
)
def test_what_would_lose_something_is_left_as_it_is(array):
    assert as_levels(array) is None


def test_one_value_alone_is_one_level():
    kept = as_levels(np.full((1, 3, 3), 4.25, np.float32))
    assert kept is not None and (np.asarray(kept) == 4.25).all()


def _cohort(folder):
    cohort = volumes(folder)
    for path in folder.glob("image*.nii"):
        image = nibabel.load(path)
        whole = np.rint(np.asarray(image.dataobj) * 400).astype(np.int16)
        nibabel.save(nibabel.Nifti1Image(whole, image.affine), path)
    return cohort


class _Sees:
    """Looks at the pixels of the patch before it is varied."""

    def draw(self, rng, sample):
        mean = float(sample.images["t1"].array.mean())
        return Intensity(lambda tensor: tensor - mean)


@pytest.mark.parametrize(
    "augment",
    [
        [],
        [{"flip": {"axes": ["x", "y", "z"]}}],
        ["affine", {"elastic": {"spacing_mm": 8}}],
        ["noise", _Sees()],
    ],
    ids=["as they are", "mirrored", "warped", "looked at"],
)
def test_batches_are_those_of_a_plain_store(tmp_path, augment):
    cohort = _cohort(tmp_path)
    built = [build("transforms", each) if isinstance(each, (str, dict)) else each for each in augment]
    stores = [
        prepare(
            cohort,
            [build("transforms", "zscore")],
            Structures(),
            tmp_path / "prepared",
            fit_on=cohort.cases,
            storage=storage,
        )
        for storage in ("plain", "levels")
    ]
    kept = stores[1].prepared("case-0").kept("image:t1").array
    assert isinstance(kept, Levels)
    sizes = [sum((store.folder / name).stat().st_size for name in store._files.values()) for store in stores]
    assert sizes[1] < 0.8 * sizes[0]
    plain, levels = (
        [
            batch
            for workers in (0, 1)
            for batch in Loader(
                store,
                cohort.cases,
                Structures(),
                views=("t1",),
                batch_size=2,
                seed=7,
                augment=built,
                patch=(12, 30, 10),
                patches_per_case=2,
                workers=workers if not any(isinstance(each, _Sees) for each in built) else 0,
            ).epoch(0)
        ]
        for store in stores
    )
    for one, other in zip(plain, levels, strict=True):
        assert torch.equal(one.targets["label"], other.targets["label"])
        torch.testing.assert_close(one.images["t1"], other.images["t1"], rtol=0, atol=5e-6)
    whole = [store.sample("case-1").images["t1"].array for store in stores]
    assert isinstance(whole[1], np.ndarray) and np.abs(whole[0] - whole[1]).max() < 2e-6
