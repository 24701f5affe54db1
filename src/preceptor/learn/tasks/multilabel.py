"""Multi-label: which of several findings are there?"""

from __future__ import annotations

import numpy as np

from preceptor.core.cohort import Case, Sample
from preceptor.core.evidence import Question
from preceptor.learn.labels import label_number


class Multilabel:
    """Several findings per case, none of which excludes another.

    Args:
        labels: Names of label columns, each 0, 1 or missing; they are the classes, in this order.

    The target is ``(class,)`` float32: 0, 1, or NaN where that finding was not labelled. A missing label stays missing.

    Source: masked multi-label learning as in CheXNet-style chest X-ray models (Rajpurkar 2017, arXiv:1711.05225).

    Example:
        >>> task = Multilabel(labels=["effusion", "nodule"])
        >>> task.encode(Case("a", {}, labels={"effusion": 1}))["findings"].tolist()
        [1.0, nan]
    """

    mask = None
    varies = False

    def __init__(self, labels: list[str]) -> None:
        self.labels = labels
        self.question = Question("multilabel", "findings", tuple(labels), exclusive=False)

    @classmethod
    def example(cls) -> Multilabel:
        return cls(labels=["effusion", "nodule"])

    def encode(self, case: Case | Sample) -> dict[str, np.ndarray]:
        return {"findings": np.array([label_number(case, name) for name in self.labels], dtype=np.float32)}

    def encode_mask(self, array: np.ndarray) -> np.ndarray:
        raise TypeError("multi-label classification has no dense truth")

    decode_mask = encode_mask

    def __call__(self, images, targets, rng):
        return images, targets
