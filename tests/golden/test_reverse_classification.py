"""Known answer L15.1: reverse classification accuracy on phantoms, five ways of damage, the forest alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from preceptor.core.image import Image
from preceptor.maths.roc import auroc
from preceptor.prove.damage import WAYS, damage
from preceptor.prove.reverse_classification import Reference, best_and_mean, evidence
from preceptor.prove.reverse_forest import ReverseForest

SIDE = 48


def phantom(rng):
    """A rotated ellipse of intensity 1 with a disk of .6 beside it, blurred and noisy; the ellipse is the truth."""
    x, y = np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij")
    cx, cy = SIDE / 2 + rng.uniform(-4, 4, 2)
    a, b, turn = *rng.uniform(8, 13, 2), rng.uniform(0, np.pi)
    along = (x - cx) * np.cos(turn) + (y - cy) * np.sin(turn)
    across = -(x - cx) * np.sin(turn) + (y - cy) * np.cos(turn)
    truth = (along / a) ** 2 + (across / b) ** 2 <= 1
    where = rng.uniform(0, 2 * np.pi)
    disk = (x - cx - 17 * np.cos(where)) ** 2 + (y - cy - 17 * np.sin(where)) ** 2 <= 16
    picture = ndimage.gaussian_filter(np.where(truth, 1.0, np.where(disk, 0.6, 0.0)), 1) + rng.normal(0, 0.2, x.shape)
    return picture.astype(np.float32), truth.astype(np.int8)


def damaged(truth, way, rng):
    strength = {
        "dilate": rng.integers(1, 7),
        "erode": rng.integers(1, 7),
        "shift": rng.uniform(0, 12),
        "cut": 0.5,
        "blotch": rng.uniform(0, 0.5),
    }[way]
    return damage(truth, way, float(strength), rng)


def dice(a, b):
    return 2 * (a & b).sum() / max(a.sum() + b.sum(), 1)


def foretold(pictures, wrong, references, seed):
    """The best Dice of the reverse classifier over the references, for each wrong segmentation."""
    out = []
    for picture, label in zip(pictures, wrong, strict=True):
        if not label.any():
            out.append(0.0)
            continue
        pupil = ReverseForest.fit(Image(picture[None], np.eye(4)), label, 2, seed, placed=False)
        answers = [pupil(Image(other[None], np.eye(4))) for other, _ in references]
        out.append(max(dice(a > 0, truth > 0) for a, (_, truth) in zip(answers, references, strict=True)))
    return np.array(out)


@pytest.mark.answer("L15.1")
def test_an_empty_segmentation_is_foretold_nothing():
    rng = np.random.default_rng(1)
    (picture, truth), (other, other_truth) = phantom(rng), phantom(rng)
    reference = Reference(Image(other[None], np.eye(4)), other_truth)
    image = Image(picture[None], np.eye(4))
    assert (evidence(image, np.zeros_like(truth), [reference], [None], 2) == 0).all()


@pytest.mark.answer("L15.1")
def test_the_best_reference_counts_and_not_the_mean():
    """One reference on which the segmentation does well suffices: the paper takes the maximum."""
    best, mean = best_and_mean([np.array([0.2, np.nan]), np.array([0.9, 0.4]), np.array([0.1, np.nan])])
    assert best.tolist() == [0.9, 0.4]
    assert mean == pytest.approx([0.4, 0.4])


@pytest.mark.answer("L15.1")
@pytest.mark.slow
def test_the_reverse_classifier_foretells_the_dice():
    """Gate: r >= .75, mean absolute error <= .13, AUROC of Dice < .7 >= .85."""
    rng = np.random.default_rng(0)
    references = [phantom(rng) for _ in range(8)]
    cases = [phantom(rng) for _ in range(80)]
    wrong = [damaged(truth, WAYS[at % 5], rng) for at, (_, truth) in enumerate(cases)]
    real = np.array([dice(label > 0, truth > 0) for label, (_, truth) in zip(wrong, cases, strict=True)])
    told = foretold([picture for picture, _ in cases], wrong, references, 0)
    assert np.corrcoef(told, real)[0, 1] >= 0.75
    assert np.abs(told - real).mean() <= 0.13
    assert auroc((real < 0.7).astype(float), -told) >= 0.85
