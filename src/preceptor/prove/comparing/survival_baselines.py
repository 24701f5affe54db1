"""The least that a model of survival must beat: one curve for everybody, and Cox on what is plain to see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from preceptor.core.cohort import Case, Cohort, Sample
from preceptor.core.errors import TrainError
from preceptor.core.plain import is_missing
from preceptor.core.plugins import Prediction, Task
from preceptor.learn.follow_up import follow_up_of
from preceptor.maths.cox_model import choose_ridge, fit_cox
from preceptor.maths.survival_curves import breslow, kaplan_meier, survival_of
from preceptor.prove.comparing.baseline_models import Answer, training_cases
from preceptor.prove.comparing.simple_features import simple_features

#: Ridge penalties that cross-validation chooses from, for each event.
_PENALTIES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 10.0)
#: Different texts in a column that are told apart: more are names rather than kinds.
_MOST_KINDS = 20


def kaplan_meier_for_all(cohort: Cohort, task: Task) -> Answer:
    """Gives everybody the curve of the training cases: no case is told from another.

    Args:
        cohort: With the role train.
        task: `survival`.
    """
    time, event = _followed(cohort.with_role("train"), task)
    curve = kaplan_meier(time, event).at(np.array(task.question.times))
    return lambda sample, voxels: _answer(sample, task, 0.0, curve)


def cox(cohort: Cohort, store: Any, task: Task, seed: int, asked: Sequence[Case]) -> Answer:
    """A Cox model on the simple features of the prepared image and the task's clinical columns.

    Numbers are standardised over the training cases, texts are one column for each kind, and what is missing counts as
    the mean. The ridge penalty is chosen by cross-validation among the training cases; curves stand on Breslow's
    baseline.

    Args:
        cohort: With the role train.
        store: Its prepared cases.
        task: `survival`; its `clinical` names the columns.
        seed: Of the folds.
        asked: The cases it will be asked about.

    Raises:
        TrainError: No training case had the event.

    Source: Cox 1972; Verweij & Van Houwelingen 1993 and 1994.
    """
    cases = [case for case in training_cases(cohort, seed) if follow_up_of(case, task.question) is not None]
    time, event = _followed(cases, task)
    if not event.any():
        raise TrainError(
            "no training case had the event: there is nothing to learn from",
            expected="cases with the event among those that are learnt from",
            code="no_event",
        )
    columns = tuple(getattr(task, "clinical", None) or ())
    read = _reader(cohort, store, cases, columns)
    features, seen = read(cases), read(asked)
    known = ~np.isnan(features).all(axis=0)
    features, seen = features[:, known], seen[:, known]
    middle, spread = np.nanmean(features, axis=0), np.nanstd(features, axis=0)
    varied = spread > 1e-9
    features, seen = (
        np.nan_to_num(((each - middle) / np.where(varied, spread, 1))[:, varied]) for each in (features, seen)
    )
    penalties = [each * event.sum() for each in _PENALTIES]
    ridge = choose_ridge(features, time, event, penalties, folds=min(5, max(2, int(event.sum()))), seed=seed)
    weights = fit_cox(features, time, event, ridge=ridge)
    baseline = breslow(time, event, features @ weights)
    risk = seen @ weights
    curves = survival_of(baseline, risk, np.array(task.question.times))
    answers = {case.key: (float(each), curve) for case, each, curve in zip(asked, risk, curves, strict=True)}
    return lambda sample, voxels: _answer(sample, task, *answers[sample.key])


def _followed(cases: Sequence[Case], task: Task) -> tuple[np.ndarray, np.ndarray]:
    known = [told for case in cases if (told := follow_up_of(case, task.question)) is not None]
    values = np.array(known, dtype=float).reshape(-1, 2)
    return values[:, 0], values[:, 1] == 1


def _reader(
    cohort: Cohort, store: Any, cases: Sequence[Case], columns: Sequence[str]
) -> Callable[[Sequence[Case]], np.ndarray]:
    """Reads cases as ``(case, feature)``; the kinds of a text column are those of the training cases."""
    like = store.sample(cases[0].key).reference
    looks = (cohort.views, like.channels, like.space_dims)
    kinds: dict[str, list[str] | None] = {}
    for column in columns:
        values = [case.fields.get(column, case.labels.get(column)) for case in cases]
        texts = sorted({str(value) for value in values if not is_missing(value) and _number(value) is None})
        kinds[column] = texts[:_MOST_KINDS] or None

    def clinical(case: Case) -> list[float]:
        found: list[float] = []
        for column, texts in kinds.items():
            value = case.fields.get(column, case.labels.get(column))
            missing = is_missing(value)
            if texts is None:
                number = None if missing else _number(value)
                found.append(float("nan") if number is None else number)
            else:
                found += [float("nan") if missing else float(str(value) == text) for text in texts]
        return found

    def read(group: Sequence[Case]) -> np.ndarray:
        return np.stack([np.append(simple_features(store.sample(each.key), *looks), clinical(each)) for each in group])

    return read


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _answer(sample: Sample, task: Task, risk: float, curve: np.ndarray) -> Prediction:
    made = Prediction(sample.key, task.question, np.array([risk]), affine_mm=sample.reference.affine_mm)
    made.survival = np.asarray(curve, dtype=float)
    return made
