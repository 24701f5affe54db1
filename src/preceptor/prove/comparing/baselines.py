"""Beside every result the least that it must beat: baselines made without asking, on the same cases and measures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas

from preceptor.core.cohort import Cohort
from preceptor.core.errors import PreceptorError
from preceptor.core.evidence import Evidence, Predictions, Question
from preceptor.core.files import write_aside
from preceptor.core.plugins import Task
from preceptor.core.slots import spec
from preceptor.prove.answering import answer_cases
from preceptor.prove.comparing import baseline_models, survival_baselines
from preceptor.prove.comparing.compare import compare
from preceptor.prove.judging import judge
from preceptor.prove.storing import read_predictions, write_predictions

#: What each is, in words.
DEFINITIONS = {
    "majority": "answers every case as the training cases are on average, without looking at it",
    "mean": "answers every case with the mean of the training cases, without looking at it",
    "forest": "a random forest on brightness, histogram and a thumbnail of the image",
    "kaplan_meier": "one Kaplan-Meier curve of the training cases for everybody, without looking at the case",
    "cox": "a ridge-penalised Cox model on brightness, histogram and a thumbnail of the image, and on the clinical columns",
    "mean_position": "every structure where it lay in the training cases on average, without looking at the image",
    "cnn": "a plain small convolutional network without methods or augmentation, trained for a limited time",
}

#: What a trained baseline was trained on, and for how long at most, in words.
_TOLD = "told.txt"


def answer_baselines(
    cohort: Cohort,
    store: Any,
    task: Task,
    *,
    seed: int,
    folder: Path,
    fit: str = "0",
    cnn: Callable[[], tuple[baseline_models.Answer, str]] | None = None,
    tell: Callable[[str], None] | None = None,
) -> dict[str, Predictions]:
    """Fit every baseline that suits the question on the training cases, and let it answer what the model answers.

    Args:
        cohort: With roles.
        store: Its prepared cases.
        task: What is asked.
        seed: Of the forest, and of the voxel samples.
        folder: The run's; label maps go below ``baselines/<name>/maps``.
        fit: Name of the group of fits whose roles these are.
        cnn: Trains a plain CNN, as `baseline_models.plain_cnn` does; None makes none.
        tell: Told what is made.

    Returns:
        ``{name: predictions}`` of the roles tune, test and external; empty for questions that none suits.
    """
    question, cases = task.question, cohort.with_role("tune", "test", "external")
    if not cases or not cohort.with_role("train"):
        return {}  # roles are dealt fold by fold, and this is not a fold's cohort
    makers: dict[str, Callable[[], baseline_models.Answer]] = {}
    if question.dense and question.task == "segmentation":
        makers["mean_position"] = lambda: baseline_models.mean_position(cohort, store, task, seed)
        if cnn is not None:
            makers["cnn"] = lambda: _trained(cnn, folder, tell)
    elif question.task == "survival":
        makers["kaplan_meier"] = lambda: survival_baselines.kaplan_meier_for_all(cohort, task)
        makers["cox"] = lambda: survival_baselines.cox(cohort, store, task, seed, cases)
        if cnn is not None:
            makers["cnn"] = lambda: _trained(cnn, folder, tell)
    elif not question.dense and (question.is_number or not question.is_regression):
        makers["mean" if question.is_number else "majority"] = lambda: baseline_models.most_common(cohort, task)
        makers["forest"] = lambda: baseline_models.forest(cohort, store, task, seed, cases)
        if cnn is not None:
            makers["cnn"] = lambda: _trained(cnn, folder, tell)
    found = {}
    for name, make in makers.items():
        if tell is not None:
            tell(f"baseline {name}: {DEFINITIONS[name]}")
        maps = folder / "baselines" / name / "maps" if question.dense else None
        answer = make()
        found[name] = answer_cases(answer, cases, cohort, store, task, seed=seed, fit=fit, maps=maps)
    return found


def _trained(
    cnn: Callable[[], tuple[baseline_models.Answer, str]], folder: Path, tell: Callable[[str], None] | None
) -> baseline_models.Answer:
    """The trained network; what it was trained on, and for how long, is kept beside its answers."""
    answer, told = cnn()
    if tell is not None:
        tell(f"baseline cnn: {told}")
    place = folder / "baselines" / "cnn" / _TOLD
    with write_aside(place) as aside:
        aside.write_text(told, encoding="utf-8")
    return answer


def _definition(name: str, given: Predictions) -> str:
    told = given.folder / _TOLD
    return f"{DEFINITIONS[name]} ({told.read_text(encoding='utf-8')})" if told.exists() else DEFINITIONS[name]


def write_baselines(folder: Path, groups: Sequence[Mapping[str, Predictions]]) -> None:
    """Store the baselines of every group of fits: ``baselines/<name>/predictions.parquet`` in the run's folder."""
    for name in dict.fromkeys(name for group in groups for name in group):
        place = folder / "baselines" / name
        place.mkdir(parents=True, exist_ok=True)
        write_predictions(place, [group[name] for group in groups if name in group])


