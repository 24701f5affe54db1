"""The loader: the same batches whoever computes them, targets nobody may see hidden, and everything moved together."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch

from preceptor.core.applied import Intensity
from preceptor.core.cohort import Case, Cohort
from preceptor.core.errors import PrepareError, RecipeError
from preceptor.core.slots import build
from preceptor.prepare.loader import Loader
from preceptor.prepare.prepared import BOUNDARY
from preceptor.prepare.store import prepare

from .cases import Finding, Structures, dice, volume, volumes

AUGMENT = [{"flip": {"axes": ["left-right"]}}, "affine", {"elastic": {"spacing_mm": 8}}, "noise", "gamma"]


def loader(cohort: Cohort, task=None, augment=(), views=("t1",), batch_size=2, **settings) -> Loader:
    task = task or Structures()
    store = prepare(cohort, [build("transforms", "zscore")], task, cohort.root / "prepared", fit_on=cohort.cases)
    built = [each if not isinstance(each, (str, dict)) else build("transforms", each) for each in augment]
    return Loader(store, cohort.cases, task, views=views, batch_size=batch_size, seed=7, augment=built, **settings)


def same(left, right) -> bool:
    return left.keys == right.keys and all(
        torch.equal(a, b)
        for kind in ("images", "targets", "masks", "present")
        for a, b in zip(getattr(left, kind).values(), getattr(right, kind).values(), strict=True)
    )


# ---------------------------------------------------------------- the same batches


def test_an_epoch_may_begin_anywhere(tmp_path):
    made = loader(volumes(tmp_path), augment=AUGMENT, patch=(8, 8, 8), patches_per_case=3)
    whole = list(made.epoch(2))
    assert len(whole) == made.steps_per_epoch == 6
    for start in (0, 1, 4, 6):
        rest = list(made.epoch(2, start=start))
        assert len(rest) == 6 - start
        assert all(same(a, b) for a, b in zip(whole[start:], rest, strict=True))


def test_what_is_left_out_is_not_computed(tmp_path):
    counted = _Counted()
    made = loader(volumes(tmp_path), augment=[counted], patch=(8, 8, 8))
    list(made.epoch(0, start=1))
    assert counted.drawn == 2


class _Counted:
    reads_pixels = False

    def __init__(self) -> None:
        self.drawn = 0

    def draw(self, rng, sample):
        self.drawn += 1
        return Intensity(lambda image: image)


_SPAWNED = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from tests.prepare.test_loader import AUGMENT, loader, volumes
import torch
if __name__ == "__main__":
    made = loader(volumes(Path({folder!r})), augment=AUGMENT, patch=(8, 8, 8), workers=2, start_method="spawn")
    torch.save([batch.images["t1"] for epoch in (0, 1) for batch in made.epoch(epoch)], {out!r})
"""


def test_spawned_workers_give_the_same_batches(tmp_path):
    made = loader(volumes(tmp_path / "a"), augment=AUGMENT, patch=(8, 8, 8))
    ours = [batch.images["t1"] for epoch in (0, 1) for batch in made.epoch(epoch)]
    script = tmp_path / "spawned.py"
    root, out = str(Path(__file__).parents[2]), str(tmp_path / "out.pt")
    script.write_text(_SPAWNED.format(tests=root, folder=str(tmp_path / "b"), out=out))
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    theirs = torch.load(out, weights_only=True)
    assert len(ours) == len(theirs) and all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("settings", [{}, {"augment": AUGMENT}, {"augment": ["noise"], "foreground_share": 1.0}])
def test_patches_written_into_the_batch_are_those_stacked(tmp_path, settings):
    """Padded, masked by what else lies on the grid, of two views one of which is missing: where they are written is no matter."""
    cohort = volumes(tmp_path, ((10, 6, 12), (16, 18, 14), (20, 12, 12)))
    cases = [
        replace(case, images={**case.images, "t2": case.images["t1"]}) if n else case for n, case in enumerate(cohort)
    ]
    cases[1] = replace(cases[1], masks={**cases[1].masks, "forbidden": cases[1].masks["label"]})
    for workers in (0, 1):
        made = loader(
            cohort.with_cases(cases), views=("t1", "t2"), patch=(12, 10, 8), batch_size=3, workers=workers, **settings
        )
        for batch, told in zip(made.epoch(1), made._draws(1, None), strict=True):
            assert same(batch, made._examples.batch(told))
            assert batch.images["t1"].shape == (3, 1, 12, 10, 8) and batch.images["t1"].is_contiguous()


