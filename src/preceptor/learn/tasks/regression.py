"""Regression: how much of something?"""

from __future__ import annotations

import numpy as np

from preceptor.core.cohort import Case, Sample
from preceptor.core.evidence import Question
from preceptor.learn.labels import label_number


class Regression:
    """One number per case: an age, a volume, an ejection fraction.

    Args:
        label: Name of the label column.
        unit: Its unit, for reports ("years", "ml").

    The target is ``(1,)`` float32, NaN where unlabelled.

    Raises:
        CohortError: A label is no number.

    Source: the task itself.

    Example:
        >>> Regression(label="age", unit="years").encode(Case("a", {}, labels={"age": 63}))["age"].tolist()
        [63.0]
    """

    mask = None
    varies = False

    def __init__(self, label: str, unit: str = "") -> None:
        self.label = label
        self.unit = unit
        self.question = Question("regression", label, (label,), exclusive=False, unit=unit)

    @classmethod
    def example(cls) -> Regression:
        return cls(label="age", unit="years")

    def encode(self, case: Case | Sample) -> dict[str, np.ndarray]:
        return {self.label: np.array([label_number(case, self.label)], dtype=np.float32)}

    def encode_mask(self, array: np.ndarray) -> np.ndarray:
        raise TypeError("regression has no dense truth")

    decode_mask = encode_mask

    def __call__(self, images, targets, rng):
        return images, targets
