"""Overlap measures of stored label maps: what Dice and IoU share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from preceptor.core.evidence import Finding
from preceptor.maths.overlap import Overlap, overlap

from .maps import pairs, unlabelled
from .measuring import Measuring, noted, refused


def measure_overlap(
    name: str,
    definition: str,
    measure: Callable[[Overlap], np.ndarray],
    measuring: Measuring,
    empty: str,
) -> Finding:
    """One overlap measure of every structure of every case, read map by map.

    Args:
        name: Of the finding.
        definition: What is divided by what.
        measure: Of counted voxels, ``(class,)``, NaN where both maps are empty.
        measuring: The rows and their resamples.
        empty: "one" or "exclude": what a structure counts that truth and answer both lack.
    """
    predictions = measuring.predictions
    classes = predictions.question.classes
    structures = classes[1:]
    values = np.full((len(predictions), len(structures)), np.nan)
    both_empty = missed = invented = resampled = 0
    for pair in pairs(predictions):
        counts = overlap(pair.truth, pair.answer, len(classes))
        found = measure(counts)[1:]
        absent = np.isnan(found)
        values[pair.row] = np.where(absent, 1.0, found) if empty == "one" else found
        both_empty += int(absent.sum())
        missed += int(((counts.truth > 0) & (counts.answer == 0))[1:].sum())
        invented += int(((counts.truth == 0) & (counts.answer > 0))[1:].sum())
        resampled += pair.resampled
    rule = "counted as 1" if empty == "one" else "left out"
    notes = (
        *noted(both_empty, f"structure{{s}} absent from truth and answer alike, {rule}"),
        *noted(missed, "structure{s} missed altogether, counted as 0"),
        *noted(invented, "structure{s} answered where the truth has none, counted as 0"),
        *noted(unlabelled(predictions), "case{s} without a truth, not measured"),
        *noted(resampled, "answer{s} brought to the truth's grid by nearest neighbour"),
        *refused(predictions),
    )
    absent_rule = "1" if empty == "one" else "nothing"
    definition = f"{definition}, on the truth's own grid; a structure absent from both counts {absent_rule}"
    return measuring.structures(name, definition, values, structures, share=True, notes=notes)
