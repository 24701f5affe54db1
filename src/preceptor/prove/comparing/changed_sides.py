"""Two models of equal measures need not agree: how many patients get another answer from the other one?"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np

from preceptor.core.errors import CohortError
from preceptor.core.evidence import Finding, Predictions
from preceptor.maths.intervals import wilson
from preceptor.prove.measuring import Measuring


def changed_sides(first: Predictions, second: Predictions, *, level: float = 0.95) -> Finding:
    """How many patients get another answer from the second model: as a rule more than the measures would let expect.

    Args:
        first, second: Paired, as `paired` gives them; classes or labels.
        level: Of the interval.

    Returns:
        The share of patients of whom any answer differs, with the parts ``to_right`` and ``to_wrong``: patients of whom
        the second has a case right that the first has wrong, and the other way round.
    """
    measuring = Measuring.of(first, 100, level, 0)
    one, two = (_answers(each) for each in (first, second))
    truth = np.array([_truth(each) for each in first.table["truth"]], dtype=object)
    differs = np.array([a != b for a, b in zip(one, two, strict=True)])
    known = np.array([each is not None for each in truth])
    right = [np.array([_agrees(said, true) for said, true in zip(side, truth, strict=True)]) for side in (one, two)]
    unit = measuring.unit
    told = {
        "to_right": (known & differs & right[1] & ~right[0], "a case that only the second has right", known),
        "to_wrong": (known & differs & right[0] & ~right[1], "a case that only the first has right", known),
    }
    parts = {
        part: _share_of_patients(f"changed_sides.{part}", f"{unit}s with {words}, over all", rows, among, measuring)
        for part, (rows, words, among) in told.items()
        if among.any()
    }
    whole = _share_of_patients(
        "changed_sides",
        f"{unit}s of whom any answer differs between the two models, over all",
        differs,
        np.ones(len(differs), dtype=bool),
        measuring,
    )
    number = round(whole.value * whole.clusters)
    note = f"{number} of {whole.clusters} {unit}s get another answer from the other model"
    cases = dict(zip(first.table["key"].astype(str), differs.astype(float).tolist(), strict=True))
    return replace(whole, parts=parts, notes=(note,), per_case=cases)


def _answers(predictions: Predictions) -> list[Any]:
    if predictions.question.exclusive:
        return predictions.table["answer"].tolist()
    return [json.loads(text) for text in predictions.table["answer"]]


def _truth(value: Any) -> Any:
    if not isinstance(value, str):
        return None
    if not value.startswith("{"):
        return value
    labelled = {name: each for name, each in json.loads(value).items() if each is not None}
    return labelled or None


def _agrees(said: Any, true: Any) -> bool:
    """Right in all that is labelled."""
    if true is None:
        return False
    return all(said.get(name) == each for name, each in true.items()) if isinstance(true, dict) else said == true


def _share_of_patients(
    name: str, definition: str, rows: np.ndarray, among: np.ndarray, measuring: Measuring
) -> Finding:
    if not among.any():
        raise CohortError("no case has a truth", code="no_truth")
    having, whole = measuring.clusters(rows), measuring.clusters(among)
    interval = wilson(having, whole, measuring.level)
    return Finding(
        name,
        having / whole,
        definition,
        (interval.lower, interval.upper),
        measuring.level,
        f"Wilson interval of {whole} {measuring.unit}s",
        int(among.sum()),
        whole,
        higher_is_better=None,
        notes=(f"{having} of {whole} {measuring.unit}s",),
    )
