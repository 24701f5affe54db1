"""Reverse classification accuracy: an answer's Dice foretold without truth, and a refusal where it is too low."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt, Le

from preceptor.core.cohort import Sample
from preceptor.core.errors import Refusal
from preceptor.core.evidence import Predictions, Question
from preceptor.core.image import Image
from preceptor.core.plugins import Prediction
from preceptor.maths.overlap import dice, overlap
from preceptor.prepare.compose import resample_like
from preceptor.prove.damage import WAYS, damage_to
from preceptor.prove.reverse_classification import (
    Calibration,
    Reference,
    choose,
    evidence,
    fitted_to,
    lay,
)

#: Real Dice that an answer is damaged to, one for each way of damage; one more is left as it is.
_WANTED = (0.35, 0.5, 0.65, 0.8, 0.9)


class ReverseClassification:
    """Foretells the Dice of each segmentation from what it can teach, and refuses below a threshold.

    The segmentation is taken for the truth of its own image and made to segment reference images from the training
    cases: registration carries its labels over, as an atlas' would be. The best overlap over the references is the Dice
    foretold. A forest can be asked as well, and the scale be learnt from answers to calibration cases, as they are and
    damaged on purpose. Leaves in `parts`
    ``predicted_dice`` (mean over structures), ``predicted_dice_<structure>`` and ``reverse_overlap`` (the best overlap
    as measured, before it is brought to scale). An empty segmentation is foretold 0.

    It tells a gross failure from a success. It ranks good answers among themselves poorly, and a segmentation of the
    wrong object that lies in the right place and looks alike may pass.

    Args:
        least: The foretold mean Dice below which an answer is refused; None only foretells.
        references: Training cases that each answer is tried on: those that look most like the image.
        kept: Training cases kept in the bundle to choose from.
        calibrated_on: Calibration cases whose answers are damaged on purpose to learn the scale; 0 takes the best
            overlap as it is. With it the safeguard is fitted on the role ``calibrate``.
        forest: Whether the forest is asked beside the atlas; it counts only where a scale is learnt, and takes most of
            the time.
        most_voxels: Of each kept case: a larger image is cut to its structures, then made coarser. A kept case takes 2
            bytes a voxel.
        seed: Of what is chosen and damaged.

    Shapes: the label map and the image ``(*space,)`` on the prepared grid.

    Raises:
        Refusal: At the fit, where fewer training cases than `references` have a truth, or a scale is asked for and no
            calibration case has a truth and an answer that found something.

    Source: Valindria 2017 (arXiv:1702.03407); the scale: own.

    Example:
        >>> ReverseClassification(least=0.7).suits(Question("segmentation", "m", ("background", "organ"), dense=True))
        True
    """

    def __init__(
        self,
        least: Annotated[float, Gt(0), Le(1)] | None = 0.7,
        references: Annotated[int, Ge(1)] = 8,
        kept: Annotated[int, Ge(2)] = 40,
        calibrated_on: Annotated[int, Ge(0)] = 0,
        forest: bool = False,
        most_voxels: Annotated[int, Ge(1000)] = 110_000,
        seed: Annotated[int, Ge(0)] = 0,
    ) -> None:
        self.least = least
        self.references = references
        self.kept = kept
        self.calibrated_on = calibrated_on
        self.forest = forest
        self.most_voxels = most_voxels
        self.seed = seed
        self._known: list[Reference] = []
        self._scale: Calibration | None = None

    @classmethod
    def example(cls) -> ReverseClassification:
        return cls(references=1, kept=4, calibrated_on=1, forest=True)

    @property
    def fit_role(self) -> str:
        """The references are training cases; the scale is of answers to cases that the network did not learn from."""
        return "calibrate" if self.calibrated_on else "train"

    @property
    def reads_labels(self) -> bool:
        return self.calibrated_on > 0

    def suits(self, question: Question) -> bool:
        return question.dense and question.exclusive and not question.is_regression

    def fit(self, predictions: Predictions, samples: Callable[..., Iterator[Sample]]) -> dict[str, Any]:
        """Choose and shrink the references; damage answers and learn the scale from the references' verdict.

        Args:
            predictions: With a scale, of the calibration cases and with their `labels`; otherwise the question is read.
            samples: Streams the prepared cases of a role, the training cases by default, with their truth.
        """
        question = predictions.question
        rng = np.random.default_rng(self.seed)
        known: list[Reference] = []
        seen = 0
        for sample in samples():
            mask = sample.masks.get(question.target)
            if mask is None or not (mask.array[0] > 0).any():
                continue
            seen += 1
            # A fair draw of `kept` from a stream of unknown length: reservoir sampling (Vitter 1985).
            at = len(known) if len(known) < self.kept else int(rng.integers(seen))
            if at < self.kept:
                image = next(iter(sample.images.values()))
                known[at : at + 1] = [Reference.of(image, mask.array[0], self.most_voxels)]
        if len(known) <= self.references:
            raise Refusal(
                f"{len(known)} training cases have a truth, and each is to be judged by {self.references} others",
                where="safeguards.reverse_classification",
                expected=f"{self.references + 1} or more",
                remedy="ask for fewer references",
                code="references_too_few",
            )
        scale = self._calibrate(known, predictions, samples) if self.calibrated_on else None
        return {
            "references": [each.to_state() for each in known],
            "scale": None if scale is None else scale.to_state(),
        }

    def with_state(self, state: Mapping[str, Any]) -> ReverseClassification:
        fitted = ReverseClassification(
            self.least, self.references, self.kept, self.calibrated_on, self.forest, self.most_voxels, self.seed
        )
        fitted._known = [Reference.from_state(each) for each in state["references"]]
        fitted._scale = None if state["scale"] is None else Calibration.from_state(state["scale"])
        return fitted

    def __call__(self, prediction: Prediction) -> Prediction:
        if not self._known or prediction.label is None or prediction.sample is None:
            return prediction
        image = next(iter(prediction.sample.images.values()))
        names = prediction.question.classes[1:]
        label = np.asarray(prediction.label)
        found = np.zeros((len(names), 4))
        if (label > 0).any():
            image, label = fitted_to(image, label, self.most_voxels)
            found = self._evidence(image, label, self._known, len(names) + 1)
        foretold = found[:, 0] if self._scale is None else self._scale(found)
        known = foretold[~np.isnan(foretold)]  # a structure that no reference has can't be judged
        mean = float(known.mean()) if len(known) else float("nan")
        prediction.parts |= {
            "predicted_dice": mean,
            "reverse_overlap": float(found[~np.isnan(found[:, 0]), 0].mean()) if len(known) else float("nan"),
            **{f"predicted_dice_{name}": float(each) for name, each in zip(names, foretold, strict=True)},
        }
        if np.isnan(mean):
            prediction.refuse("the image could be laid onto none of the training cases: its answer can't be judged")
        elif self.least is not None and mean < self.least:
            prediction.refuse(
                f"judged by what it can teach, the segmentation's Dice is about {mean:.2f}, "
                f"and {self.least:g} is the least that is accepted"
            )
        return prediction

    def _evidence(self, image: Image, label: np.ndarray, known: Sequence[Reference], classes: int) -> np.ndarray:
        asked = [known[at] for at in choose(image, known, self.references)]
        laid = lay(image, asked, self.seed)
        return evidence(image, label, asked, laid, classes, forest=self.forest, seed=self.seed)

    def _calibrate(
        self, known: Sequence[Reference], predictions: Predictions, samples: Callable[..., Iterator[Sample]]
    ) -> Calibration:
        """Damage some answers in every way, have the references judge them, and fit the line to their real Dice."""
        question = predictions.question
        classes, target = len(question.classes), question.target
        keys = predictions.table["key"].astype(str)
        answers = {key: label for key, label in zip(keys, predictions.labels or (), strict=False) if (label > 0).any()}
        drawn = np.random.default_rng(self.seed).permutation(sorted(answers))[: self.calibrated_on].tolist()
        evidences: list[np.ndarray] = []
        real: list[np.ndarray] = []
        cases = 0
        for sample in samples("calibrate"):
            mask = sample.masks.get(target)
            if sample.key not in drawn or mask is None or not (mask.array[0] > 0).any():
                continue
            answer, truth = answers[sample.key], np.maximum(mask.array[0], 0)
            image = next(iter(sample.images.values()))
            image, answer = fitted_to(image, answer, self.most_voxels)
            truth = resample_like(truth[None], mask.affine_mm, image, nearest=True)[0]

            def scores(label: np.ndarray, truth: np.ndarray = truth) -> np.ndarray:
                return dice(overlap(truth.astype(np.int64), label.astype(np.int64), classes))[1:]

            def score(label: np.ndarray, scores: Callable[..., np.ndarray] = scores) -> float:
                return float(np.nanmean(scores(label)))

            asked = [known[at] for at in choose(image, known, self.references)]
            laid = lay(image, asked, self.seed)
            ways = np.roll(WAYS, cases)  # every way meets every Dice over the cases
            pairs = zip(ways, _WANTED, strict=True)
            damaged = [damage_to(answer, str(way), wanted, score, self.seed + cases)[0] for way, wanted in pairs]
            for label in (answer, *damaged):
                evidences.append(evidence(image, label, asked, laid, classes, forest=self.forest, seed=self.seed))
                real.append(scores(label))
            cases += 1
        if not cases:
            raise Refusal(
                "no calibration case has a truth and an answer that found something: there is no scale to learn",
                where="safeguards.reverse_classification",
                expected="calibration cases whose structures are segmented",
                remedy="leave calibrated_on at 0: the overlap is then taken as it is",
                code="scale_without_cases",
            )
        return Calibration.fit(np.concatenate(evidences), np.concatenate(real), cases)