def read_baselines(folder: Path, question: Question) -> dict[str, Predictions]:
    """What `write_baselines` wrote, in the order of `DEFINITIONS`; empty where nothing is."""
    places = {name: folder / "baselines" / name for name in DEFINITIONS}
    stored = {name: place for name, place in places.items() if (place / "predictions.parquet").exists()}
    return {name: read_predictions(place, question) for name, place in stored.items()}


def judge_baselines(
    baselines: Mapping[str, Predictions],
    predictions: Predictions,
    evidence: Evidence,
    cohort: Cohort,
    evaluators: Sequence[Any],
) -> dict[str, Any]:
    """Measure the baselines as the model was measured, and what the model has over each, in pairs.

    Args:
        baselines: As `answer_baselines` gives them.
        predictions: The model's, of the same cases.
        evidence: The model's.
        cohort: Whom they are of.
        evaluators: Section of the recipe; one that reads what a baseline has not is left out.

    Returns:
        For `Evidence.facts`, plain JSON: ``{"measures": {measure: {"model": {value, interval}, name: {value, interval,
        difference, difference_interval}}}, "definitions": {name: words}, "summary": sentence, "beaten": {name: bool}}``;
        ``beaten`` says whether the interval of the leading measure's difference lies on the model's side.
    """
    measures: dict[str, dict[str, Any]] = {}
    for each in evaluators:
        measure, _ = spec(each)
        own = evidence.findings.get(measure)
        if own is None:
            continue
        row: dict[str, Any] = {"model": _figures(own.value, own.interval)}
        for name, given in baselines.items():
            try:
                finding = judge(given, cohort, [each], []).findings[measure]
                row[name] = _figures(finding.value, finding.interval)
            except PreceptorError:  # it reads what only the model stores: a safeguard's number, a reader's answer
                continue
            row[name] |= _difference(predictions, given, each, own.higher_is_better)
        measures[measure] = row
    return {
        "measures": measures,
        "definitions": {name: _definition(name, given) for name, given in baselines.items()},
        "summary": _summary(measures),
        "beaten": _beaten(measures),
    }


def _difference(model: Predictions, baseline: Predictions, each: Any, higher_is_better: bool | None) -> dict[str, Any]:
    """Model minus baseline, resampled in pairs; nothing where the measure has no resamples to pair."""
    try:
        found = compare(model.role("test"), baseline.role("test"), measures=[each])
    except PreceptorError:
        return {}
    record = {
        "difference": found.value,
        "difference_interval": None if found.interval is None else list(found.interval),
    }
    if found.interval is None or higher_is_better is None:
        return record
    return record | {"beaten": found.interval[0] > 0 if higher_is_better else found.interval[1] < 0}


def _figures(value: float, interval: tuple[float, float] | None) -> dict[str, Any]:
    return {"value": None if pandas.isna(value) else value, "interval": None if interval is None else list(interval)}


def _summary(measures: Mapping[str, Mapping[str, Any]]) -> str:
    """``roc: majority 0.50, forest 0.71, model 0.82``"""
    for measure, row in measures.items():
        said = [
            f"{name} {row[name]['value']:.2f}"
            for name in (*(n for n in row if n != "model"), "model")
            if _known(row[name])
        ]
        if len(said) > 1:
            return f"{measure}: {', '.join(said)}"
    return ""


def _known(figures: Mapping[str, Any]) -> bool:
    return figures["value"] is not None


def _beaten(measures: Mapping[str, Mapping[str, Any]]) -> dict[str, bool]:
    """By the leading measure."""
    row = next(iter(measures.values()), {})
    return {name: bool(figures["beaten"]) for name, figures in row.items() if "beaten" in figures}