def test_an_epoch_abandoned_half_way_does_no_harm(tmp_path):
    made = loader(volumes(tmp_path), augment=AUGMENT, patch=(8, 8, 8), patches_per_case=4, workers=1)
    expected = list(loader(volumes(tmp_path), augment=AUGMENT, patch=(8, 8, 8), patches_per_case=4).epoch(1))
    next(iter(made.epoch(0)))
    assert all(same(a, b) for a, b in zip(expected, made.epoch(1), strict=True))


def test_a_case_draws_the_same_in_any_cohort(tmp_path):
    """Another case more or another order changes nothing for a case's own draws."""
    cohort = volumes(tmp_path)
    turned = cohort.with_cases(reversed(cohort.cases[1:]))
    settings = {"augment": AUGMENT, "patch": (8, 8, 8), "batch_size": 1, "foreground_share": 0.0}
    one = {batch.keys[0]: batch.images["t1"] for batch in loader(cohort, **settings).epoch(0)}
    two = {batch.keys[0]: batch.images["t1"] for batch in loader(turned, **settings).epoch(0)}
    assert len(two) == 3 and all(torch.equal(one[key], two[key]) for key in two)


@pytest.mark.parametrize(("world", "accumulate"), [(2, 1), (2, 2), (3, 1)])
def test_processes_share_a_step(tmp_path, world, accumulate):
    made = loader(volumes(tmp_path), patch=(8, 8, 8), patches_per_case=3, batch_size=2)
    alone = list(made.epoch(0))
    shared = [list(made.epoch(0, share=(rank, world, accumulate))) for rank in range(world)]
    per_step = world * accumulate
    for first in range(0, 6, per_step):
        step = first // per_step * accumulate
        together = sorted(key for each in shared for batch in each[step : step + accumulate] for key in batch.keys)
        assert together == sorted(key for batch in alone[first : first + per_step] for key in batch.keys)
        assert all(each[step : step + accumulate] for each in shared)  # nobody waits for a process that has nothing


def test_too_few_batches_for_every_process_are_dealt_out(tmp_path):
    made = loader(volumes(tmp_path), patch=(8, 8, 8), batch_size=4)
    shared = [list(made.epoch(0, share=(rank, 2, 1))) for rank in range(2)]
    assert [len(each) for each in shared] == [1, 1]
    assert sorted(key for each in shared for key in each[0].keys) == sorted(made.index.keys)
    assert not list(made.epoch(0, share=(0, 5, 1)))  # four examples for five processes: none for anybody


# ---------------------------------------------------------------- what is drawn


def test_every_case_comes_up_as_often(tmp_path):
    made = loader(volumes(tmp_path), patch=(8, 8, 8), patches_per_case=3)
    keys = [key for batch in made.epoch(0) for key in batch.keys]
    assert sorted(keys) == sorted(made.index.keys * 3)
    assert keys != [key for batch in made.epoch(1) for key in batch.keys]


def test_patches_are_centred_by_class(tmp_path):
    made = loader(volumes(tmp_path), patch=(7, 7, 7), patches_per_case=50, foreground_share=0.6)
    assert sorted(set(made.index.stratum.tolist())) == [-1, 1, 2]
    assert made.index.share.sum() == pytest.approx(1)
    assert made.index.share[made.index.stratum == 1].sum() == pytest.approx(0.3)
    counted = {-1: 0, 1: 0, 2: 0}
    for batch in made.epoch(0):
        for row, mask in zip(batch.rows.tolist(), batch.targets["label"], strict=True):
            stratum = int(made.index.stratum[row])
            counted[stratum] += 1
            if stratum > 0:
                assert (mask == stratum).any()
    assert counted[-1] / 200 == pytest.approx(0.4, abs=0.12)
    assert counted[1] / 200 == pytest.approx(0.3, abs=0.12)


def test_the_centre_holds_the_class_where_there_is_room(tmp_path):
    made = loader(volumes(tmp_path, ((40, 40, 40),)), patch=(7, 7, 7), patches_per_case=20, foreground_share=1.0)
    for batch in made.epoch(0):
        for row, mask in zip(batch.rows.tolist(), batch.targets["label"], strict=True):
            assert mask[3, 3, 3] == made.index.stratum[row]


