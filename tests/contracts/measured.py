"""Stored predictions of tasks whose truth is no class: times, counts, places, objects, images."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pandas

from preceptor.core.evidence import Predictions, Question

from . import material

MEASURED = {
    "time": Question("survival", "death", ("death",), exclusive=False, unit="months"),
    "count": Question("counting", "nuclei", ("nuclei",), exclusive=False, unit="nuclei"),
    "places": Question("localisation", "nodules", ("nodule", "mass"), exclusive=False, unit="mm"),
    "objects": Question("instances", "nuclei", ("nuclei",), exclusive=False, dense=True),
    "image": Question("translation", "mr", ("mr",), exclusive=False, dense=True),
}

QUESTIONS = material.QUESTIONS | MEASURED


def predictions(question: Question, folder: Path, cases: int = 24) -> Predictions:
    """Answers that are mostly right, of patients with two cases each, for any question."""
    if question not in MEASURED.values():
        return material.predictions(question, folder, cases)
    folder.mkdir(parents=True, exist_ok=True)
    rng, rows = np.random.default_rng(11), []
    for number in range(cases):
        patient = f"patient-{number // 2:02d}"
        row = {"key": f"case-{number:02d}", "patient": patient, "cluster": patient, "role": "test", "fit": "0"}
        row |= {"output": "answer", "truth": None, "answer": None, "uncertainty": 0.1, "accepted": True, "reasons": ""}
        row |= {"field:site": "AB"[number // 3 % 2], "field:sex": "FM"[number // 2 % 2]}
        rows.append(row | _ANSWERS[question.task](number, rng, folder))
    return Predictions(pandas.DataFrame(rows), question, folder)


def without_truth(given: Predictions) -> Predictions:
    """The same predictions where nobody knows the truth."""
    nothing = {"truth_time": float("nan"), "truth_event": float("nan"), "truth_path": None, "truth_lesion": None}
    nothing |= {"truth": float("nan") if given.question.is_number else None}
    columns = {name: value for name, value in nothing.items() if name in given.table}
    return Predictions(given.table.assign(**columns), given.question, given.folder)


def _time(number: int, rng: np.random.Generator, folder: Path) -> dict:
    score = float(rng.normal())
    whole, left = rng.exponential(20 * np.exp(-1.5 * score)), rng.uniform(10, 60)
    times = (6, 12, 24)
    curves = {f"survival_{time}": float(np.exp(-time / 20 * np.exp(1.5 * score))) for time in times}
    return {"truth_time": min(whole, left), "truth_event": float(whole <= left), "answer": score} | curves


def _count(number: int, rng: np.random.Generator, folder: Path) -> dict:
    truth = float(rng.integers(5, 60))
    return {"truth": truth, "answer": float(max(0, truth + np.round(rng.normal(1, 4))))}


def _places(number: int, rng: np.random.Generator, folder: Path) -> dict:
    truth, answer = [], []
    for at in range(number % 3):
        low = np.array([30.0 * at, 20.0, 10.0])
        label = ("nodule", "mass")[(number + at) % 2]
        truth.append({"box": [*low, *(low + 10)], "label": label})
        if rng.random() < 0.8:
            moved = low + rng.normal(0, 0.7, 3)
            answer.append({"box": [*moved, *(moved + 10)], "label": label, "score": float(rng.uniform(0.4, 1))})
    if number % 4 == 1:
        answer.append({"box": [150, 150, 150, 160, 160, 160], "label": "nodule", "score": float(rng.uniform(0, 0.7))})
    return {"truth": json.dumps(truth), "answer": json.dumps(answer)}


def _objects(number: int, rng: np.random.Generator, folder: Path) -> dict:
    truth = np.zeros((32, 32), np.uint8)
    for at in range(3 + number % 2):
        truth[2 + 8 * at : 7 + 8 * at, 4:10] = at + 1
    answer = np.roll(truth, number % 2 + 1, axis=1)
    if number % 3 == 0:
        answer[answer == 1] = 0
    return _maps(number, folder, truth, answer)


def _image(number: int, rng: np.random.Generator, folder: Path) -> dict:
    truth = rng.normal(100, 20, (24, 24)).astype(np.float32)
    answer = truth + rng.normal(0, 5 + number % 4, truth.shape).astype(np.float32)
    region = np.zeros((24, 24), np.uint8)
    region[8:16, 8:16] = 1
    nibabel.save(nibabel.Nifti1Image(region[..., None], np.eye(4)), folder / f"{number}-region.nii.gz")
    seen = int(number % 4 < 2)
    lesions = {"truth_lesion": seen, "answer_lesion": seen if number % 7 else 1 - seen}
    return _maps(number, folder, truth, answer) | {"region_path": f"{number}-region.nii.gz"} | lesions


def _maps(number: int, folder: Path, truth: np.ndarray, answer: np.ndarray) -> dict:
    for name, array in (("truth", truth), ("answer", answer)):
        nibabel.save(nibabel.Nifti1Image(array[..., None], np.eye(4)), folder / f"{number}-{name}.nii.gz")
    return {"truth_path": f"{number}-truth.nii.gz", "answer": f"{number}-answer.nii.gz", "hash": "0"}


_ANSWERS = {
    "survival": _time,
    "counting": _count,
    "localisation": _places,
    "instances": _objects,
    "translation": _image,
}
