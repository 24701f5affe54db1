"""What holds for every transform: the same seed draws the same, and what is fitted can be sealed."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from preceptor.core.applied import Derived, Intensity, Nothing, Several, Spatial, parts
from preceptor.core.errors import PrepareError
from preceptor.core.slots import plugin
from preceptor.core.state import put_together, take_apart

from .accelerator import accelerator, brought_back
from .material import clip, sample, stained
from .plugins import each, example

#: What a transform may be made for: volumes, pictures, stained sections, clips.
MATERIAL = (partial(sample, 3), partial(sample, 2), stained, clip)


def several(make):
    """Cases of one kind, each of its own."""
    return (make(seed=seed, key=f"case-{seed:02d}") for seed in range(6))


def ready(name: str, make):
    """The example, fitted where it can be."""
    transform = example("transforms", name)
    if hasattr(transform, "fit"):
        transform = transform.with_state(transform.fit(several(make)))
    return transform


def drawn(transform, given, seed: int):
    return transform.draw(np.random.default_rng(seed), given)


def outcome(applied, given):
    """What was decided, as arrays that can be compared."""
    if isinstance(applied, Several):
        return [each for part in parts(applied) for each in outcome(part, given)]
    if isinstance(applied, Nothing):
        return ["nothing"]
    if isinstance(applied, Intensity):
        views = given.images if applied.views is None else applied.views
        masks = {name: torch.from_numpy(mask.array) for name, mask in given.masks.items()}
        pixels = {view: torch.from_numpy(given.images[view].array.copy()).float() for view in views}
        return [applied.on(view, pixels[view], masks).numpy() for view in views]
    if isinstance(applied, Derived):
        return [part.array for part in (*applied.images.values(), *applied.masks.values())]
    decided = [applied.matrix, applied.shape, applied.affine_mm]
    return [*decided, None if applied.displacement is None else applied.displacement.control]


def tried(name: str):
    """What the transform takes of any material; what it refuses, it refuses with a known error."""
    for make in MATERIAL:
        try:
            yield make(), ready(name, make), make
        except PrepareError:
            continue


def accepted(name: str):
    found = []
    for given, transform, make in tried(name):
        try:
            outcome(drawn(transform, given, 0), given)
        except PrepareError:
            continue
        found.append((given, transform, make))
    return found


@each("transforms")
def test_takes_one_kind_of_image_at_least(slot, name):
    assert accepted(name)


@each("transforms")
def test_the_same_seed_draws_the_same(slot, name):
    for given, transform, _ in accepted(name):
        for seed in range(5):
            first, second = drawn(transform, given, seed), drawn(transform, given, seed)
            assert type(first) is type(second) and first.parameters == second.parameters
            for one, other in zip(outcome(first, given), outcome(second, given), strict=True):
                np.testing.assert_array_equal(one, other)


@each("transforms")
def test_the_sample_is_left_as_it_was(slot, name):
    for given, transform, make in accepted(name):
        drawn(transform, given, 1)
        untouched = make()
        np.testing.assert_array_equal(given.reference.array, untouched.reference.array)
        np.testing.assert_array_equal(given.masks["label"].array, untouched.masks["label"].array)


def fits(applied, given, dims):
    """What was decided can be applied to this case."""
    assert isinstance(applied, (Spatial, Intensity, Derived, Nothing))
    if isinstance(applied, Spatial):
        assert applied.matrix.shape == (dims + 1, dims + 1) and np.isfinite(applied.matrix).all()
        assert abs(np.linalg.det(applied.matrix)) > 1e-9, "the map can be turned back"
        assert applied.shape is None or (len(applied.shape) == dims and min(applied.shape) > 0)
        assert (applied.shape is None) <= (applied.affine_mm is None), "another affine needs a shape"
        if applied.affine_mm is not None:
            # One voxel step on the new grid is the same step in the patient, by either way.
            step = given.reference.affine_mm[:3, :3][:, :dims] @ applied.matrix[:dims, :dims]
            np.testing.assert_allclose(step, applied.affine_mm[:3, :dims], atol=1e-6)
        if applied.displacement is not None:
            assert applied.displacement.control.shape[0] == dims
    elif isinstance(applied, Derived):
        for part in (*applied.images.values(), *applied.masks.values()):
            assert part.shape == given.reference.shape and np.isfinite(part.array).all()
            np.testing.assert_array_equal(part.affine_mm, given.reference.affine_mm)
        assert set(applied.images) <= set(given.images) and all(m.is_label for m in applied.masks.values())
    elif isinstance(applied, Intensity):
        for before, after in zip(given.images.values(), outcome(applied, given), strict=False):
            assert after.shape == before.array.shape and after.dtype == np.float32
            assert np.isfinite(after).all()


@each("transforms")
def test_what_is_drawn_can_be_applied(slot, name):
    for given, transform, _ in accepted(name):
        for seed in range(5):
            for applied in parts(drawn(transform, given, seed)):
                fits(applied, given, given.reference.space_dims)


@each("transforms")
def test_an_inverse_brings_the_values_back(slot, name):
    for given, transform, _ in accepted(name):
        applied = drawn(transform, given, 2)
        if isinstance(applied, Intensity) and applied.inverse is not None:
            before = torch.from_numpy(given.reference.array.copy()).float()
            torch.testing.assert_close(applied.inverse(applied.function(before.clone())), before, rtol=1e-3, atol=1e-2)


@each("transforms")
def test_a_fitted_state_can_be_sealed(slot, name):
    transform = example("transforms", name)
    if not hasattr(transform, "fit"):
        pytest.skip("nothing is fitted")
    cls, (given, _, make) = plugin(slot, name), accepted(name)[0]
    state = transform.fit(several(make))
    tensors: dict = {}
    sealed = put_together(take_apart(state, tensors), tensors)
    assert type(transform.with_state(sealed)) is cls and transform.with_state(sealed) is not transform
    one, other = (drawn(transform.with_state(each), given, 0) for each in (state, sealed))
    for first, second in zip(outcome(one, given), outcome(other, given), strict=True):
        np.testing.assert_array_equal(first, second)


@each("transforms")
def test_changes_pixels_alike_on_any_device(slot, name):
    for given, transform, _ in accepted(name):
        for view, image in given.images.items():
            pixels = torch.from_numpy(image.array.copy()).float()
            masks = {each: torch.from_numpy(mask.array) for each, mask in given.masks.items()}
            usual = [_changed(part, view, pixels, masks) for part in _intensities(transform, given)]
            with accelerator() as device:
                there = {each: mask.to(device) for each, mask in masks.items()}
                moved = [_changed(part, view, pixels.to(device), there) for part in _intensities(transform, given)]
                for here, other in zip(usual, moved, strict=True):
                    torch.testing.assert_close(brought_back(other), here, rtol=1e-4, atol=1e-4)


def _intensities(transform, given):
    return [part for part in parts(drawn(transform, given, 0)) if isinstance(part, Intensity)]


def _changed(applied, view, pixels, masks):
    return applied.on(view, pixels.clone(), masks)
