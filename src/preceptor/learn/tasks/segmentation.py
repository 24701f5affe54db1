"""Segmentation: which structure does each voxel belong to?"""

from __future__ import annotations

import numpy as np

from preceptor.core.cohort import Case, Sample
from preceptor.core.errors import CohortError, RecipeError
from preceptor.core.evidence import Question


class Segmentation:
    """A class per voxel, background included.

    Args:
        labels: ``{structure: value in the label map}``. Class 0 is ``background`` (value 0); the structures follow in
            this order.
        mask: Name of the label map among a case's masks.
        unlabelled: Values that mean "nobody looked": target -1, no loss, not measured.
        numbered: The one structure's objects are numbered in the file: every value above 0 is of it. In answers an
            object is what hangs together (touching sides, not corners), so objects that touch become one.

    Raises:
        CohortError: A label map holds a value that is not declared.
        RecipeError: Objects of several structures are numbered.

    Source: the task itself.

    Example:
        >>> Segmentation(labels={"anterior": 1, "posterior": 2}).encode_mask(np.array([0, 2, 1])).tolist()
        [0, 2, 1]
    """

    varies = False

    def __init__(
        self,
        labels: dict[str, int],
        mask: str = "label",
        unlabelled: list[int] | None = None,
        numbered: bool = False,
    ) -> None:
        if numbered and len(labels) != 1:
            raise RecipeError(
                f"numbered objects of {len(labels)} structures can't be told apart by their numbers",
                expected="one structure in labels",
                code="numbered_structures",
            )
        self.labels = labels
        self.mask = mask
        self.unlabelled = unlabelled
        self.numbered = numbered
        values = (0, *labels.values())
        classes = ("background", *labels)
        self.question = Question("segmentation", mask, classes, dense=True, values=values, numbered=numbered)

    @classmethod
    def example(cls) -> Segmentation:
        return cls(labels={"anterior": 1, "posterior": 2})

    def encode(self, case: Case | Sample) -> dict[str, np.ndarray]:
        return {}

    def encode_mask(self, array: np.ndarray) -> np.ndarray:
        index = np.full(array.shape, -2, dtype=np.int8)
        for position, value in enumerate(self.question.values):
            index[array == value] = position
        if self.numbered:
            index[array > 0] = 1
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
        if self.numbered:
            from scipy import ndimage

            objects, number = ndimage.label(index > 0)
            return objects.astype(np.min_scalar_type(max(number, 1)))
        values = np.array(self.question.values)
        return values[np.maximum(index, 0)].astype(np.min_scalar_type(int(values.max())))

    def __call__(self, images, targets, rng):
        return images, targets
