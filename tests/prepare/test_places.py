"""Points and boxes in batches: on the voxels they mark, whatever moved them, whoever computes them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from preceptor.core.cohort import Case, Cohort
from preceptor.core.slots import build
from preceptor.prepare.loader import Loader
from preceptor.prepare.store import prepare
from tests.contracts.accelerator import accelerator, brought_back

from .cases import Finding

SQUARES = {"a": [(5, 8)], "b": [(20, 3), (9, 14)], "c": [], "d": None}


@pytest.fixture
def cohort(tmp_path):
    """Pictures with bright squares of 3 x 3; in c there is none, at d nobody looked."""
    cases = []
    for key, squares in SQUARES.items():
        pixels = np.zeros((20, 28), np.uint8)
        for x, y in squares or ():
            pixels[y - 1 : y + 2, x - 1 : x + 2] = 250
        Pillow.fromarray(pixels).save(tmp_path / f"{key}.png")
        points = {} if squares is None else {"spot": [[float(x), float(y)] for x, y in squares]}
        boxes = {} if squares is None else {"spot": [[[x - 1.5, y - 1.5], [x + 1.5, y + 1.5]] for x, y in squares]}
        cases.append(Case(key, {"image": f"{key}.png"}, points=points, boxes=boxes))
    return Cohort(tuple(cases), tmp_path)


def batches(cohort, augment=(), steps=("crop_pad",), **settings):
    made = [build("transforms", {"crop_pad": {"shape": [32, 24]}} if each == "crop_pad" else each) for each in steps]
    store = prepare(cohort, made, Finding(), cohort.root / "prepared", fit_on=cohort.cases)
    built = [build("transforms", each) for each in augment]
    return Loader(store, cohort.cases, Finding(), views=("image",), batch_size=2, seed=3, augment=built, **settings)


def seen(loader):
    return {
        key: (batch.images["image"][n, 0], batch.points["spot"][n], batch.boxes["spot"][n])
        for batch in loader.epoch(1)
        for n, key in enumerate(batch.keys)
    }


@pytest.mark.parametrize(
    ("augment", "close"),
    [([], 1e-4), ([{"flip": {"axes": ["x", "y"], "chance": 1.0}}], 1e-4), ([{"rotate": {"degrees": 20}}, {"elastic": {"spacing_mm": 12, "sigma_mm": 1}}], 0.4)],
)  # fmt: skip
@pytest.mark.parametrize("patch", [None, (32, 24), (40, 30)])
def test_points_lie_on_what_they_mark_and_boxes_around_it(cohort, augment, close, patch):
    for key, (image, points, boxes) in seen(batches(cohort, augment, patch=patch)).items():
        squares = SQUARES[key]
        assert points.shape == (2, 2) and boxes.shape == (2, 2, 2)
        if squares is None:
            assert points.isnan().all() and boxes.isnan().all()
            continue
        assert points[len(squares) :].isinf().all() and not points[: len(squares)].isinf().any()
        for (x, y), (low, high) in zip(points[: len(squares)], boxes[: len(squares)], strict=True):
            area = np.mgrid[: image.shape[0], : image.shape[1]]
            near = image.numpy() * (np.abs(area - np.array([x, y])[:, None, None]).max(0) <= 3)
            middle = (area * near).sum((1, 2)) / near.sum()
            assert middle == pytest.approx([x.item(), y.item()], abs=close + 0.05)
            bright = np.argwhere(near > 125)
            assert (bright.min(0) >= low.numpy() - 0.5).all() and (bright.max(0) <= high.numpy() + 0.5).all()


def test_the_same_places_whoever_computes_them_and_again_from_the_disk(cohort):
    settings = {"augment": [{"affine": {}}], "patch": (16, 16)}
    here, there = seen(batches(cohort, **settings)), seen(batches(cohort, workers=2, **settings))
    for key in here:
        for one, other in zip(here[key], there[key], strict=True):
            assert torch.equal(one.nan_to_num(nan=-7), other.nan_to_num(nan=-7))


def test_places_move_with_what_the_device_varies(cohort):
    settings = {"augment": [{"affine": {}}], "patch": (16, 16)}
    usual = seen(batches(cohort, **settings))
    with accelerator() as device:
        there = seen(batches(cohort, augment_on=device, **settings))
    assert there["a"][1].isfinite().any()
    for key, (_, *places) in usual.items():
        for one, other in zip(places, there[key][1:], strict=True):
            assert torch.equal(one.nan_to_num(nan=-7), brought_back(other).nan_to_num(nan=-7))


def test_places_of_hidden_labels_are_unknown(cohort):
    hidden = seen(batches(cohort, hide_labels=["a"], patch=(16, 16)))
    assert hidden["a"][1].isnan().all() and hidden["b"][1].isfinite().all()


def test_a_corrected_point_is_prepared_anew(cohort):
    before = seen(batches(cohort))["a"][1][0]
    moved = Case("a", {"image": "a.png"}, points={"spot": [[6.0, 8.0]]}, boxes=cohort["a"].boxes)
    after = seen(batches(cohort.with_cases([moved, *cohort.cases[1:]])))["a"][1][0]
    assert (after - before).tolist() == [1, 0]


def test_a_batch_without_places_has_none_and_moves_like_any_other(cohort):
    plain = Cohort(tuple(Case(case.key, case.images) for case in cohort), cohort.root)
    batch = next(iter(batches(plain, patch=(16, 16)).epoch(0)))
    assert batch.points == {} and batch.boxes == {}
    placed = next(iter(batches(cohort, patch=(16, 16)).epoch(0))).to(torch.device("meta"))
    assert placed.points["spot"].is_meta and placed.boxes["spot"].is_meta
