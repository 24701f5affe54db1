"""The mean image of every site and class: what they differ in shows at a glance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from preceptor.prove.report.subgroups import SMALLEST_GROUP

from .fields import Field
from .material import Asked, Shown


@dataclass(frozen=True, eq=False)
class MeanImage:
    """One mean.

    Args:
        group: Of the field; "" where there is none.
        label: Of the class; "" where there is none.
        view: The view.
        patients: How many it is the mean of.
        pixels: ``(*small,)`` float32.
    """

    group: str
    label: str
    view: str
    patients: int
    pixels: np.ndarray


def mean_images(
    shown: Shown,
    thumbnails: Mapping[str, np.ndarray],
    asked: Asked | None,
    field: Field | None,
    clusters: np.ndarray,
) -> list[MeanImage]:
    """Means of thumbnails by group, class and view; of fewer than five patients none is made.

    Args:
        shown: The cases.
        thumbnails: ``{view: (case, *small)}``; NaN where a view was not taken.
        asked: The question; None for all classes together.
        field: What to divide by; None for all cases together.
        clusters: ``(row,)`` integer id of each row's patient.
    """
    groups = np.full(len(shown), "") if field is None else field.value[shown.row]
    labels = np.full(len(shown), "", dtype=object)
    if asked is not None:
        truth = asked.truth[shown.row]
        labels = np.array(["" if code < 0 else asked.classes[code] for code in truth], dtype=object)
    found = []
    for group in np.unique(groups):
        for label in sorted(set(labels)):
            for view, small in thumbnails.items():
                taken = ~np.isnan(small.reshape(len(small), -1)).any(1)
                here = (groups == group) & (labels == label) & taken
                patients = len(np.unique(clusters[shown.row][here]))
                if patients >= SMALLEST_GROUP and (group or field is None) and (label or asked is None):
                    found.append(MeanImage(str(group), str(label), view, patients, small[here].mean(0)))
    return found
