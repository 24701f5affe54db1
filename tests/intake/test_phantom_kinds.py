"""The kinds of phantoms: what the table says is what the pixels show, and a dial turns one thing."""

from __future__ import annotations

import json

import numpy as np
import pytest

from preceptor.core.drawn import Turn
from preceptor.core.errors import RecipeError
from preceptor.intake.phantoms.cells import Cells
from preceptor.intake.phantoms.contrasts import Contrasts
from preceptor.intake.phantoms.indissociable import Indissociable
from preceptor.intake.phantoms.lesions import Lesions
from preceptor.intake.phantoms.shepp_logan import SheppLogan
from preceptor.intake.phantoms.stained_cells import StainedCells
from preceptor.intake.phantoms.trivial import Trivial
from preceptor.maths.phantom_partial_volume import lesion_share
from preceptor.maths.phantoms import Lesion


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 1.0), (0.7, 2.0, 5.0), (4.0, 4.0, 4.0)])
@pytest.mark.parametrize("radii_mm", [(6.0, 5.0, 7.0), (1.2, 0.9, 1.5), (0.1, 0.1, 0.1)])
def test_a_lesion_fills_its_exact_volume_however_coarse_the_voxels(spacing_mm, radii_mm):
    lesion = Lesion((1.3, -2.2, 0.4), radii_mm)
    size = [int(40 / step) for step in spacing_mm]
    share = lesion_share(lesion, size, spacing_mm)
    assert share.min() >= 0 and share.max() <= 1 + 1e-12
    assert share.sum() * np.prod(spacing_mm) == pytest.approx(lesion.size, rel=1e-12)
    places = [(np.arange(n) - (n - 1) / 2) * step for n, step in zip(size, spacing_mm, strict=True)]
    for axis, each in enumerate(places):
        along = share.sum(axis=tuple(other for other in range(3) if other != axis))
        middle = (along * each).sum() / along.sum()
        coarse = radii_mm[axis] < 2 * spacing_mm[axis]  # a voxel tells no place inside itself
        assert middle == pytest.approx(lesion.centre_mm[axis], abs=(0.51 if coarse else 0.06) * spacing_mm[axis])


def test_shares_are_those_of_a_finer_sampling():
    lesion, spacing_mm = Lesion((0.4, -0.3), (5.0, 3.0)), (1.0, 1.5)
    share = lesion_share(lesion, (16, 12), spacing_mm)
    fine = [(np.arange(n * 64) + 0.5) / 64 - n / 2 for n in (16, 12)]
    inside = ((fine[0] - 0.4) / 5)[:, None] ** 2 + ((1.5 * fine[1] + 0.3) / 3)[None] ** 2 <= 1
    assert np.abs(share - inside.reshape(16, 64, 12, 64).mean(axis=(1, 3))).max() < 0.02


def test_a_lesion_that_leaves_the_picture_keeps_what_is_inside():
    share = lesion_share(Lesion((8.0, 0.0), (4.0, 4.0)), (16, 16), (1.0, 1.0))
    assert share.sum() == pytest.approx(8 * np.pi, rel=0.01)
    assert not lesion_share(Lesion((30.0, 0.0), (4.0, 4.0)), (16, 16), (1.0, 1.0)).any()


def test_volumes_can_be_read_from_the_grey_values():
    kind = Lesions(size=[40, 36, 20], spacing_mm=[2.0, 2.0, 4.0], noise=0.0, contrast=0.25)
    empty = Lesions(size=[40, 36, 20], spacing_mm=[2.0, 2.0, 4.0], noise=0.0, contrast=1e-9)
    counts = set()
    for index in range(8):
        turn = Turn(5, index, 8)
        drawn, without = kind.draw(turn), empty.draw(turn)
        raised = drawn.images["image"].array.astype(float) - without.images["image"].array
        assert raised.sum() / 0.25 * 16 == pytest.approx(drawn.labels["volume_mm3"], rel=1e-4, abs=1e-6)
        counted = 16 * drawn.masks["lesion"].array.sum()
        assert counted == pytest.approx(drawn.labels["volume_mm3"], rel=0.35, abs=1)
        assert len(json.loads(drawn.fields["lesions"])) == drawn.labels["count"]
        counts.add(drawn.labels["count"])
    assert counts == {0, 1, 2, 3}


