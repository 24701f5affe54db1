"""Made images are accepted where a judge finds their labels: a generator that keeps them, and others that do not."""

from __future__ import annotations

import json

import nibabel
import numpy as np
import pandas
import pytest

from preceptor.core.errors import CohortError, RecipeError
from preceptor.core.evidence import Predictions, Question
from preceptor.prove.label_keeping import keeps_labels

CLASSES = ("normal", "mild", "severe")
QUESTION = Question("classification", "finding", CLASSES)


def picture(rng, grade):
    """An image whose brightness grows with the grade."""
    return rng.normal(10 + 6 * grade, 1.5, (8, 8)).mean() + rng.normal(0, 1.2)


def judge(image):
    """What was learnt from real images: the nearest of three mean brightnesses."""
    return int(np.abs(image - np.array([10, 16, 22])).argmin())


def answers(generator, number, seed, name, question=QUESTION):
    """The judge's answers for images made of labels."""
    rng = np.random.default_rng(seed)
    grades = np.arange(number) % 3
    said = [judge(picture(rng, generator(grade, rng))) for grade in grades]
    keys = [f"{name}-{each}" for each in range(number)]
    table = pandas.DataFrame(
        {"key": keys, "cluster": keys, "role": "test", "fit": "0", "output": "answer"}
        | {"truth": [CLASSES[grade] for grade in grades], "answer": [CLASSES[each] for each in said]}
    )
    for at, each in enumerate(CLASSES):
        table[f"probability_{each}"] = [float(at == index) for index in said]
    return Predictions(table, question, folder=None)


def faithful(grade, rng):
    return grade


def swapping(grade, rng):
    return {0: 0, 1: 2, 2: 1}[grade]


REAL = answers(faithful, 600, 0, "real")


def test_a_generator_that_keeps_labels_is_accepted():
    found = keeps_labels(answers(faithful, 900, 1, "made"), REAL)
    assert found.verdict.passed, found.verdict.sentence
    assert [each.name for each in found.classes] == list(CLASSES)
    assert "labels are kept" in found.verdict.sentence and "share found" in found.verdict.sentence
    assert all(each.made.cases == 300 and each.difference.lower > -0.05 for each in found.classes)


def test_a_generator_that_swaps_labels_is_refused_with_the_classes():
    found = keeps_labels(answers(swapping, 900, 1, "made"), REAL)
    assert not found.verdict.passed
    lost = {each.name for each in found.classes if each.reason}
    assert lost == {"mild", "severe"} and "normal" not in found.verdict.sentence
    assert all(each.reason.endswith("lost") for each in found.classes if each.name in lost)


def test_one_class_that_is_lost_is_not_averaged_away():
    """A generator that has forgotten the rare thing: eight of ten made images are right all the same."""
    found = keeps_labels(answers(lambda grade, rng: min(grade, 1), 900, 1, "made"), REAL)
    assert [each.name for each in found.classes if each.reason] == ["severe"] and not found.verdict.passed


def test_a_share_of_wrong_labels_is_seen():
    def careless(grade, rng):
        return grade if rng.random() < 0.85 else (grade + 1) % 3

    assert not keeps_labels(answers(careless, 900, 1, "made"), REAL).verdict.passed
    assert keeps_labels(answers(careless, 900, 1, "made"), REAL, margin=0.3).verdict.passed


def test_few_images_prove_nothing():
    found = keeps_labels(answers(faithful, 12, 1, "made"), answers(faithful, 9, 2, "real"))
    assert not found.verdict.passed and "too few images to rule out" in found.verdict.sentence


def test_a_judge_that_does_not_know_real_images_is_none():
    real = answers(lambda grade, rng: int(rng.integers(3)), 120, 0, "real")
    found = keeps_labels(answers(faithful, 900, 1, "made"), real)
    assert not found.verdict.passed and "0.6 is asked of it" in found.verdict.sentence


def test_a_class_that_is_made_and_never_seen_for_real():
    real = answers(faithful, 600, 0, "real")
    real = real.where(real.table["truth"] != "severe")
    found = keeps_labels(answers(faithful, 900, 1, "made"), real)
    assert not found.verdict.passed and "severe: no held-out real image shows it" in found.verdict.sentence
    # Nor does a class matter that nobody made.
    made = answers(faithful, 900, 1, "made")
    assert keeps_labels(made.where(made.table["truth"] != "severe"), real).verdict.passed


def test_findings_that_do_not_exclude_each_other_are_judged_with_and_without():
    question = Question("multilabel", "findings", ("nodule",), exclusive=False)

    def table(seed, name, wrong):
        rng = np.random.default_rng(seed)
        there = np.arange(200) % 2
        shown = np.where((rng.random(200) < wrong) & (there == 0), 1, there)  # a generator that adds nodules
        frame = pandas.DataFrame({"key": [f"{name}{i}" for i in range(200)]})
        frame["cluster"] = frame["key"]
        frame["truth"] = [json.dumps({"nodule": int(each)}) for each in there]
        frame["probability_nodule"] = np.clip(shown + rng.normal(0, 0.1, 200), 0, 1)
        return Predictions(frame, question, folder=None)

    real = table(0, "r", 0)
    assert keeps_labels(table(1, "m", 0), real).verdict.passed
    found = keeps_labels(table(1, "m", 0.5), real)
    assert [each.name for each in found.classes if each.reason] == ["no nodule"]


def test_structures_are_judged_by_their_dice(tmp_path):
    question = Question("segmentation", "label", ("background", "a", "b"), dense=True, values=(0, 1, 2))

    def stored(name, swap, number=12):
        rows = []
        for at in range(number):
            rng = np.random.default_rng(at)
            truth = np.zeros((16, 16, 8), np.uint8)
            truth[2:8, 2:12], truth[8:14, 2:12] = 1, 2
            answer = np.roll(truth, int(rng.integers(2)), axis=1)
            if swap:  # what was made shows b where its label says a
                answer = np.choose(answer, [0, 2, 1]).astype(np.uint8)
            for what, array in (("truth", truth), ("answer", answer)):
                nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), tmp_path / f"{name}{at}-{what}.nii.gz")
            key = f"{name}{at}"
            rows.append(
                {"key": key, "cluster": key, "truth_path": f"{key}-truth.nii.gz", "answer": f"{key}-answer.nii.gz"}
            )
        return Predictions(pandas.DataFrame(rows), question, tmp_path)

    real = stored("real", swap=False)
    kept, swapped = (keeps_labels(stored(name, swap=name == "swapped"), real) for name in ("kept", "swapped"))
    assert kept.verdict.passed and not swapped.verdict.passed
    assert [each.measure for each in kept.classes] == ["Dice", "Dice"]
    assert max(each.made.value for each in swapped.classes) < 0.05


def test_what_can_t_be_compared_is_refused():
    made = answers(faithful, 30, 1, "made")
    with pytest.raises(CohortError, match="held-out patients have made images"):
        keeps_labels(made, made)
    with pytest.raises(CohortError, match="different questions"):
        keeps_labels(answers(faithful, 30, 1, "made", Question("classification", "other", CLASSES)), REAL)
    age = Question("regression", "age", ("age",), exclusive=False)
    with pytest.raises(RecipeError, match="class by class"):
        keeps_labels(answers(faithful, 30, 1, "made", age), answers(faithful, 30, 1, "real", age))
