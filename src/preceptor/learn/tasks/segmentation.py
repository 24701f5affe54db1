"""Segmentation: which structure does each voxel belong to?"""

from __future__ import annotations

import numpy as np

from preceptor.core.cohort import Case, Sample
from preceptor.core.errors import CohortError
from preceptor.core.evidence import Question


class Segmentation:
    """A class per voxel, background included.

    Args:
        labels: ``{structure: value in the label map}``. Class 0 is ``background`` (value 0); the structures follow in
            this order.
        mask: Name of the label map among a case's masks.
        unlabelled: Values that mean "nobody looked": target -1, no loss, not measured.

    Raises:
        CohortError: A label map holds a value that is not declared.

    Source: the task itself.

    Example:
        >>> Segmentation(labels={"anterior": 1, "posterior": 2}).encode_mask(np.array([0, 2, 1])).tolist()
        [0, 2, 1]
    """

    varies = False

    def __init__(self, labels: dict[str, int], mask: str = "label", unlabelled: list[int] | None = None) -> None:
        self.labels = labels
        self.mask = mask
        self.unlabelled = unlabelled
        values = (0, *labels.values())
        self.question = Question("segmentation", mask, ("background", *labels), dense=True, values=values)

    @classmethod
    def example(cls) -> Segmentation:
        return cls(labels={"anterior": 1, "posterior": 2})

    def encode(self, case: Case | Sample) -> dict[str, np.ndarray]:
        return {}

    def encode_mask(self, array: np.ndarray) -> np.ndarray:
        index = np.full(array.shape, -2, dtype=np.int8)
        for position, value in enumerate(self.question.values):
            index[array == value] = position
        for value in self.unlabelled or ():
            index[array == value] = -1
        if (index == -2).any():
            strange = np.unique(array[index == -2])[:5].tolist()
            raise CohortError(
                f"a label map holds the undeclared value {', '.join(f'{v:g}' for v in strange)}",
                expected=f"one of {sorted({*self.question.values, *(self.unlabelled or ())})}",
                remedy="declare it under task.segmentation.labels, or list it as unlabelled",
                code="label_undeclared",
            )
        return index

    def decode_mask(self, index: np.ndarray) -> np.ndarray:
        values = np.array(self.question.values)
        return values[np.maximum(index, 0)].astype(np.min_scalar_type(int(values.max())))

    def __call__(self, images, targets, rng):
        return images, targets
