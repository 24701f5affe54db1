"""Makes stored predictions by hand, for tests of what is measured from them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas

from preceptor.core.cohort import Cohort
from preceptor.core.evidence import Predictions, Question

BINARY = Question("classification", "finding", ("absent", "present"))
NOBODY = Cohort((), Path())


def _frame(cases: int, patients: Sequence[Any] | None, **columns: Any) -> pandas.DataFrame:
    keys = [f"case-{index}" for index in range(cases)]
    known = [None if patients is None else str(patients[index]) for index in range(cases)]
    cluster = keys if patients is None else known
    start = {"key": keys, "patient": known, "cluster": cluster, "role": "test", "fit": "0", "accepted": True}
    return pandas.DataFrame(start | columns)


def binary(truth, probability, patients=None, **columns: Any) -> Predictions:
    """Two classes that exclude each other; a truth of -1 is unlabelled."""
    names = [None if each < 0 else BINARY.classes[each] for each in truth]
    answers = [BINARY.classes[int(each >= 0.5)] for each in probability]
    probability = np.asarray(probability, dtype=float)
    columns = {"truth": names, "answer": answers, "probability_absent": 1 - probability} | columns
    return Predictions(_frame(len(names), patients, probability_present=probability, **columns), BINARY, Path())


def classes(truth, probability, patients=None) -> Predictions:
    """Several classes ``a, b, c …`` that exclude each other."""
    probability = np.asarray(probability, dtype=float)
    names = tuple("abcdefgh"[: probability.shape[1]])
    columns = {f"probability_{name}": probability[:, at] for at, name in enumerate(names)}
    columns |= {"truth": [names[each] for each in truth], "answer": [names[each] for each in probability.argmax(1)]}
    return Predictions(_frame(len(probability), patients, **columns), Question("classification", "kind", names), Path())


def labels(truth, probability, patients=None) -> Predictions:
    """Independent labels ``a, b, c …``; NaN in the truth is unlabelled."""
    truth, probability = np.asarray(truth, dtype=float), np.asarray(probability, dtype=float)
    names = tuple("abcdefgh"[: probability.shape[1]])
    told = [{n: None if np.isnan(v) else int(v) for n, v in zip(names, row, strict=True)} for row in truth]
    said = [{n: int(v >= 0.5) for n, v in zip(names, row, strict=True)} for row in probability]
    columns = {f"probability_{name}": probability[:, at] for at, name in enumerate(names)}
    columns |= {"truth": list(map(json.dumps, told)), "answer": list(map(json.dumps, said))}
    question = Question("multilabel", "findings", names, exclusive=False)
    return Predictions(_frame(len(probability), patients, **columns), question, Path())


def numbers(truth, answer, patients=None) -> Predictions:
    """A regressed quantity in years."""
    question = Question("regression", "age", ("age",), unit="years")
    columns = {"truth": np.asarray(truth, dtype=float), "answer": np.asarray(answer, dtype=float)}
    return Predictions(_frame(len(columns["truth"]), patients, **columns), question, Path())


def maps(
    folder: Path,
    pairs: Sequence[tuple[np.ndarray | None, np.ndarray]],
    *,
    affine_mm: np.ndarray | None = None,
    answer_affine_mm: np.ndarray | None = None,
    patients=None,
    values: tuple[int, ...] = (0, 1, 2),
) -> Predictions:
    """Label maps of ``anterior`` and ``posterior`` as NIfTI; a truth of None is a case without one."""
    affine_mm = np.eye(4) if affine_mm is None else affine_mm
    answer_affine_mm = affine_mm if answer_affine_mm is None else answer_affine_mm
    truths, answers = [], []
    for index, (truth, answer) in enumerate(pairs):
        truths.append(None if truth is None else f"truth-{index}.nii.gz")
        answers.append(f"answer-{index}.nii.gz")
        if truth is not None:
            nibabel.save(nibabel.Nifti1Image(truth.astype(np.uint8), affine_mm), folder / truths[-1])
        nibabel.save(nibabel.Nifti1Image(answer.astype(np.uint8), answer_affine_mm), folder / answers[-1])
    table = _frame(len(pairs), patients, truth_path=truths, answer=answers)
    question = Question("segmentation", "label", ("background", "anterior", "posterior"), dense=True, values=values)
    return Predictions(table, question, folder)