def test_patches_are_centred_where_classes_meet(tmp_path):
    made = loader(
        volumes(tmp_path, ((40, 40, 40),)),
        patch=(7, 7, 7),
        patches_per_case=60,
        foreground_share=0.2,
        boundary_share=0.5,
    )
    assert sorted(set(made.index.stratum.tolist())) == [BOUNDARY, -1, 1, 2]
    assert made.index.share[made.index.stratum == BOUNDARY].sum() == pytest.approx(0.5)
    counted = 0
    for batch in made.epoch(0):
        for row, mask in zip(batch.rows.tolist(), batch.targets["label"], strict=True):
            if made.index.stratum[row] == BOUNDARY:
                counted += 1
                beside = [mask[2, 3, 3], mask[4, 3, 3], mask[3, 2, 3], mask[3, 4, 3], mask[3, 3, 2], mask[3, 3, 4]]
                assert any(each != mask[3, 3, 3] for each in beside)
    assert counted / 60 == pytest.approx(0.5, abs=0.2)


def test_shares_of_patches_leave_something_for_anywhere(tmp_path):
    with pytest.raises(RecipeError, match="more than all"):
        loader(volumes(tmp_path), patch=(7, 7, 7), foreground_share=0.7, boundary_share=0.5)


def test_a_given_probability_chooses_the_rows(tmp_path):
    made = loader(volumes(tmp_path), patch=(7, 7, 7), patches_per_case=20)
    wanted = np.where((made.index.stratum == 1) & (made.index.case == 2), 1.0, 0.0)
    batches = list(made.epoch(0, probability=wanted))
    assert {key for batch in batches for key in batch.keys} == {"case-2"}
    assert all((mask == 1).any() for batch in batches for mask in batch.targets["label"])
    firsts = [image.sum().item() for batch in batches for image in batch.images["t1"]]
    assert len(set(firsts)) > 10  # one row, many draws


def test_uniform_patches_reach_both_ends(tmp_path):
    made = loader(volumes(tmp_path, ((12, 12, 12),)), patch=(11, 11, 11), patches_per_case=60, foreground_share=0.0)
    whole = made._examples._store.sample("case-0").images["t1"].array[0]
    corners = {image[0, 0, 0, 0].item() for batch in made.epoch(0) for image in batch.images["t1"]}
    assert corners == {whole[i, j, k].item() for i in (0, 1) for j in (0, 1) for k in (0, 1)}


def test_a_small_case_is_padded_and_unlabelled_around(tmp_path):
    made = loader(volumes(tmp_path, ((6, 20, 9),)), patch=(10, 10, 10), batch_size=1)
    (batch,) = made.epoch(0)
    image, mask = batch.images["t1"][0, 0], batch.targets["label"][0]
    assert image.shape == mask.shape == (10, 10, 10)
    assert (mask[:2] == -1).all() and (mask[8:] == -1).all() and (image[:2] == 0).all()
    assert (mask[2:8, :, 1:] >= 0).all() or (mask[2:8, :, :9] >= 0).all()


# ---------------------------------------------------------------- moved together


def test_image_and_mask_move_together(tmp_path):
    """The image shows the mask itself: whatever map is drawn, the two still agree."""
    _, label, affine = volume((40, 44, 36))
    nibabel.save(nibabel.Nifti1Image((label > 0).astype(np.float32), affine), tmp_path / "image.nii")
    nibabel.save(nibabel.Nifti1Image(label, affine), tmp_path / "label.nii")
    cohort = Cohort((Case("a", {"t1": "image.nii"}, masks={"label": "label.nii"}),), tmp_path)
    strong = [
        {"flip": {"axes": ["x", "y", "z"]}},
        {"affine": {"degrees": 45, "shift_mm": 3}},
        {"elastic": {"sigma_mm": 4}},
    ]
    made = loader(cohort, augment=strong, patch=(24, 24, 24), patches_per_case=20, foreground_share=0.5)
    whole = made._examples._store.sample("a").images["t1"].array
    half = (whole.min() + whole.max()) / 2
    shown, told = [], []
    for batch in made.epoch(0):
        for image, mask in zip(batch.images["t1"][:, 0], batch.targets["label"], strict=True):
            known = (mask >= 0).numpy()
            shown.append((image.numpy() > half)[known])
            told.append((mask > 0).numpy()[known])
            assert set(mask.unique().tolist()) <= {-1, 0, 1, 2}
    assert dice(np.concatenate(shown), np.concatenate(told)) > 0.97


