"""Leak tests: where there is nothing to learn, whatever is learnt came from somewhere else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from preceptor.core.cohort import Cohort
from preceptor.core.evidence import Predictions

from .areas import against_shuffled, area_with_interval, codes_of, told
from .material import Material
from .suspicion import Trial


def shuffle_labels(cohort: Cohort, label: str, seed: int = 0) -> Cohort:
    """The cohort with a label dealt anew between patients: a model trained on it must be at chance.

    Each patient's cases stay with one another, and take the labels of another patient's cases in turn. Unlabelled cases
    stay so.

    Args:
        cohort: With labels.
        label: Its column.
        seed: Of the dealing.
    """
    labelled = [case for case in cohort if case.labels.get(label) is not None]
    names = sorted({case.cluster for case in labelled})
    owned = {name: [case.labels[label] for case in labelled if case.cluster == name] for name in names}
    donor = dict(zip(names, np.random.default_rng(seed).permutation(names), strict=True))
    given: dict[str, int] = {}
    dealt = {}
    for case in labelled:
        values, turn = owned[donor[case.cluster]], given.get(case.cluster, 0)
        dealt[case.key] = values[turn % len(values)]
        given[case.cluster] = turn + 1
    return cohort.with_cases(
        replace(case, labels={**case.labels, label: dealt[case.key]}) if case.key in dealt else case for case in cohort
    )


def chance_trials(predictions: Predictions, cohort: Cohort, seed: int = 0) -> list[Trial]:
    """Whether answers rank test cases no better than chance: asked of a model that had nothing to learn.

    Args:
        predictions: Of a model trained on shuffled labels, or on images that hold no answer.
        cohort: Its cohort.
        seed: Of the shuffles.

    Returns:
        A trial for each question with classes; suspicious where the answers are better than chance.
    """
    material = Material.of(predictions, cohort)
    trials = []
    for asked in material.asked:
        keep = asked.truth >= 0
        fits = codes_of(material.predictions.table["fit"].astype(str).to_numpy()[keep])
        codes, who = asked.truth[keep], material.clusters[keep]
        value, p = against_shuffled(codes, asked.probability[keep], fits, who, seed)
        interval = area_with_interval(codes, asked.probability[keep], fits, who)[1]
        trials.append(
            Trial(
                f"leak{'.' + asked.name if asked.name else ''}",
                "leak",
                "Does a model that had nothing to learn rank test cases better than chance?",
                f"{asked.name + ': ' if asked.name else ''}With nothing to learn the AUROC is {told(value, interval)}.",
                value,
                interval,
                0.5,
                p,
                value > 0.5,
                len(codes),
                len(np.unique(who)),
            )
        )
    return trials
