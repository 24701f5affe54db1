"""Known answers of images drawn from label maps: I7.2, and P2.4, a network that has seen nothing else."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from scipy import ndimage

from preceptor.core.cohort import Sample
from preceptor.core.image import Image
from preceptor.core.plugins import Decoded, Inputs
from preceptor.core.slots import build
from preceptor.intake.cohort import build_cohort
from preceptor.learn.predict import Window, predict
from preceptor.maths.axis_operators import blur
from preceptor.maths.label_synthesis import draw_appearance, painted, structures_of
from preceptor.prepare.loader import Loader
from preceptor.prepare.store import prepare
from preceptor.prepare.transforms.image_from_labels import ImageFromLabels
from preceptor.prepare.vary import vary
from preceptor.recipe.load import load_recipe

RECIPE = Path(__file__).parents[2] / "recipes" / "hippocampus_synthetic.yaml"
HIPPOCAMPUS = "hippocampus_msd_task04"


@pytest.fixture
def label(shared_data):
    """The label map of the first case: 0, anterior 1, posterior 2."""
    first = sorted((shared_data(HIPPOCAMPUS) / "labels").glob("*.nii.gz"))[0]
    return torch.from_numpy(np.asarray(nibabel.load(first).dataobj).astype(np.int16))


@pytest.mark.answer("I7.2")
def test_every_structure_is_drawn_from_its_own_distribution(label):
    rng = np.random.default_rng(0)
    index, first = structures_of(label, None)
    appearance = draw_appearance(rng, 3, (25, 225), (5, 25))
    np.testing.assert_allclose(appearance.mean, [152.392, 78.957, 33.195], atol=1e-3)
    image = painted(index, appearance, rng)
    assert first == 1 and torch.equal(index, label.long())
    for value in range(3):
        inside = image[label == value].double()
        mean, deviation = (float(each[value]) for each in appearance)
        assert abs(float(inside.mean()) - mean) <= 4 * deviation / len(inside) ** 0.5
        # A standard deviation estimated from n draws has a standard error of sigma / sqrt(2 n).
        assert abs(float(inside.std()) - deviation) <= 4 * deviation / (2 * len(inside)) ** 0.5


@pytest.mark.answer("I7.2")
def test_a_blur_leaves_the_means_inside_and_takes_the_grain(label):
    rng = np.random.default_rng(0)
    appearance = draw_appearance(rng, 3, (25, 225), (5, 25))
    sharp = painted(structures_of(label, None)[0], appearance, rng)
    image = blur(sharp[None], [0.7] * 3)[0]
    shares = []
    for value in range(3):
        padded = np.pad(label.numpy() == value, 2, constant_values=value == 0)
        inside = torch.from_numpy(ndimage.binary_erosion(padded, iterations=2)[2:-2, 2:-2, 2:-2])
        assert abs(float(image[inside].mean()) - float(appearance.mean[value])) <= 1.5
        shares.append(float(image[inside].std() / sharp[inside].std()))
    theory = (2 * np.pi**0.5 * 0.7) ** -1.5
    assert theory == pytest.approx(0.256, abs=1e-3)
    assert shares[0] == pytest.approx(theory, abs=0.02), "where there are enough voxels to tell"


@pytest.mark.answer("I7.2")
def test_the_scan_that_is_made_of_it_leaves_the_labels_alone(label):
    array = label.numpy()[None]
    sample = Sample(
        "a",
        {"t1": Image(np.full(array.shape, np.nan, np.float32), np.eye(4))},
        {"label": Image(array.astype(np.int8), np.eye(4), is_label=True)},
        mask_values={"label": {0: "background", 1: "anterior", 2: "posterior"}},
    )
    drawn = [ImageFromLabels(mean=[25, 225], deviation=[5, 25])]
    scanned = [
        build("transforms", each)
        for each in (
            "anisotropy", {"blur": {"sigma_mm": 1.2}}, {"bias_field": {"sigma": 0.3, "spacing_mm": 15, "zero": 0.0}},
            {"noise": {"sigma": 2.0}}, "gamma", "percentile",
        )
    ]  # fmt: skip
    for seed in range(3):
        made = vary(sample, [*drawn, *scanned], np.random.default_rng(seed), "label").sample
        np.testing.assert_array_equal(made.masks["label"].array, array)
        grey = made.reference.array
        assert np.isfinite(grey).all() and grey.min() == 0 and grey.max() == 1
    # What the bias field does by itself: a smooth factor, as wide as a field of exp(N(0, .3)) at control points is.
    flat = Image(np.ones((1, 40, 56, 40), np.float32), np.eye(4))
    fields = [scanned[2].draw(np.random.default_rng(seed), Sample("a", {"t1": flat})) for seed in range(10)]
    lows, highs = zip(*(each.function(torch.ones(1, 40, 56, 40)).aminmax() for each in fields), strict=True)
    assert 0.3 <= min(lows) <= 0.6 and 1.6 <= max(highs) <= 3.2


@pytest.mark.answer("I7.2")
def test_classes_that_are_alike_share_a_draw():
    alone = draw_appearance(np.random.default_rng(0), 5, (0, 1), (0.01, 0.1))
    alike = draw_appearance(np.random.default_rng(0), 5, (0, 1), (0.01, 0.1), [[3, 4]], 0.03)
    np.testing.assert_array_equal(alone.mean[:3], alike.mean[:3])
    assert abs(alike.mean[3:] - alone.mean[3]).max() <= 0.03 < abs(alone.mean[4] - alone.mean[3])
    assert alike.mean[3] != alike.mean[4] and alike.deviation[3] == alike.deviation[4] == alone.deviation[3]


# ---------------------------------------------------------------- P2.4: learnt from label maps alone


def two_millimetres(steps):
    """The recipe's steps with voxels of 2 mm: an eighth of the work."""
    coarse = {"resample": {"spacing_mm": [2, 2, 2]}}
    return [build("transforms", coarse if isinstance(each, dict) and "resample" in each else each) for each in steps]