def test_colour_tells_at_one_site_and_lies_at_the_other():
    drawn = [StainedCells(size=[32, 32], number=5).draw(Turn(1, index, 40)) for index in range(40)]
    blue = np.array([case.images["image"].array[2].mean() - case.images["image"].array[0].mean() for case in drawn])
    violet = blue > np.median(blue)
    ill = np.array([case.labels["label"] == "ill" for case in drawn])
    at_b = np.array([case.fields["site"] == "B" for case in drawn])
    assert ill[at_b].mean() == ill[~at_b].mean() == 0.5
    assert (violet == (np.array([case.fields["colour"] for case in drawn]) == "violet")).mean() > 0.9
    assert (violet == ill)[~at_b].mean() > 0.9 and (violet == ill)[at_b].mean() < 0.1
    assert all(case.fields["radius_pixels"] == (5.4 if sick else 4.0) for case, sick in zip(drawn, ill, strict=True))


def test_the_colour_dial_is_what_it_says_and_leaves_the_cells_alone():
    honest, half = (StainedCells(size=[32, 32], number=5, told_at_b=told) for told in (1.0, 0.5))
    turns = [Turn(1, index, 200) for index in range(200)]
    drawn = [half.draw(turn) for turn in turns]
    agree = [(c.fields["colour"] == "violet") == (c.labels["label"] == "ill") for c in drawn if c.fields["site"] == "B"]
    assert np.mean(agree) == pytest.approx(0.5, abs=0.15)
    for turn, one in zip(turns[:20], drawn, strict=False):
        other = honest.draw(turn)
        assert other.labels == one.labels
        same = np.array_equal(one.images["image"].array, other.images["image"].array)
        assert same == (one.fields["colour"] == other.fields["colour"])


def test_the_second_scanner_changes_one_contrast():
    turns = [Turn(2, index, 12) for index in range(12)]
    none, much = ([Contrasts(size=[32, 32, 8], change=change).draw(turn) for turn in turns] for change in (0.0, 1.0))
    for before, after in zip(none, much, strict=True):
        assert np.array_equal(before.images["t1"].array, after.images["t1"].array)
        moved = np.abs(before.images["t2"].array - after.images["t2"].array).mean()
        assert (moved > 0.01) == (after.fields["scanner"] == "B") and before.labels == after.labels
        lesion = after.masks["lesion"].array > 0
        assert lesion.any() == (after.labels["label"] == "present")
    dealt = [(case.fields["scanner"], case.labels["label"]) for case in much]
    assert all(dealt.count(each) == 3 for each in set(dealt)) and len(set(dealt)) == 4


def test_trivial_answers_stand_in_the_pixels():
    several, unstriped = (
        Trivial(task="multilabel", classes=["a", "b", "c"], size=[48, 48], noise=0.0, percent=each)
        for each in (60.0, 1e-9)
    )
    number, hardly = (Trivial(task="regression", size=[48, 48], noise=0.0, percent=each) for each in (60.0, 1e-9))
    plain = [Trivial(task="segmentation", size=[48, 48], labels={"x": 3, "y": 7}).draw(Turn(0, k, 6)) for k in range(3)]
    for index in range(6):
        turn = Turn(0, index, 6)
        drawn = several.draw(turn)
        bright = drawn.images["image"].array[0]
        plain_bright = unstriped.draw(turn).images["image"].array[0]
        for band, name in enumerate("abc"):
            part = bright[16 * band : 16 * band + 16]
            kept = part.sum() / plain_bright[16 * band : 16 * band + 16].sum()
            assert kept == pytest.approx(0.7 if drawn.labels[name] else 1.0, abs=0.08), (name, kept)
        drawn = number.draw(turn)
        left, whole = (each.draw(turn).images["image"].array[0, :24].sum() for each in (number, hardly))
        assert left / whole == pytest.approx(1 - 0.6 * drawn.labels["label"] / 0.96, abs=0.02)
    assert all(set(np.unique(case.masks["label"].array)) == {0, 3, 7} for case in plain)


def test_indissociable_cases_differ_by_noise_alone():
    drawn = [Indissociable(size=[24, 24], noise=0.5).draw(Turn(0, index, 200)) for index in range(200)]
    images = np.stack([case.images["image"].array[0] for case in drawn])
    labels = np.array([case.labels["label"] == "present" for case in drawn])
    assert labels.mean() == 0.5
    apart = images[labels].mean(axis=0) - images[~labels].mean(axis=0)
    assert apart.std() == pytest.approx(0.5 * np.sqrt(2 / 100), rel=0.1)
    assert images.mean(axis=0).std() > 0.1, "the one image is there"
    masks = [
        Indissociable(task="segmentation", size=[24, 24]).draw(Turn(0, k, 3)).masks["label"].array for k in range(3)
    ]
    assert not np.array_equal(masks[0], masks[1])


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(RecipeError, match="find no room"):
        Cells(size=[32, 32], number=(40, 40)).draw(Turn(0, 0, 1))
    with pytest.raises(RecipeError, match="not square"):
        SheppLogan(size=[32, 40])
