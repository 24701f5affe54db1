"""Quality of numbered objects: were they found, told apart and outlined?"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Lt

from preceptor.core.cohort import Cohort
from preceptor.core.evidence import Finding, Predictions, Question
from preceptor.maths.instances import Objects, aggregated_jaccard, object_dice, panoptic
from preceptor.maths.intervals import ratio_statistic
from preceptor.prove.maps import image_pairs, unlabelled
from preceptor.prove.measuring import Measuring, by_field, noted, refused


class PanopticQuality:
    """Panoptic quality of numbered objects: the F1 of finding them times the mean overlap of those found.

    Two objects match where they overlap by more than one half of their union: then neither can match another. The
    quality is that of each image, averaged; an image without any object in truth and answer is left out and counted.

    Args:
        overlaps: For ``f1_at_<overlap>``, the F1 of objects that overlap by more than that; one half or more.
        resamples: Of patients, for the intervals.
        level: Of the intervals.
        seed: Of the resamples.
        by: Fields of the cohort to divide by: a part for each value.

    Returns:
        A `Finding` in 0..1 with the parts ``detection`` and ``segmentation`` (its two factors), ``pooled`` (all objects
        of all images together), ``aggregated_jaccard``, ``object_dice`` and ``f1_at_<overlap>``.

    Raises:
        CohortError: A stored answer is missing.

    Source: Kirillov 2019 (arXiv:1801.00868); Kumar 2017 (aggregated Jaccard); Sirinukunwattana 2015 (object Dice);
        Caicedo 2019 (F1 at overlaps).

    Example:
        >>> PanopticQuality(overlaps=[0.5, 0.8]).suits(Question("instances", "nuclei", ("nuclei",), dense=True))
        True
    """

    def __init__(
        self,
        overlaps: list[Annotated[float, Ge(0.5), Lt(1)]] = [0.5, 0.7, 0.9],  # noqa: B006  (never changed)
        resamples: Annotated[int, Ge(100)] = 2000,
        level: Annotated[float, Gt(0), Lt(1)] = 0.95,
        seed: Annotated[int, Ge(0)] = 0,
        by: list[str] | None = None,
    ) -> None:
        self.overlaps = overlaps
        self.resamples = resamples
        self.level = level
        self.seed = seed
        self.by = by

    @classmethod
    def example(cls) -> PanopticQuality:
        return cls(overlaps=[0.5])

    def suits(self, question: Question) -> bool:
        return question.task == "instances" or question.numbered

    def __call__(self, predictions: Predictions, cohort: Cohort) -> Finding:
        return by_field(self._measure(predictions, cohort), self.by, predictions, cohort, self._measure)

    def _measure(self, predictions: Predictions, cohort: Cohort) -> Finding:
        measuring = Measuring.of(predictions, self.resamples, self.level, self.seed)
        names = ["quality", "detection", "segmentation", "aggregated_jaccard", "object_dice"]
        names += [f"f1_at_{each:g}" for each in self.overlaps]
        values = {name: np.full(len(predictions), np.nan) for name in names}
        overlap, weight = np.zeros((2, len(predictions)))
        empty = true = answered = resampled = 0
        for pair in image_pairs(predictions, objects=True):
            objects = Objects.of(pair.truth[0].astype(np.int64), pair.answer[0].astype(np.int64))
            whole = panoptic(objects)
            found = {
                "quality": whole.quality,
                "detection": whole.detection,
                "segmentation": whole.segmentation,
                "aggregated_jaccard": aggregated_jaccard(objects),
                "object_dice": object_dice(objects),
                **{f"f1_at_{each:g}": panoptic(objects, each).detection for each in self.overlaps},
            }
            for name, value in found.items():
                values[name][pair.row] = value
            overlap[pair.row], weight[pair.row] = whole.overlap, whole.weight
            empty += whole.weight == 0
            true, answered = true + len(objects.truth), answered + len(objects.answer)
            resampled += pair.resampled
        told = {
            "detection": "F1 of finding objects: matched over matched and half of the missed and invented ones",
            "segmentation": "mean overlap of matched objects, of images with at least one",
            "aggregated_jaccard": "aggregated Jaccard index: shared voxels of best pairs over the union of everything",
            "object_dice": "Dice of each object with the one it shares most with, both ways, weighted by size",
            **{
                f"f1_at_{each:g}": f"F1 of objects that overlap by more than {each:g} of their union"
                for each in self.overlaps
            },
        }
        parts = {
            name: measuring.mean(f"panoptic_quality.{name}", f"{words}; the mean over images", values[name], share=True)
            for name, words in told.items()
        }
        parts["pooled"] = measuring.finding(
            "panoptic_quality.pooled",
            "panoptic quality of the objects of all images together: images with many objects weigh more",
            ratio_statistic(overlap, weight, measuring.resamples),
            weight > 0,
            trials=measuring.clusters(weight > 0),
        )
        return measuring.mean(
            "panoptic_quality",
            "overlaps of objects that match (above one half of their union), over matched and half of the missed and "
            "invented ones; the mean over images",
            values["quality"],
            share=True,
            parts=parts,
            notes=(
                f"{true} objects, {answered} answered",
                *noted(empty, "image{s} without an object in truth and answer alike, left out"),
                *noted(unlabelled(predictions), "case{s} without a truth, not measured"),
                *noted(resampled, "answer{s} brought to the truth's grid by nearest neighbour"),
                *refused(predictions),
            ),
        )