@pytest.fixture
def hippocampus(shared_data, tmp_path):
    """Recipe, task, and a function that prepares some cases in the order of their names."""
    shared_data(HIPPOCAMPUS)
    recipe = load_recipe(RECIPE)
    task = build("tasks", recipe.task)
    whole = build_cohort(build("datasets", recipe.cohort, root=recipe.folder), recipe.study)
    ordered = sorted(whole, key=lambda case: case.key)

    def prepared(*ranges):
        cases = [case for chosen in ranges for case in ordered[chosen]]
        steps = two_millimetres(recipe.prepare)
        return prepare(whole.with_cases(cases), steps, task, tmp_path / "prepared", fit_on=()), cases

    return recipe, task, prepared


@pytest.mark.answer("P2.4")
def test_the_generator_receives_labels_and_clusters_only(hippocampus):
    recipe, _, prepared = hippocampus
    store, (case, *_) = prepared(slice(1))
    augment = [build("transforms", each) for each in recipe.augment]
    sample = store.sample(case.key)
    garbage = {
        view: image.with_array(np.random.default_rng(1).normal(1e3, 1e4, image.array.shape).astype(np.float32))
        for view, image in sample.images.items()
    }
    for seed in range(4):
        made = vary(sample, augment, np.random.default_rng(seed), "label").sample
        same = vary(replace(sample, images=garbage), augment, np.random.default_rng(seed), "label").sample
        np.testing.assert_array_equal(made.reference.array, same.reference.array)
        np.testing.assert_array_equal(made.masks["label"].array, same.masks["label"].array)
        assert abs(np.corrcoef(made.reference.array.ravel(), sample.reference.array.ravel())[0, 1]) < 0.95
    # And the clusters are the scan's own: the one thing that is taken from it.
    for name, number in (("three", 3), ("five", 5)):
        clusters = sample.masks[name].array
        assert set(np.unique(clusters)) == set(range(1, number + 1))
        means = [sample.reference.array[clusters == value].mean() for value in range(1, number + 1)]
        assert means == sorted(means)


def displaced(array, by):
    """An array moved by whole voxels, 0 where nothing comes from."""
    moved = np.zeros_like(array)
    here = tuple(slice(max(step, 0), size + min(step, 0)) for step, size in zip(by, array.shape, strict=True))
    there = tuple(slice(max(-step, 0), size + min(-step, 0)) for step, size in zip(by, array.shape, strict=True))
    moved[here] = array[there]
    return moved


def overlap(one, other):
    return 2 * (one & other).sum() / (one.sum() + other.sum())


@pytest.mark.slow
@pytest.mark.answer("P2.4")
def test_a_network_that_has_seen_drawn_images_alone_finds_the_structures_in_real_ones(hippocampus):
    """The experiment of benchmarks/label_synthesis.py in an eighth of the voxels and of the steps.

    Every image of this set is cut out around its hippocampus, so that a map of where it lies on average has a Dice of .7
    without looking. The real images are therefore moved by 6 mm along every axis, which leaves that map .08: what is
    found then is found in the image. So few steps find the hippocampus (.50 and .55 in two trials), and hardly where
    its one part ends and the other begins: that is left to the benchmark.
    """
    recipe, task, prepared = hippocampus
    store, cases = prepared(slice(40), slice(130, 142))
    trained, tested = cases[:40], cases[40:]
    (view,), patch, steps = cases[0].images, (20, 28, 20), 300
    inputs = Inputs((view,), 1, 3, patch)
    torch.manual_seed(0)
    network = build("networks", {"unet": {"channels": [8, 16, 32]}}, inputs=inputs, width=3)
    wider = {"affine": {"degrees": 15, "scale": 0.15, "shift_mm": 10}}
    augment = [build("transforms", wider if "affine" in each else each) for each in recipe.augment]
    loader = Loader(store, trained, task, views=(view,), batch_size=2, seed=0, augment=augment, patch=patch)
    losses = [build("objectives", each) for each in recipe.objective]
    optimizer = torch.optim.Adam(network.parameters(), 5e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=steps, pct_start=0.1)
    batches = itertools.islice((batch for epoch in itertools.count() for batch in loader.epoch(epoch)), steps)
    for batch in batches:
        answer = network(batch.images[view])
        optimizer.zero_grad()
        sum(loss.loss(answer, batch.targets["label"]).mean() for loss in losses).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    found, rng = [], np.random.default_rng(0)
    for case in tested:
        by = rng.choice([-3, 3], 3)
        sample = store.sample(case.key)
        image, truth = sample.images[view], displaced(sample.masks["label"].array[0], by)
        moved = replace(sample, images={view: image.with_array(displaced(image.array[0], by)[None])})
        answer = predict(
            [network], moved, inputs=inputs, question=task.question,
            decode=lambda output: Decoded(output.softmax(1)), window=Window(patch),
        ).label  # fmt: skip
        found.append(overlap(answer > 0, truth > 0))
    assert np.mean(found) >= 0.4, found
