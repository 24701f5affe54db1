"""Models that ask for no skill: the commonest answer, a forest on simple features, the mean position, a plain CNN.

Each is fitted on the training cases alone and answers a prepared case as a trained model does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core.cohort import Case, Cohort, Sample
from preceptor.core.evidence import Question
from preceptor.core.plugins import Prediction, Task
from preceptor.prove.comparing.simple_features import simple_features

#: Answers a prepared case; the generator draws the voxels that are kept with all probabilities.
Answer = Callable[[Sample, np.random.Generator | None], Prediction]

#: Training cases that a forest or an atlas looks at: more change little and cost reading.
_MOST_CASES = 3000
#: Longest side of an atlas.
_ATLAS_SIDE = 64
_VOXELS_KEPT = 4096


def training_cases(cohort: Cohort, seed: int, most: int = _MOST_CASES) -> tuple[Case, ...]:
    """The training cases, or so many of them by lot."""
    cases = cohort.with_role("train")
    if len(cases) <= most:
        return cases
    drawn = np.sort(np.random.default_rng(seed).choice(len(cases), most, replace=False))
    return tuple(cases[at] for at in drawn)


def targets(cases: Sequence[Case], task: Task) -> np.ndarray:
    """``(case, class)`` 0, 1 and NaN where unlabelled; ``(case, 1)`` numbers of a regression."""
    question = task.question
    encoded = [np.asarray(task.encode(case)[question.target]) for case in cases]
    if not question.exclusive or question.is_number:
        return np.array([np.atleast_1d(each) for each in encoded], dtype=np.float64)
    index = np.array(encoded, dtype=np.int64)
    return np.where((index >= 0)[:, None], np.eye(len(question.classes))[np.maximum(index, 0)], np.nan)


def most_common(cohort: Cohort, task: Task) -> Answer:
    """Says of every case what holds of the training cases on average, without looking at it.

    Args:
        cohort: With the role train.
        task: What is asked.
    """
    found = targets(cohort.with_role("train"), task)
    known = ~np.isnan(found)
    share = np.where(known, found, 0).sum(0) / np.maximum(known.sum(0), 1)
    return lambda sample, voxels: _whole(sample, task.question, share)


def forest(cohort: Cohort, store: Any, task: Task, seed: int, asked: Sequence[Case]) -> Answer:
    """A random forest on brightness, histogram and thumbnail of the prepared image.

    Args:
        cohort: With the role train.
        store: Its prepared cases.
        task: What is asked.
        seed: Of the forest.
        asked: The cases it will be asked about: they are answered at once, which is far faster than one by one.

    Source: Breiman 2001.
    """
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    question, cases = task.question, training_cases(cohort, seed)
    like = store.sample(cases[0].key).reference
    looks = (cohort.views, like.channels, like.space_dims)
    features, seen = (
        np.stack([simple_features(store.sample(case.key), *looks) for case in group]) for group in (cases, asked)
    )
    found = targets(cases, task)
    said = np.zeros((len(asked), len(question.classes)))
    settings = {"n_estimators": 200, "min_samples_leaf": 2, "random_state": seed, "n_jobs": 1}
    if question.is_number:
        known = ~np.isnan(found[:, 0])
        said[:, 0] = RandomForestRegressor(**settings).fit(features[known], found[known, 0]).predict(seen)
    elif question.exclusive:
        known = ~np.isnan(found).any(1)
        trees = RandomForestClassifier(**settings).fit(features[known], found[known].argmax(1))
        said[:, trees.classes_] = trees.predict_proba(seen)
    else:
        for at in range(found.shape[1]):
            known = ~np.isnan(found[:, at])
            labels = found[known, at].astype(int)
            if len(np.unique(labels)) < 2:  # always, or never, there: that needs no forest
                said[:, at] = labels.mean() if len(labels) else 0.0
            else:
                said[:, at] = RandomForestClassifier(**settings).fit(features[known], labels).predict_proba(seen)[:, 1]
    answers = {case.key: row for case, row in zip(asked, said, strict=True)}
    return lambda sample, voxels: _whole(sample, question, answers[sample.key])


def mean_position(cohort: Cohort, store: Any, task: Task, seed: int) -> Answer:
    """Each structure where it lay in the training cases, by the position in the prepared image, without looking at it.

    Args:
        cohort: With the role train.
        store: Its prepared cases.
        task: A segmentation.
        seed: Of the lot, where there are very many training cases.
    """
    from scipy.ndimage import zoom

    cases, classes = training_cases(cohort, seed), len(task.question.classes)
    shapes = np.array([store.sample(case.key).reference.shape for case in cases])
    grid = tuple(int(min(side, _ATLAS_SIDE)) for side in np.median(shapes, axis=0))
    votes, labelled = np.zeros((classes, *grid), np.float32), np.zeros(grid, np.float32)
    for case in cases:
        masks = store.sample(case.key).masks
        if task.mask not in masks:
            continue
        label = masks[task.mask].array[0]
        at = [
            np.minimum(((np.arange(n) + 0.5) / n * size).astype(int), size - 1)
            for n, size in zip(grid, label.shape, strict=True)
        ]
        seen = np.asarray(label[np.ix_(*at)])
        labelled += seen >= 0
        for index in range(classes):
            votes[index] += seen == index
    atlas = votes / np.maximum(labelled, 1)
    atlas[0][labelled == 0] = 1.0

    def answer(sample: Sample, voxels: np.random.Generator | None) -> Prediction:
        shape = sample.reference.shape
        factors = [size / n for size, n in zip(shape, grid, strict=True)]
        near = np.stack([zoom(each, factors, order=1, mode="nearest", grid_mode=True) for each in atlas])
        return _dense(sample, task.question, np.clip(near, 0, 1), voxels)

    return answer


#: A plain network of some 40,000 weights in 3D where there is an answer per voxel.
_SMALL_UNET = {"unet": {"channels": [8, 16, 32], "convolutions": 1}}


def plain_cnn(
    recipe: Any, cohort: Cohort, shop: Any, *, seconds: float, most_epochs: int = 20, cases: int = 2000
) -> tuple[Answer, str]:
    """A plain network with the recipe's own objective, without methods and augmentation, for a limited time.

    It is the network `cnn` with its defaults, and a small `unet` where there is an answer per voxel. No epoch is chosen
    by tune cases: the last weights answer.

    Args:
        recipe: Of the run.
        cohort: With its roles.
        shop: The run's workshop; the training writes below its ``baselines/``.
        seconds: After which it learns from no further batch, in the middle of an epoch if need be. One batch is always
            learnt from.
        most_epochs: At most.
        cases: Training cases, by lot where there are more.

    Returns:
        The answer, and in words what it was trained on and for how long at most.
    """
    from preceptor.learn.fit import Training
    from preceptor.learn.model import Model

    kept = {case.key for case in training_cases(cohort, recipe.seed, cases)}
    cohort = cohort.with_cases(case for case in cohort if case.key in kept)
    network = _SMALL_UNET if shop.task.question.dense else {"cnn": {}}
    plain = replace(
        recipe, network=network, methods=(), augment=(), strategy={"once": {}},
        train=replace(recipe.train, epochs=most_epochs),
    )  # fmt: skip
    shop = replace(shop, folder=Path(shop.folder) / "baselines" / "cnn", networks={})
    deadline = time.monotonic() + seconds

    class Limited(Training):
        """An epoch ends when the time is over."""

        batches = 0

        def _batches(self) -> Iterator[Any]:
            for batch in super()._batches():
                self.batches += 1
                yield batch
                if time.monotonic() >= deadline:
                    return

    training = Limited(plain, cohort, shop, shop.folder / "fits" / "0", (0,), None)
    try:
        training.resume()
        while training.epoch < most_epochs and (training.epoch == 0 or time.monotonic() < deadline):
            training.run_epoch()
        training.finish()
    finally:
        training.taps.remove()
    weights = shop.folder / "fits" / "0" / "best"
    model = Model.load(plain, shop.task.question, training.inputs, [weights], device=shop.fabric.device)
    told = f"{training.batches} batches of {plain.train.batch_size} from {len(kept)} cases, {seconds:g} s at most"
    return (lambda sample, voxels: model(sample, voxels=voxels)), told


def _whole(sample: Sample, question: Question, probability: np.ndarray) -> Prediction:
    return Prediction(
        sample.key, question, np.asarray(probability, dtype=np.float64), affine_mm=sample.reference.affine_mm
    )


def _dense(
    sample: Sample, question: Question, probability: np.ndarray, voxels: np.random.Generator | None
) -> Prediction:
    """An answer per voxel from ``(class, *space)`` probabilities, in eight bits as a model gives it."""
    label, top = probability.argmax(0).astype(np.uint8), probability.max(0)
    prediction = Prediction(sample.key, question, label=label, affine_mm=sample.reference.affine_mm)
    prediction.top_probability = np.round(255 * top).astype(np.uint8)
    prediction.doubt = np.round(255 * (1 - top)).astype(np.uint8)
    found = label > 0
    prediction.uncertainty = float((1 - top)[found].mean() if found.any() else (1 - top).mean())
    if voxels is not None:
        number = min(_VOXELS_KEPT, label.size)
        index = np.sort(voxels.choice(label.size, number, replace=False))
        flat = probability.reshape(len(probability), -1)[:, index]
        prediction.voxel_sample = {"index": index, "probability": flat.T.astype(np.float32)}
    return prediction


def _nearest(number: int, size: int) -> np.ndarray:
    """The voxel of `size` along an axis in which the middle of each of `number` equal parts lies."""
    return np.minimum(((np.arange(number) + 0.5) / number * size).astype(int), size - 1)
