"""Material that plug-ins are tried on: questions, samples, cohorts, predictions, evidence, small and of any kind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas

from preceptor.core.cohort import Case, Cohort, Sample
from preceptor.core.evidence import Evidence, Finding, Predictions, Question
from preceptor.core.image import Image

QUESTIONS = {
    "two classes": Question("classification", "finding", ("absent", "present")),
    "three classes": Question("classification", "finding", ("normal", "bacterial", "viral")),
    "labels": Question("multilabel", "findings", ("effusion", "nodule", "mass"), exclusive=False),
    "structures": Question(
        "segmentation", "label", ("background", "anterior", "posterior"), dense=True, values=(0, 1, 2)
    ),
    "quantity": Question("regression", "age", ("age",), exclusive=False, unit="years"),
}


def sample(dims: int = 3, seed: int = 0, key: str = "case-a") -> Sample:
    """A case with one image in Hounsfield-like numbers and a label map, oblique to nothing, 1 x 1 x 1.5 mm."""
    rng = np.random.default_rng(seed)
    shape = (12, 14, 10)[:dims]
    affine = np.diag([1.0, 1.0, 1.5, 1.0])
    label = np.zeros((1, *shape), np.uint8)
    label[(0, *(slice(3, 8),) * dims)] = 1
    label[(0, slice(8, 11), *(slice(3, 8),) * (dims - 1))] = 2
    image = rng.normal(30, 20, (1, *shape)).astype(np.float32) + 60 * (label > 0)
    return Sample(
        key,
        {"image": Image(image, affine, meta={"modality": "CT"})},
        {"label": Image(label, affine, is_label=True)},
        labels={"finding": "present", "age": 61.0},
        fields={"site": "A", "sex": "F"},
        mask_values={"label": {1: "anterior", 2: "posterior"}},
    )


def cohort(root: Path = Path("unused"), cases: int = 24) -> Cohort:
    """Patients with two cases each, of two sites, in every role."""
    roles = ("train", "train", "tune", "calibrate", "test", "test")
    made = []
    for number in range(cases):
        patient = number // 2
        made.append(
            Case(
                f"case-{number:02d}",
                {"image": f"case-{number:02d}.npy"},
                f"patient-{patient:02d}",
                masks={"label": f"case-{number:02d}-label.npy"},
                labels={"finding": ("absent", "present")[patient % 2], "age": 40.0 + number},
                fields={"site": ("A", "B")[patient % 2], "sex": ("F", "M")[patient // 2 % 2], "age": 40.0 + number},
                role=roles[patient % len(roles)],
            )
        )
    return Cohort(tuple(made), root)


def predictions(question: Question, folder: Path, cases: int = 24) -> Predictions:
    """Answers that are mostly right, of patients with two cases each; maps are written for dense questions."""
    rng = np.random.default_rng(4)
    rows, voxels = [], []
    for number in range(cases):
        patient = f"patient-{number // 2:02d}"
        row = {
            "key": f"case-{number:02d}",
            "patient": patient,
            "cluster": patient,
            "role": "test",
            "fit": "0",
            "output": "answer",
            "truth": None,
            "answer": None,
            "uncertainty": float(rng.uniform(0, 0.5)),
            "accepted": number != 3,
            "reasons": "" if number != 3 else "too dark",
            "field:site": "AB"[number // 3 % 2],  # not the class in disguise
            "field:sex": "FM"[number // 2 % 2],
        }
        rows.append(row | _answer(question, number, rng, folder))
        if question.dense:
            voxels.append(_voxels(question, row["key"], rng))
    table = pandas.DataFrame(rows)
    promised = np.random.default_rng(5)
    if question.dense:
        table["part:dice_at_least"] = promised.uniform(0.4, 0.9, cases)
        table["part:predicted_dice"] = np.random.default_rng(6).uniform(0.4, 0.9, cases)
    elif question.is_regression:
        table["part:lower"], table["part:upper"] = table["answer"] - 4.0, table["answer"] + 4.0
    else:
        for name in question.classes:
            table[f"part:in_set_{name}"] = (table[f"probability_{name}"] >= 0.15).astype(float)
    stored = pandas.concat(voxels, ignore_index=True) if voxels else None
    features = rng.normal(0, 1, (cases, 1, 4)).astype(np.float32)
    outputs = None if question.dense else rng.normal(0, 1, (cases, 1, len(question.classes))).astype(np.float32)
    return Predictions(table, question, folder, stored, features, outputs)


def _answer(question: Question, number: int, rng: np.random.Generator, folder: Path) -> dict:
    if question.dense:
        return _maps(number, folder)
    if question.is_regression:
        truth = 40.0 + number
        return {"truth": truth, "answer": truth + float(rng.normal(0, 3))}
    count = len(question.classes)
    if question.exclusive:
        truth = number % count
        scores = rng.normal(0, 1, count) + 2.0 * np.eye(count)[truth]
        probability = np.exp(scores) / np.exp(scores).sum()
        said = {"truth": question.classes[truth], "answer": question.classes[int(probability.argmax())]}
    else:
        there = rng.random(count) < 0.5
        probability = np.clip(0.5 + 0.3 * (2 * there - 1) + rng.normal(0, 0.2, count), 0.01, 0.99)
        truths = {name: int(each) for name, each in zip(question.classes, there, strict=True)}
        if number % 5 == 0:
            truths[question.classes[0]] = None
        answers = {name: int(p >= 0.5) for name, p in zip(question.classes, probability, strict=True)}
        said = {"truth": json.dumps(truths), "answer": json.dumps(answers)}
    return said | {f"probability_{name}": float(p) for name, p in zip(question.classes, probability, strict=True)}


def _maps(number: int, folder: Path) -> dict:
    import nibabel

    folder.mkdir(parents=True, exist_ok=True)
    truth = sample(seed=number).masks["label"].array[0]
    answer = np.roll(truth, number % 3, axis=0)
    for name, array in (("truth", truth), ("answer", answer)):
        path = folder / f"{number}-{name}.nii.gz"
        if not path.exists():
            nibabel.save(nibabel.Nifti1Image(array, np.diag([1.0, 1.0, 1.5, 1.0])), path)
    return {"truth_path": str(folder / f"{number}-truth.nii.gz"), "answer": f"{number}-answer.nii.gz", "hash": "0"}


def _voxels(question: Question, key: str, rng: np.random.Generator) -> pandas.DataFrame:
    truth = rng.integers(0, len(question.classes), 40)
    scores = rng.normal(0, 1, (40, len(question.classes))) + 2 * np.eye(len(question.classes))[truth]
    probability = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    columns = {f"probability_{name}": probability[:, at] for at, name in enumerate(question.classes)}
    return pandas.DataFrame({"key": key, "truth": truth, **columns})


def evidence(value: float = 0.9, interval: tuple[float, float] | None = (0.86, 0.93)) -> Evidence:
    """Findings by the names that gates ask for in their examples."""
    names = ("dice", "calibration", "roc", "surface_distance")
    part = Finding("part", value, "A part.", interval, cases=24, clusters=12)
    return Evidence(
        {
            name: Finding(name, value, "Made up.", interval, cases=24, clusters=12, parts={"part": part})
            for name in names
        }
    )


def stained(seed: int = 0, key: str = "case-a") -> Sample:
    """A section in haematoxylin and eosin with glass around it, red, green and blue in 0..255."""
    rng = np.random.default_rng(seed)
    dyes = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11]])
    amount = rng.dirichlet([0.4, 0.4], (32, 40)) * rng.uniform(0.5, 1.5, (32, 40, 1))
    amount[:8] = 0
    rgb = np.moveaxis(240 * np.exp(-amount @ dyes), -1, 0).astype(np.uint8)
    label = np.zeros((1, 32, 40), np.uint8)
    label[0, 12:20, 10:20] = 1
    meta = {"geometry": "unknown"}
    return Sample(
        key, {"image": Image(rgb, np.eye(4), meta=meta)}, {"label": Image(label, np.eye(4), is_label=True, meta=meta)}
    )


def clip(seed: int = 0, key: str = "case-a") -> Sample:
    """Twelve frames at 20 a second of something that moves in a sector; outside it nothing changes."""
    rng = np.random.default_rng(seed)
    x, y = np.indices((48, 40)) - np.array([24, -6])[:, None, None]
    sector = (np.hypot(x, y) < 42) & (np.abs(np.arctan2(x, y)) < 0.7) & (np.hypot(x, y) > 8)
    frames = np.where(sector, rng.uniform(20, 200, (1, 12, 48, 40)), 0).astype(np.uint8)
    label = np.zeros((1, 48, 40), np.uint8)
    label[0, 20:28, 10:20] = 1
    meta = {"geometry": "unknown", "frame_times_s": [number / 20 for number in range(12)]}
    return Sample(
        key,
        {"image": Image(frames, np.eye(4), has_time=True, meta=meta)},
        {"label": Image(label, np.eye(4), is_label=True, meta={"geometry": "unknown"})},
    )


def samples(count: int = 6, dims: int = 3) -> Iterator[Sample]:
    """Several cases, each of its own."""
    return (sample(dims, seed, f"case-{seed:02d}") for seed in range(count))
