"""Images drawn from label maps: from nothing else, in the place of the labels, and anew each time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError, RecipeError
from preceptor.core.evidence import Question
from preceptor.core.image import Image
from preceptor.core.slots import build
from preceptor.prepare.loader import Loader
from preceptor.prepare.prepared import write_prepared
from preceptor.prepare.store import prepare
from preceptor.prepare.transforms.clusters import Clusters
from preceptor.prepare.transforms.image_from_labels import ImageFromLabels
from preceptor.prepare.vary import vary

from .cases import Structures, volumes

PREPARE = ["percentile", {"clusters": {"number": 3, "name": "three"}}, {"clusters": {"number": 5, "name": "five"}}]
DRAWN = {"image_from_labels": {"background": ["three", "five"], "alike": [["small", "large"]]}}
SCANNED = ["anisotropy", "blur", {"bias_field": {"spacing_mm": 10}}, "gamma", "noise", "percentile"]
MOVED = [{"affine": {"degrees": 20}}, {"elastic": {"spacing_mm": 8, "sigma_mm": 1}}]


def transforms(given):
    return [build("transforms", each) for each in given]


def store_of(tmp_path, cohort):
    return prepare(cohort, transforms(PREPARE), Structures(), tmp_path / "prepared", fit_on=())


def batches(store, cohort, augment, **settings):
    made = Loader(
        store, cohort.cases, Structures(), views=("t1",), batch_size=2, seed=3, patch=(20, 24, 18),
        augment=transforms(augment), **settings,
    )  # fmt: skip
    return [batch for epoch in (0, 1) for batch in made.epoch(epoch)]


# ---------------------------------------------------------------- clusters


def test_clusters_are_those_of_k_means():
    from sklearn.cluster import KMeans

    rng = np.random.default_rng(0)
    grey = np.concatenate([rng.normal(middle, 3, 4000) for middle in (10, 40, 55, 90)]).reshape(1, 20, 40, 20)
    mask = Clusters(4).draw(None, Sample("a", {"t1": Image(grey, np.eye(4))})).masks["structures"]
    middles = np.sort(KMeans(4, n_init=1, init=[[0], [30], [60], [99]]).fit(grey.reshape(-1, 1)).cluster_centers_[:, 0])
    ours = [grey[mask.array == value].mean() for value in range(1, 5)]
    np.testing.assert_allclose(ours, middles, atol=0.8)
    assert mask.is_label and mask.array.dtype == np.uint8


def test_a_few_bright_voxels_are_no_cluster():
    grey = np.random.default_rng(1).uniform(0, 1, (1, 30, 30, 30))
    grey[0, 0, 0, :5] = 1e6
    mask = Clusters(3).draw(None, Sample("a", {"t1": Image(grey, np.eye(4))})).masks["structures"].array
    assert np.bincount(mask.ravel(), minlength=4)[1:].min() > 5000


def test_a_blank_image_is_one_cluster_and_nan_is_refused():
    blank = Image(np.full((1, 4, 4, 4), 7.0), np.eye(4))
    assert (Clusters(3).draw(None, Sample("a", {"t1": blank})).masks["structures"].array == 1).all()
    with pytest.raises(PrepareError, match="NaN in it"):
        Clusters(3).draw(None, Sample("a", {"t1": blank.with_array(blank.array * np.nan)}))


# ---------------------------------------------------------------- what the generator is given


def test_no_grey_value_of_a_scan_reaches_training(tmp_path):
    """After the clusters are found the scans are made NaN on the disk: every batch stays what it was, to the bit."""
    cohort = volumes(tmp_path / "data")
    store = store_of(tmp_path, cohort)
    augment = [*MOVED, DRAWN, *SCANNED]
    before = batches(store, cohort, augment)
    for case in cohort:
        kept = store.sample(case.key)
        unseen = {view: image.with_array(np.full_like(image.array, np.nan)) for view, image in kept.images.items()}
        masks = {name: mask.with_array(mask.array.copy()) for name, mask in kept.masks.items()}
        write_prepared(store.folder / store._files[case.key], replace(kept, images=unseen, masks=masks), "label")
    store.close()
    assert np.isnan(store.sample(cohort.cases[0].key).reference.array).all()
    after = batches(store, cohort, augment)
    for one, other in zip(before, after, strict=True):
        assert torch.isfinite(one.images["t1"]).all()
        assert torch.equal(one.images["t1"], other.images["t1"])
        assert torch.equal(one.targets["label"], other.targets["label"])
    without = batches(store, cohort, [*MOVED, *SCANNED])
    assert any(torch.isnan(batch.images["t1"]).any() for batch in without), "NaN would have been seen"


def test_labels_move_with_the_image_that_is_drawn_from_them(tmp_path):
    """Without grain every structure has one grey value, at exactly the voxels that training calls by its name."""
    cohort = volumes(tmp_path / "data")
    plain = {"image_from_labels": {"background": ["five"], "deviation": [0, 0]}}
    for batch in batches(store_of(tmp_path, cohort), cohort, [*MOVED, plain]):
        for image, label in zip(batch.images["t1"][:, 0], batch.targets["label"], strict=True):
            for value in (1, 2):
                inside = image[label == value]
                assert len(inside.unique()) == 1 and inside[0] not in image[(label != value) & (label != -1)]


def test_the_truth_is_what_it_is_without_drawing(tmp_path):
    cohort = volumes(tmp_path / "data")
    store = store_of(tmp_path, cohort)
    for drawn, real in zip(batches(store, cohort, [*MOVED, DRAWN]), batches(store, cohort, MOVED), strict=True):
        assert torch.equal(drawn.targets["label"], real.targets["label"])
        assert not torch.equal(drawn.images["t1"], real.images["t1"])


def test_every_step_draws_anew_and_any_number_of_workers_the_same(tmp_path):
    cohort = volumes(tmp_path / "data")
    store = store_of(tmp_path, cohort)
    here = batches(store, cohort, [DRAWN])
    first, second = here[0].images["t1"], here[2].images["t1"]  # the next epoch
    assert here[0].keys != here[2].keys or not torch.allclose(first, second)
    for one, other in zip(here, batches(store, cohort, [DRAWN], workers=1), strict=True):
        assert one.keys == other.keys and torch.equal(one.images["t1"], other.images["t1"])


def test_cases_whose_labels_are_hidden_keep_their_image(tmp_path):
    cohort = volumes(tmp_path / "data")
    store = store_of(tmp_path, cohort)
    hidden = {case.key for case in cohort.cases[:2]}
    drawn, real = (batches(store, cohort, augment, hide_labels=tuple(hidden)) for augment in ([DRAWN], []))
    for one, other in zip(drawn, real, strict=True):
        assert one.keys == other.keys
        for key, made, seen, label in zip(
            one.keys, one.images["t1"], other.images["t1"], one.targets["label"], strict=True
        ):
            assert torch.equal(made, seen) == (key in hidden)
            assert (label == -1).all() == (key in hidden)


# ---------------------------------------------------------------- what is drawn


def drawn(transform, label, seed=0, **masks):
    sample = Sample("a", {}, mask_values={"label": {0: "background", 1: "anterior", 2: "posterior"}})
    applied = transform.draw(np.random.default_rng(seed), sample)
    given = {name: torch.from_numpy(array) for name, array in {"label": label, **masks}.items()}
    return applied.on("t1", torch.zeros(2, *label.shape[1:]), given)


def test_classes_that_are_alike_share_one_draw_and_others_do_not():
    label = np.repeat(np.arange(3, dtype=np.int8), 10)[None, None]
    transform = ImageFromLabels(alike=[["anterior", "posterior"]], deviation=[0, 0], apart=0.03)
    steps = np.array([drawn(transform, label, seed)[:, 0, ::10].numpy() for seed in range(200)])
    apart = abs(steps[..., 2] - steps[..., 1])
    assert 0 < apart.max() <= 0.06 and abs(steps[..., 1] - steps[..., 0]).mean() > 0.2
    assert steps.min() >= -0.03 and steps.max() <= 1.03
    assert not np.allclose(steps[:, 0], steps[:, 1]), "channels are drawn independently"


def test_a_background_divides_and_labels_lie_on_top():
    label = np.array([[[0, 0, 0, 1, 2, -1]]], np.int8)
    parts = np.array([[[1, 1, 2, 2, 2, 0]]], np.uint8)
    image = drawn(ImageFromLabels(background=["five"], deviation=[0, 0]), label, five=parts)[0, 0]
    assert image[0] == image[1] and len(image[1:].unique()) == 5


def test_what_can_t_be_drawn_from_is_refused():
    label = np.zeros((1, 2, 2), np.int8)
    with pytest.raises(PrepareError, match="no mask 'five'") as caught:
        drawn(ImageFromLabels(background=["five"]), label)
    assert "clusters" in caught.value.problem.remedy
    with pytest.raises(PrepareError, match="no class 'hilus'"):
        drawn(ImageFromLabels(alike=[["hilus"]]), label)
    with pytest.raises(PrepareError, match="no label map"):
        ImageFromLabels().draw(np.random.default_rng(0), Sample("a", {}))
    for wrong in ({"mean": [1, 0]}, {"deviation": [-1, 0]}, {"alike": [["a"], ["a"]]}, {"alike": [[]]}):
        with pytest.raises(RecipeError, match="can't be drawn from"):
            ImageFromLabels(**wrong)


def test_a_task_must_have_a_label_map_and_the_classes():
    structures = Question("segmentation", "label", ("background", "a", "b"), dense=True, values=(0, 1, 2))
    assert ImageFromLabels(alike=[["a", "b"]]).suits(structures)
    assert not ImageFromLabels(alike=[["a", "c"]]).suits(structures)
    assert not ImageFromLabels().suits(Question("classification", "finding", ("no", "yes")))


def test_a_whole_case_is_drawn_as_a_patch_is(tmp_path):
    cohort = volumes(tmp_path / "data")
    sample = store_of(tmp_path, cohort).sample(cohort.cases[0].key)
    varied = vary(sample, transforms([DRAWN]), np.random.default_rng(0), "label")
    assert varied.drawn[0].parameters["background"] in ("three", "five")
    np.testing.assert_array_equal(varied.sample.masks["label"].array, sample.masks["label"].array)
    again = vary(sample, transforms([DRAWN]), np.random.default_rng(0), "label").sample
    other = vary(sample, transforms([DRAWN]), np.random.default_rng(1), "label").sample
    assert np.array_equal(varied.sample.reference.array, again.reference.array)
    assert not np.allclose(varied.sample.reference.array, other.reference.array, atol=0.05)


# ---------------------------------------------------------------- structures that hide


def drawn_of(seed, **settings):
    """A cube of `small` beside one of `large`, in a background of two halves: the mean grey value of each of the four."""
    truth, halves = np.zeros((1, 12, 12, 12), np.int8), np.ones((1, 12, 12, 12), np.uint8)
    truth[0, 2:5, 2:10, 2:10], truth[0, 7:10, 2:10, 2:10] = 1, 2
    halves[0, 6:] = 2
    masks = {"label": torch.from_numpy(truth), "halves": torch.from_numpy(halves)}
    sample = Sample("a", {}, mask_values={"label": {0: "background", 1: "small", 2: "large"}})
    step = ImageFromLabels(background=["halves"], deviation=[0.0, 0.0], **settings)
    made = step.draw(np.random.default_rng(seed), sample).function(torch.zeros(1, 12, 12, 12), masks)[0]
    return [float(made[each].mean()) for each in ((3, 5, 5), (8, 5, 5), (0, 0, 0), (11, 0, 0))]


def test_what_hides_looks_like_a_part_of_the_background():
    taken = set()
    for seed in range(40):
        small, large, *background = drawn_of(seed, alike=[["small", "large"]], apart=0.01, hidden=1.0)
        nearest = min((0, 1), key=lambda part: abs(background[part] - small))
        assert abs(small - background[nearest]) <= 0.01 and abs(large - background[nearest]) <= 0.01
        taken.add(nearest)
    assert taken == {0, 1}, "either part, in its turn"
    apart = [drawn_of(seed, apart=0.0, hidden=1.0) for seed in range(40)]
    assert all({small, large} <= set(background) for small, large, *background in apart)
    assert any(small != large for small, large, *_ in apart), "classes of no group hide each for itself"


def test_it_hides_as_often_as_asked_and_never_unasked():
    shares = {
        chance: np.mean([drawn_of(seed, apart=0.0, hidden=chance)[0] in drawn_of(seed, apart=0.0, hidden=chance)[2:]
                         for seed in range(200)])
        for chance in (0.0, 0.5)
    }  # fmt: skip
    assert shares[0.0] == 0 and abs(shares[0.5] - 0.5) < 0.12
    assert drawn_of(3) == drawn_of(3, hidden=0.0)