def test_masks_on_the_grid_move_with_it_and_missing_ones_say_so(tmp_path):
    cohort = volumes(tmp_path)
    cases = [
        replace(case, masks={**case.masks, "forbidden": case.masks["label"]}) if i else case
        for i, case in enumerate(cohort)
    ]
    made = loader(cohort.with_cases(cases), augment=AUGMENT, patch=(12, 12, 12), batch_size=4)
    (batch,) = made.epoch(0)
    for key, marks, target in zip(batch.keys, batch.masks["forbidden"], batch.targets["label"], strict=True):
        if key == "case-0":
            assert (marks == -1).all()
        else:
            assert torch.equal(marks, target.clamp(min=0).float())


def test_a_case_without_a_weight_mask_weighs_one(tmp_path):
    cohort = volumes(tmp_path)
    cases = [
        replace(case, masks={**case.masks, "weight": case.masks["label"]}) if i else case
        for i, case in enumerate(cohort)
    ]
    (batch,) = loader(cohort.with_cases(cases), patch=(12, 12, 12), batch_size=4).epoch(0)
    assert (batch.masks["weight"][batch.keys.index("case-0")] == 1).all()


def test_sides_are_exchanged_in_the_batch(tmp_path):
    task = Structures(classes=("background", "left ball", "right ball"))
    cohort = volumes(tmp_path, ((20, 20, 20),))
    plain = loader(cohort, task, patch=(20, 20, 20), batch_size=1)
    turned = loader(
        cohort, task, augment=[{"flip": {"axes": ["left-right"], "chance": 1.0}}], patch=(20, 20, 20), batch_size=1
    )
    (before,), (after,) = plain.epoch(0), turned.epoch(0)
    assert torch.equal(after.images["t1"], before.images["t1"].flip(2))
    exchanged = before.targets["label"].flip(1)
    exchanged = torch.where(exchanged > 0, 3 - exchanged, exchanged)
    assert torch.equal(after.targets["label"], exchanged)


def test_a_transform_that_reads_pixels_sees_the_patch(tmp_path):
    class Sees:
        def draw(self, rng, sample):
            image, mask = sample.images["t1"].array, sample.masks["label"].array
            assert image.shape == mask.shape == (1, 9, 9, 9) and np.isfinite(image).all()
            inside = float(image[mask == 2].mean()) if (mask == 2).any() else 0.0
            return Intensity(lambda tensor: tensor - inside)

    made = loader(volumes(tmp_path), augment=[Sees()], patch=(9, 9, 9), foreground_share=1.0)
    for batch in made.epoch(0):
        for image, mask in zip(batch.images["t1"][:, 0], batch.targets["label"], strict=True):
            if (mask == 2).any():
                assert abs(image[mask == 2].mean().item()) < 1e-5


# ---------------------------------------------------------------- views, fields, hidden labels


