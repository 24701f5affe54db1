"""A small model of its own on a part of the image that should hold no answer: is the shortcut in the data?"""

from __future__ import annotations

import numpy as np

from preceptor.maths.linear_probe import folds_of, probe_matrix, probe_scores
from preceptor.maths.shuffles import auroc_of_columns, shuffled, tail_of

from .altered import PARTS
from .areas import SHUFFLES, area_with_interval, codes_of, told
from .fields import FAR
from .material import Asked, Shown
from .regions import regions
from .suspicion import Trial


def alone_trials(
    shown: Shown, asked: Asked, thumbnails: dict[str, np.ndarray], clusters: np.ndarray, seed: int
) -> list[Trial]:
    """Ridge regression on thumbnails of one part, cross-validated by patient, against shuffled classes.

    Args:
        shown: The cases.
        asked: The question.
        thumbnails: ``{view: (case, *small)}``.
        clusters: ``(row,)`` integer id of each row's patient.
        seed: Of folds and shuffles.
    """
    truth = asked.truth[shown.row]
    keep = truth >= 0
    codes, who = codes_of(truth[keep]), clusters[shown.row][keep]
    if len(np.unique(codes)) < 2 or len(np.unique(who)) < 10:
        return []
    one, fold, number = np.zeros(len(codes), dtype=int), folds_of(who, 5, seed), int(codes.max()) + 1
    dealt = shuffled(codes, who, one, SHUFFLES, seed)
    prefix = f"{asked.name}: " if asked.name else ""
    trials = []
    for part, called in PARTS.items():
        parts = [small[:, regions(small.shape[1:])[part]] for small in thumbnails.values()]
        pixels = np.nan_to_num(np.concatenate(parts, axis=1))[keep]
        matrix = probe_matrix(pixels, fold)
        scores = probe_scores(matrix, codes[:, None], number)
        value = float(auroc_of_columns(codes[:, None], scores, one)[0])
        null = auroc_of_columns(dealt, probe_scores(matrix, dealt, number), one)
        interval = area_with_interval(codes, scores[:, :, 0], one, who)[1]
        trials.append(
            Trial(
                f"alone.{part}{'.' + asked.name if asked.name else ''}",
                part,
                f"Can a small model that sees {called} alone tell the classes?",
                f"{prefix}A small model that sees {called} alone tells the classes by AUROC {told(value, interval)}: "
                "the answer is in the data, whether or not this model uses it.",
                value,
                interval,
                0.5,
                tail_of(value, null),
                value - 0.5 >= FAR,
                len(codes),
                len(np.unique(who)),
                {"shuffled classes": float(np.nanmean(null))},
            )
        )
    return trials
