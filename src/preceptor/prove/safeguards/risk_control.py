"""Risk control: a mask that is drawn wide enough to miss no more of a structure than was asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

import numpy as np
from annotated_types import Gt, Lt

from preceptor.core.cohort import Sample
from preceptor.core.errors import Refusal
from preceptor.core.evidence import Predictions, Question
from preceptor.core.plugins import Prediction
from preceptor.maths.conformal import controlled_threshold

#: Probabilities are stored in eight bits: these are all the thresholds there are.
_LEVELS = np.arange(256)


class RiskControl:
    """Lowers the probability from which a voxel is called the structure, until the share that is missed is kept.

    The promise: of a new case like the calibration ones at most `missed` of the structure's voxels lie outside the mask,
    on average over cases. It costs voxels that are no structure: the mask grows, and never shrinks. Several structures
    are taken as one: what is promised is that a voxel of any is called one. An added voxel is named after the nearest
    voxel that was called before (the first structure where there was none), since which of them is likeliest there is
    not stored.

    Leaves ``called_from`` in `parts`: the probability of any structure from which voxels are called. The label map
    ``(*space,)`` changes; the top probability becomes that of the new label. Put it after what changes probabilities,
    and before `largest_component`, whose removals are not promised for.

    The missed share of calibration cases is counted on their stored sample of voxels: a case of which no voxel of the
    structure was sampled does not enter.

    Args:
        missed: Share of the structure's voxels that may lie outside the mask, on average over cases.

    Raises:
        Refusal: At the fit, where the calibration cases are too few (1 / missed - 1 at least) or not labelled.

    Source: Angelopoulos 2024 (arXiv:2208.02814; conformal risk control), section 3.1.

    Example:
        >>> RiskControl(missed=0.05).missed
        0.05
    """

    fit_role = "calibrate"

    def __init__(self, missed: Annotated[float, Gt(0), Lt(1)] = 0.1) -> None:
        self.missed = missed
        self.level: int | None = None

    @classmethod
    def example(cls) -> RiskControl:
        return cls().with_state({"level": 90})

    def suits(self, question: Question) -> bool:
        return question.dense and question.exclusive

    def fit(self, predictions: Predictions, samples: Callable[[], Iterator[Sample]]) -> dict[str, Any]:
        """The level, of 255, from which voxels are called.

        Args:
            predictions: Of the calibration cases, with their sampled voxels.
            samples: Not looked at.
        """
        losses, patients = [], []
        clusters = dict(zip(predictions.table["key"], predictions.clusters(), strict=True))
        columns = [f"probability_{name}" for name in predictions.question.classes]
        groups = () if predictions.voxels is None else predictions.voxels.groupby("key")
        for key, voxels in groups:
            probability = voxels.loc[voxels["truth"] > 0, columns].to_numpy()
            if len(probability):
                background = np.round(255 * probability[:, 0])  # in eight bits, as maps are
                inside = np.where(probability.argmax(1) > 0, np.inf, 255 - background)
                losses.append((inside[:, None] < _LEVELS).mean(0))
                patients.append(clusters[key])
        level = None
        if losses:
            level = controlled_threshold(np.stack(losses), _LEVELS, self.missed, np.array(patients))
        if level is None:
            number = len(set(patients))
            raise Refusal(
                f"that at most {100 * self.missed:g} % are missed can't be promised from {number} calibration patients",
                where="safeguards.risk_control",
                expected=f"{int(np.ceil(1 / self.missed - 1 - 1e-9))} or more with the structure",
                remedy="give `split` a larger calibrate share, or allow more to be missed",
                code="calibrate_too_few",
            )
        return {"level": int(level)}

    def with_state(self, state: Mapping[str, Any]) -> RiskControl:
        fitted = RiskControl(self.missed)
        fitted.level = int(state["level"])
        return fitted

    def __call__(self, prediction: Prediction) -> Prediction:
        label, top = prediction.label, prediction.top_probability
        if self.level is None or label is None or top is None:
            return prediction
        prediction.parts["called_from"] = self.level / 255
        added = (label == 0) & (255 - top.astype(np.int16) >= self.level)
        if added.any():
            prediction.label = np.where(added, _nearest(label), label).astype(label.dtype)
            prediction.top_probability = np.where(added, 255 - top, top).astype(top.dtype)
        return prediction


def _nearest(label: np.ndarray) -> np.ndarray:
    """The label of the nearest voxel that has one, everywhere."""
    from scipy import ndimage

    if not label.any():
        return np.ones_like(label)
    if len(np.unique(label)) == 2:
        return np.full_like(label, label.max())
    places = ndimage.distance_transform_edt(label == 0, return_distances=False, return_indices=True)
    return label[tuple(places)]