def _pictures(folder: Path, without: tuple[str, ...] = ()) -> Cohort:
    """Two views of different sizes; case 1 lacks one of them."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    np.savez(folder / "all.npz", frontal=rng.normal(size=(4, 12, 10)), lateral=rng.normal(size=(4, 8, 8)))
    cases = []
    for number in range(4):
        views = {view: f"all.npz::{view}::{number}" for view in ("frontal", "lateral")}
        if number == 1:
            del views["lateral"]
        labels = {"finding": number % 2, "grade": 0.5 * number} if number != 2 else {}
        fields = {"age": 50 + number, "site": "north"} if number else {"age": 50}
        cases.append(Case(f"case-{number}", views, labels=labels, fields=fields))
    return Cohort(tuple(cases), folder)


def test_a_missing_view_is_absent_and_a_missing_label_unlabelled(tmp_path):
    made = loader(_pictures(tmp_path), Finding(), views=("frontal", "lateral"), batch_size=4)
    (batch,) = made.epoch(0)
    place = {key: i for i, key in enumerate(batch.keys)}
    assert batch.images["frontal"].shape == (4, 1, 10, 12) and batch.images["lateral"].shape == (4, 1, 8, 8)
    assert batch.present["frontal"].all()
    assert batch.present["lateral"].tolist() == [key != "case-1" for key in batch.keys]
    assert batch.targets["finding"].dtype == torch.int64
    assert batch.targets["finding"][place["case-2"]] == -1 and batch.targets["grade"][place["case-2"]].isnan().all()
    assert batch.targets["finding"][place["case-3"]] == 1
    assert batch.fields["age"][place["case-3"]] == 53
    assert batch.fields["site"][place["case-0"]] == "" and batch.fields["site"][place["case-1"]] == "north"
    assert made.index.targets["finding"].tolist() == [0, 1, -1, 1]
    assert made.index.fields["site"] == [None, "north", "north", "north"]


def test_a_view_nobody_in_the_batch_has_is_still_there(tmp_path):
    cohort = _pictures(tmp_path)
    made = loader(cohort, Finding(), views=("frontal", "lateral"), batch_size=1, training=False)
    batch = list(made.epoch(0))[1]
    assert not batch.present["lateral"].any() and batch.images["lateral"].shape == (1, 1, 8, 8)


def test_hidden_labels_are_nowhere(tmp_path):
    cohort = volumes(tmp_path)
    cases = tuple(replace(case, masks={**case.masks, "forbidden": case.masks["label"]}) for case in cohort)
    made = loader(
        cohort.with_cases(cases), patch=(9, 9, 9), batch_size=4, hide_labels=("case-1",), foreground_share=1.0
    )
    (batch,) = made.epoch(0)
    hidden = batch.keys.index("case-1")
    assert (batch.targets["label"][hidden] == -1).all()
    assert (batch.masks["forbidden"][hidden] == -1).all()
    assert (batch.targets["label"][hidden - 1] >= 0).any()
    assert made.index.stratum[made.index.case == 1].tolist() == [-1]  # where structures lie is a label too
    finding = loader(_pictures(tmp_path / "b"), Finding(), views=("frontal",), batch_size=4, hide_labels=("case-3",))
    (batch,) = finding.epoch(0)
    assert batch.targets["finding"][batch.keys.index("case-3")] == -1
    assert batch.targets["grade"][batch.keys.index("case-3")].isnan().all()
    assert finding.index.targets["finding"].tolist() == [0, 1, -1, -1]


# ---------------------------------------------------------------- without training


def test_without_training_images_are_whole_and_in_order(tmp_path):
    cohort = volumes(tmp_path, ((10, 11, 12), (10, 11, 12), (9, 9, 9), (10, 11, 12)))
    made = loader(cohort, augment=AUGMENT, patch=(8, 8, 8), batch_size=3, training=False)
    batches = list(made.epoch(0))
    assert [batch.keys for batch in batches] == [["case-0", "case-1"], ["case-2"], ["case-3"]]
    assert made.steps_per_epoch == 3
    for batch in batches:
        for key, image, mask in zip(batch.keys, batch.images["t1"], batch.targets["label"], strict=True):
            sample = made._examples._store.sample(key)
            assert torch.equal(image, torch.from_numpy(sample.images["t1"].array.copy()))
            assert torch.equal(mask, torch.from_numpy(sample.masks["label"].array[0].copy()))


def test_whole_images_of_different_shapes_make_no_batch(tmp_path):
    cohort = volumes(tmp_path, ((10, 11, 12), (9, 9, 9)))
    with pytest.raises(RecipeError, match="case-1"):
        loader(cohort, batch_size=2)
    assert [batch.images["t1"].shape[2:] for batch in loader(cohort, batch_size=1, training=False).epoch(0)] == [
        (10, 11, 12),
        (9, 9, 9),
    ]


# ---------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_keeps_its_fields_whoever_meets_it(tmp_path, workers):
    made = loader(volumes(tmp_path), augment=[_Refuses()], patch=(8, 8, 8), workers=workers)
    with pytest.raises(PrepareError) as met:
        list(made.epoch(0))
    assert met.value.problem.code == "side" and "Traceback" not in str(met.value)


class _Refuses:
    reads_pixels = False

    def draw(self, rng, sample):
        raise PrepareError("a side", where=f"case {sample.key}", code="side")


def test_patches_need_one_grid(tmp_path):
    with pytest.raises(RecipeError, match="grids"):
        loader(_pictures(tmp_path), Finding(), views=("frontal", "lateral"), patch=(6, 6))


def test_a_patch_has_as_many_axes_as_the_image(tmp_path):
    with pytest.raises(RecipeError, match="axes"):
        loader(volumes(tmp_path), patch=(6, 6))


def test_tasks_that_vary_get_the_example_last(tmp_path):
    class Twice(Finding):
        varies = True

        def __call__(self, images, targets, rng):
            return {"first": images["frontal"], "second": images["frontal"] + rng.random()}, {
                "pretext": torch.tensor(1)
            }

    made = loader(_pictures(tmp_path), Twice(), views=("frontal",), batch_size=4)
    (batch,) = made.epoch(0)
    assert set(batch.images) == {"first", "second"} and batch.present["second"].all()
    assert batch.targets["pretext"].tolist() == [1, 1, 1, 1]
    difference = (batch.images["second"] - batch.images["first"]).mean((1, 2, 3))
    assert len(set(difference.tolist())) == 4
