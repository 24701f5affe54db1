"""Where the model fails: who was missed and who was alarmed for nothing, how scores lie, and what errors go with."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas

from preceptor.core.evidence import Predictions
from preceptor.maths.association import Association, group_difference, rank_correlation
from preceptor.maths.comparison import holm
from preceptor.prove.maps import pairs
from preceptor.prove.report.plots import Plot, case_plot
from preceptor.prove.report.record import Record
from preceptor.prove.report.worst_cases import Ranked, Shown, ranking, shown_case

#: Numbers with fewer values than this are groups rather than a scale.
_SCALE = 8
#: A field with more values than this, none of them a number, names cases rather than groups.
_MOST_GROUPS = 12
_FEWEST_CASES = 12


@dataclass(frozen=True)
class Mistake:
    """A case that was answered wrongly.

    Args:
        key: The case's key, never a patient's id.
        which: The class or label.
        kind: ``false positive`` (called, not there) or ``false negative`` (there, not called).
        score: Probability that was given to the class.
        words: For a reader.
    """

    key: str
    which: str
    kind: str
    score: float
    words: str


@dataclass(frozen=True)
class GoesWith:
    """An error and something it may go with.

    Args:
        name: Of the field.
        kind: ``scale`` (Spearman's rho, above 0: the larger, the worse) or ``groups`` (largest difference of means).
        value, interval, p: As measured.
        adjusted: p after correction for everything that was looked at (Holm).
        cases: How many entered.
        words: For a reader.
    """

    name: str
    kind: str
    value: float
    interval: tuple[float, float] | None
    p: float
    adjusted: float
    cases: int
    words: str


@dataclass(frozen=True)
class Failures:
    """What the report tells of failures.

    Args:
        mistakes: The surest first, kind by kind.
        counts: ``{class: (false positives, false negatives)}``.
        scores: Distribution of the scores by truth, a chart a class.
        error: What is meant by error in `goes_with`.
        goes_with: The smallest p first.
        note: What was not looked at, and why.
    """

    mistakes: tuple[Mistake, ...]
    counts: Mapping[str, tuple[int, int]]
    scores: tuple[Plot, ...]
    error: str
    goes_with: tuple[GoesWith, ...]
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain data, for the evidence's facts."""
        return {
            "mistakes": [vars(each) for each in self.mistakes],
            "counts": {name: list(each) for name, each in self.counts.items()},
            "error": self.error,
            "goes_with": [vars(each) | {"interval": each.interval and list(each.interval)} for each in self.goes_with],
            "note": self.note,
        }


def failures(record: Record, *, level: float = 0.95, seed: int = 0) -> Failures | None:
    """Everything above of a run's test cases; None where nothing was predicted.

    Args:
        record: The run.
        level: Of the intervals.
        seed: Of the resamples.
    """
    if record.predictions is None or not len(record.predictions.role("test")):
        return None
    tested = record.predictions.role("test")
    whole = not tested.question.dense and not tested.question.is_regression
    found = tuple(mistakes(tested)) if whole else ()
    ranked, by = ranking(record)
    badness = {each.key: each.badness for each in ranked if math.isfinite(each.badness)}
    associations, note = _associations(record, tested, badness, level, seed)
    counts = {
        name: tuple(sum(each.which == name and each.kind == kind for each in found) for kind in _KINDS)
        for name in (_asked(tested) if whole else ())
    }
    scores = tuple(score_plots(tested)) if whole else ()
    return Failures(found, counts, scores, by, associations, note)  # type: ignore[arg-type]


_KINDS = ("false positive", "false negative")


def mistakes(predictions: Predictions) -> Iterator[Mistake]:
    """Every false positive and false negative, the surest first.

    Of two classes that exclude each other the second is the one that is called or missed; of more, and of labels, each.

    Args:
        predictions: Of classes or labels, per case.
    """
    truth, question = predictions.truth_matrix(), predictions.question
    probability, answers = predictions.probabilities(), predictions.table["answer"].tolist()
    for which in _asked(predictions):
        at = question.classes.index(which)
        wrong: list[Mistake] = []
        for row, key in enumerate(predictions.table["key"]):
            said = answers[row] == which if question.exclusive else bool(json.loads(answers[row]).get(which))
            if np.isnan(truth[row, at]) or said == bool(truth[row, at]):
                continue
            score = float(probability[row, at])
            kind = _KINDS[0] if said else _KINDS[1]
            words = f"{'called' if said else 'missed'} {which}, probability {score:.2f}"
            if question.exclusive and len(question.classes) > 2 and not said:
                words = f"{which} taken for {answers[row]}, probability {score:.2f}"
            wrong.append(Mistake(str(key), which, kind, score, words))
        for kind, sign in zip(_KINDS, (-1, 1), strict=True):
            yield from sorted(
                (each for each in wrong if each.kind == kind), key=lambda each: (sign * each.score, each.key)
            )


def pictures(record: Record, found: Failures, most: int = 3) -> list[Shown]:
    """The surest mistakes of each class and kind, with their images.

    Args:
        record: The run.
        found: Its failures.
        most: Of each class and kind.
    """
    shown, taken = [], dict.fromkeys(((each.which, each.kind) for each in found.mistakes), 0)
    for each in found.mistakes:
        if taken[each.which, each.kind] < most:
            taken[each.which, each.kind] += 1
            shown.append(shown_case(Ranked(each.key, each.score, each.words), f"{each.kind}: {each.which}", record))
    return shown


def score_plots(predictions: Predictions) -> Iterator[Plot]:
    """The scores of each class, among cases with it and without it.

    Args:
        predictions: Of classes or labels, per case.
    """
    truth, probability = predictions.truth_matrix(), predictions.probabilities()
    keys = predictions.table["key"].astype(str).to_numpy()
    for which in _asked(predictions):
        at = predictions.question.classes.index(which)
        groups = [
            (
                label,
                dict(zip(keys[truth[:, at] == value], probability[truth[:, at] == value, at].tolist(), strict=True)),
            )
            for value, label in ((1, f"with {which}"), (0, f"without {which}"))
        ]
        chart = case_plot(groups, f"probability of {which}")
        if chart is not None:
            caption = "Every test case is a dot. The less the two rows share, the better the two are told apart."
            yield Plot(f"Scores for {which}, by what is true", chart, caption)


def _asked(predictions: Predictions) -> tuple[str, ...]:
    question = predictions.question
    return question.classes[1:] if question.exclusive and len(question.classes) == 2 else question.classes


# -------------------------------------------------------------------- what errors go with


def _associations(
    record: Record, tested: Predictions, badness: Mapping[str, float], level: float, seed: int
) -> tuple[tuple[GoesWith, ...], str]:
    """Every field of the cohort, the size of what was sought, and the quality that input control has seen."""
    if len(badness) < _FEWEST_CASES:
        return (), f"fewer than {_FEWEST_CASES} cases with an error of their own: what it goes with was not looked at"
    table = tested.table.drop_duplicates("key").set_index(tested.table.drop_duplicates("key")["key"].astype(str))
    columns: dict[str, Mapping[str, Any]] = {}
    for case in record.cohort or ():
        for name, value in case.fields.items():
            columns.setdefault(name, {})[case.key] = value  # type: ignore[index]
    if tested.question.dense and tested.question.task == "segmentation":
        columns["size of the structures"] = _sizes(tested)
    if "part:appearance" in table:
        columns["distance from the training images"] = table["part:appearance"].to_dict()
    found = []
    for name, values in columns.items():
        keys = [key for key in badness if key in table.index and not pandas.isna(values.get(key))]
        given = [values[key] for key in keys]
        cluster = table.loc[keys, "cluster"].astype(str).to_numpy()
        errors = np.array([badness[key] for key in keys])
        each = _goes_with(name, given, errors, cluster, level, seed) if len(keys) >= _FEWEST_CASES else None
        if each is not None:
            found.append(each)
    if not found:
        return (), "no field of the cohort varies enough to be held against the error"
    adjusted = holm(np.array([each.p for each in found]))
    found = [_said(replace(each, adjusted=float(p))) for each, p in zip(found, adjusted, strict=True)]
    note = (
        f"{len(found)} things were looked at; p is corrected for that (Holm). What goes together need not be a cause."
    )
    return tuple(sorted(found, key=lambda each: each.p)), note


def _goes_with(
    name: str, given: Sequence[Any], errors: np.ndarray, cluster: np.ndarray, level: float, seed: int
) -> GoesWith | None:
    """A scale where the values are many numbers, groups where they are few; None where they tell nothing."""
    numbers = pandas.to_numeric(pandas.Series(given, dtype=object), errors="coerce").to_numpy(dtype=float)
    if np.isfinite(numbers).all() and len(np.unique(numbers)) >= _SCALE:
        kind, found = "scale", rank_correlation(numbers, errors, cluster, level=level, seed=seed)
    else:
        groups = np.array([str(each) for each in given])
        sizes = np.unique(groups, return_counts=True)[1]
        if not 2 <= len(sizes) <= _MOST_GROUPS or sizes.min() < 2:
            return None
        kind, found = "groups", group_difference(errors, groups, cluster, seed=seed)
    return None if math.isnan(found.p) else _entry(name, kind, found, len(given))


def _entry(name: str, kind: str, found: Association, cases: int) -> GoesWith:
    return GoesWith(name, kind, found.value, found.interval, found.p, found.p, cases, "")


def _said(each: GoesWith) -> GoesWith:
    """The finding as a sentence."""
    sure = each.adjusted < 0.05
    if not sure:
        words = f"no sign that the error goes with {each.name}"
    elif each.kind == "groups":
        words = f"the error differs by {each.name}: by {each.value:.3g} between the best and the worst group"
    else:
        words = f"the {'larger' if each.value > 0 else 'smaller'} {each.name}, the larger the error"
    return replace(each, words=words)


def _sizes(predictions: Predictions) -> dict[str, float]:
    """How much of every case is structure, by its truth."""
    keys = predictions.table["key"].astype(str).to_numpy()
    return {str(keys[pair.row]): float((pair.truth > 0).sum() * np.prod(pair.spacing)) for pair in pairs(predictions)}
