"""Masks that a step makes: kept beside the images, found by later steps, stored, read back as patches, never varied."""

from __future__ import annotations

import numpy as np
import pytest

from preceptor.core.applied import Derived
from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError
from preceptor.core.image import Image
from preceptor.core.slots import build
from preceptor.prepare.compose import prepare_sample
from preceptor.prepare.loader import Loader
from preceptor.prepare.store import prepare

from .cases import Structures, volumes

BODY = {"remove_background": {"threshold": 90.0, "name": "bright"}}


def built(*steps):
    return [build("transforms", step) for step in steps]


def test_a_mask_moves_with_the_image_and_is_read_back(tmp_path):
    cohort, task = volumes(tmp_path), Structures()
    steps = built("orient_ras", BODY, {"crop_foreground": {"mask": "bright"}}, {"pad": {"multiple_of": 8}})
    store = prepare(cohort, steps, task, tmp_path / "prepared", fit_on=cohort.cases)
    for case in cohort:
        sample = store.sample(case.key)
        image, mask = sample.images["t1"].array, sample.masks["bright"].array
        assert mask.shape == image.shape and mask.dtype == np.uint8 and set(np.unique(mask)) == {0, 1}
        assert (image[mask == 0] == image.min()).all() and image[mask == 1].max() > image.min()
        assert set(store.sample(case.key).masks) == {"label", "bright"}
    flips = built({"flip": {"axes": ["posterior-anterior"], "chance": 1.0}})
    loader = Loader(store, cohort.cases, task, views=("t1",), batch_size=2, seed=1, augment=flips, patch=(8, 8, 8))
    for batch in loader.epoch(0):
        assert batch.masks["bright"].shape[1:] == (8, 8, 8)
        for image, mask in zip(batch.images["t1"][:, 0], batch.masks["bright"], strict=True):
            assert mask.any() and len(image[mask == 0].unique()) <= 1 and (image[mask == 1] > 0).all()


def test_views_on_other_grids_keep_masks_of_their_own():
    rng = np.random.default_rng(0)
    images = {}
    for view, n in (("frontal", 20), ("lateral", 14)):
        array = np.zeros((1, n, n), np.float32)
        array[0, 4:-4, 4:-4] = 100 + rng.normal(size=(n - 8, n - 8))
        images[view] = Image(array, np.eye(4), meta={"geometry": "unknown"})
    out = prepare_sample(Sample("a", images), built("remove_background", {"crop_foreground": {"mask": "body"}}))
    assert set(out.masks) == {"body", "body_lateral"}
    assert out.masks["body"].shape == out.images["frontal"].shape == (12, 12)
    assert out.masks["body_lateral"].shape == out.images["lateral"].shape == (6, 6)


def test_a_mask_made_twice_is_the_later_one():
    array = np.zeros((1, 16, 16), np.float32)
    array[0, 2:14, 2:14] = 5
    array[0, 6:10, 6:10] = 50
    image = Image(array, np.eye(4))
    out = prepare_sample(
        Sample("a", {"x": image}), built(*({"remove_background": {"threshold": level}} for level in (1.0, 20.0)))
    )
    assert out.masks["body"].array.sum() == 16


def test_augmentation_has_no_such_step(tmp_path):
    cohort, task = volumes(tmp_path), Structures()
    store = prepare(cohort, [], task, tmp_path / "prepared", fit_on=cohort.cases)
    loader = Loader(store, cohort.cases, task, views=("t1",), batch_size=2, seed=1, augment=built(BODY))
    with pytest.raises(PrepareError) as told:
        next(iter(loader.epoch(0)))
    assert told.value.problem.code == "augment_derived"


def test_the_case_as_it_was_read_is_left_alone():
    array = np.zeros((1, 16, 16), np.float32)
    array[0, 4:12, 4:12] = 7
    sample = Sample("a", {"x": Image(array.copy(), np.eye(4))})
    step = build("transforms", "remove_background")
    assert isinstance(step.draw(None, sample), Derived)
    prepare_sample(sample, [step])
    assert not sample.masks and np.array_equal(sample.images["x"].array, array)
