"""What evaluators of decisions share: every class of interest against the rest, and the mean over them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from preceptor.core.evidence import Finding
from preceptor.maths.intervals import Statistic, average_of, ratio_statistic

from .labelled import Labelled
from .measuring import Measuring, merge, noted, refused

#: Of a class by its position: its statistic, and its finding under the name it is given.
ByClass = Callable[[int, str], tuple[Statistic, Finding]]


def measure_classes(
    name: str, definition: str, measuring: Measuring, labelled: Labelled, by_class: ByClass, **more: Any
) -> Finding:
    """A finding of the one class of interest, or the mean over several with a part for each.

    A class of which no positive or no negative case was tested is undefined and does not enter the mean.

    Args:
        name: Of the finding.
        definition: One sentence, of the class.
        measuring: The rows and their resamples.
        labelled: Truth and probabilities of the rows.
        by_class: Measures one class.
        more: Further fields of the mean's `Finding`.
    """
    general = (*noted(labelled.unlabelled, "case{s} without a truth, not measured"), *refused(measuring.predictions))
    if len(labelled.asked) == 1:
        found = by_class(labelled.asked[0], name)[1]
        return replace(found, notes=(*found.notes, *general))
    found_of = {at: by_class(at, f"{name}.{labelled.classes[at]}") for at in labelled.asked}
    defined = [at for at, (_, found) in found_of.items() if not np.isnan(found.value)]
    mean = average_of([found_of[at][0] for at in defined])
    entered = ~np.isnan(labelled.truth[:, defined]).all(1) if defined else np.zeros(len(labelled.truth), dtype=bool)
    parts = {labelled.classes[at]: found for at, (_, found) in found_of.items()}
    missing = [labelled.classes[at] for at in labelled.asked if at not in defined]
    return measuring.finding(
        name,
        f"mean over {len(defined)} classes: {definition}",
        mean,
        entered,
        accelerated=False,
        parts=merge(parts, more.pop("parts", None)),
        notes=(*(f"{each} is undefined and does not enter the mean" for each in missing), *general),
        **more,
    )


def rates(truth: np.ndarray, said: np.ndarray, measuring: Measuring) -> Mapping[str, Statistic]:
    """Sensitivity and specificity, and the predictive values among the tested, as statistics of resampled patients.

    Args:
        truth, said: ``(row,)`` 1 or 0, NaN where unlabelled or unanswered (such a row enters nothing).
        measuring: The rows and their resamples.
    """
    known = ~np.isnan(truth) & ~np.isnan(said)
    has, positive = known & (truth == 1), known & (said == 1)
    has_not, negative = known & (truth == 0), known & (said == 0)
    pairs = {
        "sensitivity": (has & positive, has),
        "specificity": (has_not & negative, has_not),
        "positive_predictive_value": (has & positive, positive),
        "negative_predictive_value": (has_not & negative, negative),
    }
    return {part: ratio_statistic(hits, trials, measuring.resamples) for part, (hits, trials) in pairs.items()}
