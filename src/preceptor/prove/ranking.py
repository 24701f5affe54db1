"""What ROC and precision-recall share: a statistic of truth and score for every class, and the mean over classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from preceptor.core.evidence import Finding
from preceptor.maths.intervals import Resamples, Statistic, average_of

from .labelled import Labelled
from .measuring import Measuring, noted, refused

Curves = Mapping[str, Mapping[str, list]]


def measure_ranking(
    name: str,
    definition: str,
    statistic: Callable[[np.ndarray, np.ndarray, Resamples], Statistic],
    measuring: Measuring,
    curves: Callable[[Labelled, int, Measuring], Curves],
) -> Finding:
    """A ranking measure of every class, with its curve, and the mean over the classes where there are several.

    A class of which no positive or no negative case was tested is undefined: it has a part that says so, and does not
    enter the mean.

    Args:
        name: Of the finding.
        definition: One sentence, ``{name}`` standing for the class.
        statistic: Of truth ``(row,)`` (NaN unlabelled), score ``(row,)`` and resamples.
        measuring: The rows and their resamples.
        curves: Draws the curve of one class.
    """
    labelled = Labelled.of(measuring.predictions)
    general = (*noted(labelled.unlabelled, "case{s} without a truth, not measured"), *refused(measuring.predictions))
    parts: dict[str, Finding] = {}
    defined: list[int] = []
    for at in labelled.asked:
        truth, known = labelled.truth[:, at], labelled.known(at)
        positive, negative = int((truth == 1).sum()), int((truth == 0).sum())
        both = positive > 0 and negative > 0
        which = labelled.classes[at]
        parts[which] = measuring.finding(
            name if len(labelled.asked) == 1 else f"{name}.{which}",
            definition.format(name=which),
            statistic(truth, labelled.probability[:, at], measuring.resamples),
            known,
            accelerated=False,
            trials=_trials(truth, measuring),
            notes=(f"{positive} with {which}, {negative} without", *(general if len(labelled.asked) == 1 else ())),
            curves=curves(labelled, at, measuring) if both else {},
        )
        if both:
            defined.append(at)
    if len(labelled.asked) == 1:
        return parts[labelled.classes[labelled.asked[0]]]
    missing = [labelled.classes[at] for at in labelled.asked if at not in defined]
    notes = (*(f"{each} has no positive or no negative case and does not enter the mean" for each in missing), *general)
    mean = average_of(
        [statistic(labelled.truth[:, at], labelled.probability[:, at], measuring.resamples) for at in defined]
    )
    entered = ~np.isnan(labelled.truth[:, defined]).all(1) if defined else np.zeros(len(labelled.truth), dtype=bool)
    return measuring.finding(
        name,
        f"mean over {len(defined)} classes of the {definition.format(name='the class')}",
        mean,
        entered,
        accelerated=False,
        trials=min((_trials(labelled.truth[:, at], measuring) for at in defined), default=None),
        notes=notes,
        parts=parts,
    )


def _trials(truth: np.ndarray, measuring: Measuring) -> int:
    """What a perfect ranking rests on: the patients of the rarer side."""
    return min(measuring.clusters(truth == 1), measuring.clusters(truth == 0))
