"""Examples that are varied on the device: the draws, and the values but for rounding, of those varied by the processor."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from preceptor.core.applied import Intensity
from preceptor.core.slots import build
from preceptor.prepare.loader import Loader
from preceptor.prepare.store import prepare
from tests.contracts.accelerator import DEVICE, accelerator, brought_back

from .cases import Structures, volumes

SPATIAL = [{"flip": {"axes": ["posterior-anterior"]}}, "affine", {"elastic": {"spacing_mm": 8}}]
VALUES = ["noise", "gamma", {"blur": {"sigma_mm": 1}}, {"poisson_noise": {}}, "bias_field"]


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    cohort = volumes(tmp_path_factory.mktemp("stored"))
    store = prepare(cohort, [build("transforms", "zscore")], Structures(), cohort.root / "p", fit_on=cohort.cases)
    return store, cohort.cases


def loader(stored, augment, **settings) -> Loader:
    built = [each if not isinstance(each, (str, dict)) else build("transforms", each) for each in augment]
    store, cases = stored
    return Loader(store, cases, Structures(), views=("t1",), batch_size=2, seed=7, augment=built, **settings)


def on_device(stored, augment, **settings):
    """An epoch's batches, varied on the device, with their tensors brought back."""
    with accelerator() as device:
        for batch in loader(stored, augment, augment_on=device, **settings).epoch(3):
            parts = {name: dict(getattr(batch, name)) for name in ("images", "targets", "masks", "present")}
            parts["index"] = {"rows": batch.rows}
            yield batch.keys, {kind: {k: brought_back(v) for k, v in each.items()} for kind, each in parts.items()}


@pytest.mark.parametrize(
    "augment", [SPATIAL, VALUES, SPATIAL + VALUES, SPATIAL[:1]], ids=["moved", "changed", "both", "exact"]
)
@pytest.mark.parametrize(
    "settings", [{"patch": (8, 8, 8)}, {"patch": (20, 6, 20)}, {}], ids=["inside", "beyond", "whole"]
)
def test_the_batches_are_those_of_the_processor(stored, augment, settings):
    if not settings:
        settings = {"patch": None}
    usual = list(loader(stored, augment, **settings).epoch(3))
    moved = list(on_device(stored, augment, **settings))
    assert len(usual) == len(moved) == 2
    for batch, (keys, parts) in zip(usual, moved, strict=True):
        assert batch.keys == keys and torch.equal(batch.rows, parts["index"]["rows"])
        for view, image in batch.images.items():
            assert torch.equal(batch.present[view], parts["present"][view])
            assert image.dtype == parts["images"][view].dtype
            # Shot noise draws whole numbers, whose mean rounding moves by one now and then.
            apart = (image - parts["images"][view]).abs()
            assert apart.quantile(0.99) < 2e-4 and apart.mean() < 1e-3
        for name, target in batch.targets.items():
            assert target.dtype == parts["targets"][name].dtype
            assert (target == parts["targets"][name]).double().mean() > 0.999


def test_any_number_of_workers_gives_the_same(stored):
    augment = SPATIAL + VALUES
    alone, both = (list(on_device(stored, augment, patch=(8, 8, 8), workers=workers)) for workers in (0, 2))
    for (keys, one), (others, other) in zip(alone, both, strict=True):
        assert keys == others
        assert all(torch.equal(one[kind][k], other[kind][k]) for kind in one for k in one[kind])


def test_what_no_device_can_do_is_done_by_the_processor(stored):
    augment = [_ByNumPy()]
    (_, parts), *_ = on_device(stored, augment, patch=(8, 8, 8))
    usual = next(loader(stored, augment, patch=(8, 8, 8)).epoch(3))
    assert torch.equal(usual.images["t1"], parts["images"]["t1"])


class _ByNumPy:
    reads_pixels = True

    def draw(self, rng, sample):
        most = float(np.max(sample.images["t1"].array))
        return Intensity(lambda image: torch.from_numpy(np.sort(image.numpy(), axis=-1)).mul_(most))


def test_only_what_is_shown_travels(stored):
    made = loader(stored, ["affine"], patch=(8, 8, 8), augment_on=DEVICE)
    gathered = made._on_device.gather(made._draws(0, None)[0], shared=False)
    whole = sum(np.prod(shape["t1"]) for shape in made._examples.shapes) * 5  # image and mask
    assert gathered.packed.nbytes < whole


def test_without_augmentation_nothing_is_moved_there(stored):
    assert all(batch.images["t1"].device.type == "cpu" for batch in loader(stored, [], augment_on=DEVICE).epoch(0))
