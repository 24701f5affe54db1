"""Which voxels an intensity step takes its statistics from."""

from __future__ import annotations

import numpy as np
import pytest

from preceptor.core.applied import Derived
from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError
from preceptor.core.image import Image
from preceptor.core.slots import build
from preceptor.prepare.compose import prepare_sample

STEPS = ("zscore", "percentile", "range", "equalise", "whitestripe", "n4")


class _Found:
    """Marks what is bright: a mask that a step of the preparation makes."""

    def draw(self, rng, sample):
        image = sample.reference
        return Derived(masks={"found": Image((image.array > 500).astype(np.uint8), image.affine_mm, is_label=True)})


def case(mask=None, affine=None):
    array = np.random.default_rng(0).normal(100, 10, (1, 24, 24, 20)).astype(np.float32)
    array[:, 6:18, 6:18, 5:15] += 900
    masks = {} if mask is None else {"given": Image(mask, np.eye(4) if affine is None else affine, is_label=True)}
    return Sample("case-7", {"t1": Image(array, np.eye(4))}, masks)


def test_a_mask_that_an_earlier_step_made():
    zscore = build("transforms", {"zscore": {"mask": "found"}})
    resample = build("transforms", {"resample": {"spacing_mm": [2, 2, 2]}})
    for steps in ([_Found(), zscore], [_Found(), resample, zscore]):
        out = prepare_sample(case(), steps)
        inside = out.masks["found"].array > 0
        values = out.images["t1"].array[inside]
        assert abs(values.mean()) < 1e-3 and abs(values.std() - 1) < 1e-3
        assert out.images["t1"].array[~inside].max() < 0


def test_a_mask_on_another_grid_is_brought_to_the_image():
    mask = np.zeros((1, 12, 12, 10), np.uint8)
    mask[:, 3:9, 3:9, 2:7] = 1
    affine = np.diag([2.0, 2, 2, 1])
    affine[:3, 3] = 0.5  # its corner lies on the image's
    out = prepare_sample(case(mask, affine), [build("transforms", {"zscore": {"mask": "given"}})]).images["t1"].array
    assert abs(out[:, 6:18, 6:18, 4:14].mean()) < 1.0 and out[:, :5].mean() < -2


@pytest.mark.parametrize("step", STEPS)
def test_a_mask_that_is_not_there_or_empty_is_told(step):
    asked = build("transforms", {step: {"mask": "brain"}})
    with pytest.raises(PrepareError, match="no mask 'brain'") as told:
        prepare_sample(case(), [asked])
    assert told.value.problem.code == "region_absent" and "case case-7" in str(told.value)
    with pytest.raises(PrepareError, match="marks nothing"):
        prepare_sample(case(np.zeros((1, 24, 24, 20), np.uint8)), [build("transforms", {step: {"mask": "given"}})])


@pytest.mark.parametrize("step", ["nyul", "histogram_match"])
def test_fitted_steps_know_each_view_and_say_which_they_do_not(step):
    flair = Image(np.random.default_rng(1).normal(5, 1, (1, 24, 24, 20)).astype(np.float32), np.eye(4))
    two = Sample("b", {"t1": case().images["t1"], "flair": flair})
    made = build("transforms", {step: {"over": "all"}})
    state = made.fit(iter([two, case()]))
    assert {view: known["cases"] for view, known in state["views"].items()} == {"t1": 2, "flair": 1}
    fitted = made.with_state(state)
    out = prepare_sample(two, [fitted])
    assert set(out.images) == {"t1", "flair"}
    with pytest.raises(PrepareError, match="the view 't2'"):
        prepare_sample(Sample("c", {"t2": flair}), [fitted])
    with pytest.raises(PrepareError, match="before it was fitted"):
        prepare_sample(two, [made])
    blank = Image(np.full((1, 8, 8), 3.0, np.float32), np.eye(4))
    if step == "nyul":
        with pytest.raises(PrepareError, match="learn nothing"):
            made.fit(iter([Sample("d", {"t1": blank})]))
