"""Panels of networks that answer one case together: a single panel as the run did, several by a vote."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from preceptor.core.cohort import Sample
from preceptor.core.plugins import Prediction
from preceptor.prepare.store import prepare_sample
from preceptor.prove.answering import Answering
from preceptor.prove.splitting import split_uncertainty


@dataclass(frozen=True)
class Panel:
    """One group of networks with all that stands around them.

    Args:
        steps: Of preparation, with their states.
        states: What each step was fitted to; None where nothing is fitted.
        answering: The networks and their safeguards.
    """

    steps: tuple[Any, ...]
    states: tuple[Any, ...]
    answering: Answering

    def __call__(self, sample: Sample, voxels: np.random.Generator | None = None) -> Prediction:
        """Prepare a case and answer it."""
        return self.answering(prepare_sample(sample, self.steps), voxels)


@dataclass(frozen=True)
class Council:
    """The panels of a bundle.

    A panel prepares the image with its own fitted steps, and its answer passes its own safeguards, as it did when the
    run was judged. Where there are several (the folds of a cross-validation) their answers are merged: probabilities
    and uncertainties are averaged, a voxel gets the class whose probabilities add up to most, and the case is
    accepted where more than half of the panels accept it. How far they disagree is part of the model's uncertainty.

    Args:
        panels: One, or one for each fold.
    """

    panels: tuple[Panel, ...]

    def prepare(self, sample: Sample) -> Sample:
        """The case on the first panel's grid, which all panels share."""
        return prepare_sample(sample, self.panels[0].steps)

    def __call__(self, sample: Sample, voxels: np.random.Generator | None = None) -> Prediction:
        """Answer one case.

        Args:
            sample: As it was read.
            voxels: Draws the voxels of a dense answer that are kept with all probabilities.
        """
        answers = [panel(sample, copy.deepcopy(voxels)) for panel in self.panels]  # each keeps the same voxels
        return answers[0] if len(answers) == 1 else merge(answers)


def merge(answers: Sequence[Prediction]) -> Prediction:
    """One answer of several panels to the same case."""
    first = answers[0]
    merged = Prediction(first.key, first.question, affine_mm=first.affine_mm)
    given = [each.probability for each in answers if each.probability is not None]
    if given:
        merged.probability = np.mean(given, axis=0)
    curves = [each.survival for each in answers if each.survival is not None]
    if curves:
        merged.survival = np.mean(curves, axis=0)
    if all(each.label is not None for each in answers):
        _vote(merged, answers)
    merged.uncertainty = float(np.mean([each.uncertainty for each in answers]))
    for name in dict.fromkeys(name for each in answers for name in each.parts):
        merged.parts[name] = float(np.mean([each.parts[name] for each in answers if name in each.parts]))
    for name in ("passes", "pass_uncertainty", "pass_variance"):
        arrays = [getattr(each, name) for each in answers]
        if all(each is not None for each in arrays):
            setattr(merged, name, np.concatenate(arrays))
    split_uncertainty(merged)  # where panels differ is what the model does not know
    samples = [each.voxel_sample for each in answers if each.voxel_sample is not None]
    if samples:
        probability = np.mean([each["probability"] for each in samples], axis=0)
        merged.voxel_sample = {"index": samples[0]["index"], "probability": probability}
    refusing = [each for each in answers if not each.accepted]
    merged.accepted = 2 * len(refusing) < len(answers)
    if not merged.accepted:
        merged.reasons = list(dict.fromkeys(reason for each in refusing for reason in each.reasons))
    return merged


def _vote(merged: Prediction, answers: Sequence[Prediction]) -> None:
    """Each panel speaks for the class it chose with the probability it gave it; ties go to the lower class."""
    labels = [np.asarray(each.label) for each in answers]
    says = [np.asarray(each.top_probability) for each in answers]
    label, most = np.zeros(labels[0].shape, np.uint8), np.full(labels[0].shape, -1, np.int32)
    for index in range(len(merged.question.classes)):
        votes = np.zeros(label.shape, np.int32)
        for one, said in zip(labels, says, strict=True):
            votes += np.where(one == index, said, 0)
        better = votes > most
        label[better], most[better] = index, votes[better]
    merged.label = label
    merged.top_probability = np.rint(most / len(answers)).astype(np.uint8)
    doubts = [np.asarray(each.doubt) for each in answers]
    merged.doubt = np.rint(np.mean(doubts, axis=0, dtype=np.float32)).astype(np.uint8)
