"""Uncertainty told apart: what the image leaves open, and what the model does not know."""

from __future__ import annotations

import math

import numpy as np

from preceptor.core.plugins import Prediction
from preceptor.maths.uncertainty import decompose, decompose_dirichlet, decompose_gaussian

_BOTH = ("aleatoric", "epistemic")


def split_uncertainty(prediction: Prediction) -> None:
    """Leave ``aleatoric`` (data) and ``epistemic`` (model) in a prediction's `parts`, where they can be told apart.

    Classes, in nats: the entropy of the averaged passes is the mean of their own (data) and how far they disagree
    (model); evidential networks tell the two apart in a single pass. A quantity, in its own unit, as standard
    deviations: the noise that the passes foretell (data) and the spread of their values (model). A single network
    without either can't know, and leaves nothing. Both are of the passes as they came, before any recalibration.

    A quantity's `uncertainty` is the standard deviation of what its passes foretell together, in its own unit: what
    answers are ranked by, as others are by their entropy.

    Args:
        prediction: As the model gave it, with its passes; dense answers keep none and get no parts.
    """
    passes, own, noise = prediction.passes, prediction.pass_uncertainty, prediction.pass_variance
    if passes is None:
        return
    question, several = prediction.question, len(passes) > 1
    if question.is_regression:
        values = passes[:, 0]
        if noise is not None:
            parts = decompose_gaussian(values, noise[:, 0])
            prediction.parts["aleatoric"] = float(np.sqrt(parts.aleatoric))
        if several:
            prediction.parts["epistemic"] = float(values.std(ddof=1) if noise is None else values.std())
        if prediction.parts and question.is_number:
            prediction.uncertainty = math.hypot(*(prediction.parts.get(each, 0.0) for each in _BOTH))
        return
    if own is not None and question.exclusive:
        parts = decompose_dirichlet(passes, own)
    elif several:
        parts = decompose(passes, question.exclusive)
    else:
        return
    prediction.parts |= {"aleatoric": float(parts.aleatoric), "epistemic": float(parts.epistemic)}
