"""Known answers of images drawn from label maps: I7.2, and P2.4, a network that has seen nothing else."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
import torch
from scipy import ndimage

from preceptor.core.cohort import Sample
from preceptor.core.image import Image
from preceptor.core.slots import build
from preceptor.maths.axis_operators import blur
from preceptor.maths.label_synthesis import draw_appearance, painted, structures_of
from preceptor.prepare.transforms.image_from_labels import ImageFromLabels
from preceptor.prepare.vary import vary

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
