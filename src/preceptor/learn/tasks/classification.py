"""Classification: which one of several classes is it?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from preceptor.core.cohort import Case, Sample
from preceptor.core.evidence import Question


class Classification:
    """One answer per case out of classes that exclude each other.

    Args:
        classes: Class names in the order of the answer's channels, or ``{class: [values in the label column that mean
            it]}``; the value ``"*"`` stands for every labelled value that no other class names. The last class is the
            one that curves and thresholds call positive where there are two.
        label: Name of the label in the cohort.

    A case whose label is missing, or stands in none of the lists, is unlabelled: target -1.

    Source: the task itself; targets are class indices as in `torch.nn.functional.cross_entropy`.

    Example:
        >>> task = Classification(classes={"other": ["*"], "COVID-19": ["COVID-19"]}, label="finding")
        >>> int(task.encode(Case("a", {}, labels={"finding": "ARDS"}))["finding"])
        0
    """

    mask = None
    varies = False

    def __init__(self, classes: list[str] | dict[str, list[Any]], label: str = "label") -> None:
        self.classes = classes
        self.label = label
        meanings: Mapping[str, list[Any]] = (
            classes if isinstance(classes, Mapping) else {name: [name, index] for index, name in enumerate(classes)}
        )
        self._meaning = {_text(value): index for index, values in enumerate(meanings.values()) for value in values}
        self.question = Question("classification", label, tuple(meanings))

    @classmethod
    def example(cls) -> Classification:
        return cls(classes=["absent", "present"])

    def encode(self, case: Case | Sample) -> dict[str, np.ndarray]:
        value = case.labels.get(self.label)
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return {self.label: np.array(-1, np.int64)}
        return {self.label: np.array(self._meaning.get(_text(value), self._meaning.get("*", -1)), np.int64)}

    def encode_mask(self, array: np.ndarray) -> np.ndarray:
        raise TypeError("classification has no dense truth")

    decode_mask = encode_mask

    def __call__(self, images, targets, rng):
        return images, targets


def _text(value: Any) -> str:
    """A label as text: tables turn 1 into 1.0 as soon as one label is missing."""
    return str(int(value)) if isinstance(value, (float, np.floating)) and float(value).is_integer() else str(value)
