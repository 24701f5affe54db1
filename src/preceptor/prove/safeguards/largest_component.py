"""Largest component: of each structure the largest connected piece stays."""

from __future__ import annotations

from typing import Literal

import numpy as np

from preceptor.core.evidence import Question
from preceptor.core.plugins import Prediction


class LargestComponent:
    """Keeps the largest connected piece of every structure and calls the rest background.

    For structures of which a patient has one in one piece; never for lesions. What is removed is background from then
    on, with at most the probability that its structure left over: one minus the old. Of equally large pieces the first
    in the array's order stays. Leaves ``removed_share`` in `parts`: removed voxels over all that were labelled.

    Args:
        connectivity: "faces" (4 neighbours in a plane, 6 in space) or "corners" (8, 26).
        together: Keep the largest piece of all structures taken as one, for structures that touch.

    Source: Isensee 2021 (nnU-Net), post-processing; connectivity as in Rosenfeld & Pfaltz 1966.

    Example:
        >>> label = np.array([[1, 1, 0, 1]], dtype=np.uint8)
        >>> question = Question("segmentation", "label", ("background", "organ"), dense=True, values=(0, 1))
        >>> LargestComponent()(Prediction("a", question, label=label)).label.tolist()
        [[1, 1, 0, 0]]
    """

    def __init__(self, connectivity: Literal["faces", "corners"] = "faces", together: bool = False) -> None:
        self.connectivity = connectivity
        self.together = together

    @classmethod
    def example(cls) -> LargestComponent:
        return cls()

    def suits(self, question: Question) -> bool:
        return question.dense and question.exclusive

    def __call__(self, prediction: Prediction) -> Prediction:
        if prediction.label is None:
            return prediction
        label = np.asarray(prediction.label)
        structures = range(1, len(prediction.question.classes))
        masks = [label > 0] if self.together else [label == each for each in structures]
        removed = np.zeros(label.shape, dtype=bool)
        for mask in masks:
            removed |= mask & ~self._largest(mask)
        labelled = int(np.count_nonzero(label))
        prediction.parts["removed_share"] = float(np.count_nonzero(removed)) / labelled if labelled else 0.0
        if not removed.any():
            return prediction
        prediction.label = np.where(removed, 0, label).astype(label.dtype)
        if prediction.top_probability is not None:
            top = prediction.top_probability
            prediction.top_probability = np.where(removed, 255 - top, top).astype(top.dtype)
        return prediction

    def _largest(self, mask: np.ndarray) -> np.ndarray:
        from scipy import ndimage

        reach = 1 if self.connectivity == "faces" else mask.ndim
        boxes = ndimage.find_objects(mask.astype(np.uint8))
        if not boxes:
            return mask
        pieces, number = ndimage.label(mask[boxes[0]], ndimage.generate_binary_structure(mask.ndim, reach))
        if number < 2:
            return mask
        sizes = np.bincount(pieces.ravel())
        sizes[0] = 0
        kept = np.zeros_like(mask)
        kept[boxes[0]] = pieces == sizes.argmax()
        return kept
