"""Fields of the cohort as shortcuts: do they go with the class, and can they be read from the features?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas

from preceptor.core.evidence import Predictions
from preceptor.maths.contingency import cramers_v
from preceptor.maths.linear_probe import folds_of, probe_matrix, probe_scores
from preceptor.maths.shuffles import auroc_of_columns, chance_of, shuffled, tail_of
from preceptor.prove.divisions import Division, divisions

from .areas import SHUFFLES, area_with_interval, codes_of, told
from .material import Asked, Material, Shown
from .suspicion import Trial

#: Patients that a group needs, and how far from chance a reading and how strong a tie must be to matter.
SMALLEST, FAR, STRONG = 10, 0.1, 0.15

#: Shuffles of the tie between field and class: they cost little, and their tail is not normal.
TIE_SHUFFLES = 4999


@dataclass(frozen=True, eq=False)
class Field:
    """One field among the audited rows and in the whole cohort.

    Args:
        name: ``site``.
        value: ``(row,)`` text, "" where unknown.
        code: ``(row,)`` the group, small ones together as the last; -1 where unknown.
        tie: Cramér's V with the class in the whole cohort; NaN without classes.
        tie_p: Its p among shuffled patients.
    """

    name: str
    value: np.ndarray
    code: np.ndarray
    tie: float
    tie_p: float


def fields_of(material: Material, asked: Asked | None, names: Sequence[str] | None, seed: int = 0) -> list[Field]:
    """Every field that has two groups or more among the audited rows.

    Args:
        material: What there is.
        asked: The question whose classes a field may go with.
        names: Which fields; None takes sex, age, site, scanner, view and quality.
        seed: Of the shuffles.
    """
    here = _divided(material.predictions, material, names)
    whole = {each.name: each for each in _divided(*_everyone(material, asked), names)}
    found = []
    for each in here:
        code = _coded(each, material.clusters)
        if len(np.unique(code[code >= 0])) < 2:
            continue
        tie, p = float("nan"), float("nan")
        if asked is not None and each.name in whole:
            tie, p = _tie(whole[each.name], *_truth_of_everyone(material, asked), seed)
        found.append(Field(each.name, each.group, code, tie, p))
    return found


def probe(shown: Shown, field: Field, asked: Asked | None, clusters: np.ndarray, seed: int) -> Trial | None:
    """Can the field be read from the features among cases of one class?

    A field that is independent of the class is no shortcut however plainly it shows, so the trial's p is the larger of
    that of the reading and that of the tie between field and class in the cohort. Controls stand in the evidence: the
    same probe on shuffled values, on simple statistics of the image in place of features, and the class alone.

    Args:
        shown: With features.
        field: Among the rows of the predictions.
        asked: The question; None where there are no classes, and the trial informs alone.
        clusters: ``(row,)`` integer id of each row's patient.
        seed: Of the folds and shuffles.
    """
    if shown.features is None:
        return None
    truth = np.zeros(len(field.code), dtype=int) if asked is None else asked.truth
    keep = (field.code[shown.row] >= 0) & (truth[shown.row] >= 0)
    rows = shown.row[keep]
    codes, names = codes_of(field.code[rows]), codes_of(shown.fit[keep])
    if len(np.unique(codes)) < 2:
        return None
    who = clusters[rows]
    # Scores of two networks, and cases of two classes, are not compared with one another.
    stratum = codes_of(truth[rows]) * (names.max() + 1) + names
    fold = folds_of(who, 5, seed)
    reading = _read(probe_matrix(shown.features[keep], fold, names), codes, stratum, who, seed)
    plain = probe_matrix(simple_statistics(shown)[keep], fold)
    simple = _area(plain, codes, stratum)
    number = int(codes.max()) + 1
    value, interval = area_with_interval(codes, reading.scores, stratum, who)
    by_class = _by_class(codes, truth[rows], number)
    subject = field.name.capitalize()
    evidence = {
        "shuffled values": reading.shuffled,
        "simple image statistics": simple,
        "class alone": by_class,
        "tie with the class (Cramér's V)": field.tie,
        "p of the reading": reading.p,
        "p of the tie": field.tie_p,
    }
    question = f"Can {field.name} be read from the features among cases of one class, and does it go with the class?"
    if np.isnan(value):
        said = f"{subject} and class are one: no two cases of a class differ in it, and nothing can tell them apart."
        return Trial(
            f"features.{field.name}",
            field.name,
            question,
            said,
            field.tie,
            None,
            0.0,
            field.tie_p,
            field.tie >= 0.9,
            len(rows),
            len(np.unique(who)),
            evidence,
        )
    tie = (
        f"it goes with the class in this cohort (Cramér's V {field.tie:.2f})" if np.isfinite(field.tie) else "no class"
    )
    said = (
        f"{subject} can be read from the features of cases of one class: AUROC {told(value, interval)} "
        f"(shuffled {reading.shuffled:.2f}, simple image statistics {simple:.2f}); {tie}."
    )
    return Trial(
        f"features.{field.name}",
        field.name,
        question,
        said,
        value,
        interval,
        0.5,
        max(reading.p, field.tie_p) if np.isfinite(field.tie_p) else float("nan"),
        value - 0.5 >= FAR and field.tie >= STRONG,
        len(rows),
        len(np.unique(who)),
        evidence,
    )


def simple_statistics(shown: Shown) -> np.ndarray:
    """``(case, statistic)`` of every view: mean, spread, quantiles, roughness, and how bright corners are."""
    columns = []
    for small in shown.thumbnails().values():
        flat = np.nan_to_num(small.reshape(len(small), -1).astype(np.float64))
        rough = [np.abs(np.diff(small, axis=axis)).mean(tuple(range(1, small.ndim))) for axis in range(1, small.ndim)]
        corners = np.nan_to_num(small[(slice(None), *(slice(0, 2),) * (small.ndim - 1))])
        columns += [flat.mean(1), flat.std(1), *np.quantile(flat, [0.01, 0.25, 0.5, 0.75, 0.99], axis=1)]
        columns += [np.nan_to_num(each) for each in rough] + [corners.reshape(len(small), -1).mean(1)]
    return np.stack(columns, axis=1)


@dataclass(frozen=True, eq=False)
class _Reading:
    scores: np.ndarray
    shuffled: float
    p: float


def _read(matrix: np.ndarray, codes: np.ndarray, stratum: np.ndarray, who: np.ndarray, seed: int) -> _Reading:
    number = int(codes.max()) + 1
    dealt = shuffled(codes, who, stratum, SHUFFLES, seed)
    areas = auroc_of_columns(dealt, probe_scores(matrix, dealt, number), stratum)
    scores = probe_scores(matrix, codes[:, None], number)
    observed = float(auroc_of_columns(codes[:, None], scores, stratum)[0])
    expected = float(np.nanmean(areas)) if np.isfinite(areas).any() else float("nan")
    return _Reading(scores[:, :, 0], expected, tail_of(observed, areas))


def _area(matrix: np.ndarray, codes: np.ndarray, stratum: np.ndarray) -> float:
    scores = probe_scores(matrix, codes[:, None], int(codes.max()) + 1)
    return float(auroc_of_columns(codes[:, None], scores, stratum)[0])


def _by_class(codes: np.ndarray, truth: np.ndarray, number: int) -> float:
    """How well the class alone tells the field: the share of each group among the cases of the class."""
    share = np.stack([[np.mean(codes[truth == each] == code) for each in truth] for code in range(number)], axis=1)
    return float(auroc_of_columns(codes[:, None], share[:, :, None], np.zeros(len(codes), dtype=int))[0])


def _divided(predictions: Predictions, material: Material, names: Sequence[str] | None) -> list[Division]:
    return divisions(predictions, material.cohort, names, smallest=SMALLEST, intersections=False)[0]


def _coded(division: Division, clusters: np.ndarray) -> np.ndarray:
    """Large groups by their place; small ones together, where they are enough patients."""
    code = np.full(len(division.group), -1)
    for at, name in enumerate(division.groups):
        code[division.of(name)] = at
    rest = division.known & (code < 0)
    if len(np.unique(clusters[rest])) >= SMALLEST:
        code[rest] = len(division.groups)
    return code


def _everyone(material: Material, asked: Asked | None) -> tuple[Predictions, Material]:
    """The whole cohort as rows: a model learns what goes together among its training cases."""
    if material.task is None or asked is None or not len(material.cohort):
        return material.predictions, material
    rows = [
        {"key": case.key, "cluster": case.cluster, **{f"field:{name}": value for name, value in case.fields.items()}}
        for case in material.cohort
    ]
    question, folder = material.predictions.question, material.predictions.folder
    return Predictions(pandas.DataFrame(rows), question, folder), material


def _truth_of_everyone(material: Material, asked: Asked) -> tuple[np.ndarray, np.ndarray]:
    """``(row,)`` codes of the class, and integer ids of the patients, as `_everyone` lists the rows."""
    if material.task is None or not len(material.cohort):
        return asked.truth, material.clusters
    target = material.predictions.question.target
    encoded = [np.asarray(material.task.encode(case)[target]) for case in material.cohort]
    codes = [float(each) if each.ndim == 0 else float(each[asked.columns[-1]]) for each in encoded]
    who = codes_of([case.cluster for case in material.cohort])
    return np.nan_to_num(np.array(codes), nan=-1).astype(int), who


def _tie(division: Division, truth: np.ndarray, who: np.ndarray, seed: int) -> tuple[float, float]:
    """Cramér's V of the groups with the class, and the p of the tie.

    The p is of every value by itself, small ones too: fifty hospitals that sent one class each are a tie that groups
    of ten patients do not show, and shuffled patients know how large V is by chance where values are many.
    """
    code = _coded(division, who)
    keep = (code >= 0) & (truth >= 0)
    known = division.known & (truth >= 0)
    if len(np.unique(code[keep])) < 2 or len(np.unique(truth[keep])) < 2:
        return float("nan"), float("nan")
    value = float(cramers_v(codes_of(code[keep])[:, None], codes_of(truth[keep]))[0])
    classes, values = codes_of(truth[known]), codes_of(division.group[known])
    # What is shuffled is the class: it has few codes, and the tie is the same either way.
    dealt = shuffled(classes, who[known], np.zeros(len(classes), dtype=int), TIE_SHUFFLES, seed)
    return value, chance_of(float(cramers_v(classes[:, None], values)[0]), cramers_v(dealt, values))
