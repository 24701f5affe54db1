"""Which cases to look at, and how they look: the worst, and for comparison a typical one and the best."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from preceptor.core.cohort import Case
from preceptor.core.errors import PreceptorError
from preceptor.core.evidence import Question
from preceptor.core.image import Image
from preceptor.prove.report.pictures import label_layer, most_shown, view_of
from preceptor.prove.report.record import Record
from preceptor.prove.report.sprites import figure
from preceptor.prove.report.wording import answers_of, number, title_of

_WORST = 4


@dataclass(frozen=True)
class Ranked:
    """A case by how well it went.

    Args:
        key: The case.
        badness: Larger is worse.
        words: Its value, for a reader.
    """

    key: str
    badness: float
    words: str


@dataclass(frozen=True)
class Shown:
    """A case on the page.

    Args:
        key: Its key, never a patient's id.
        why: ``worst``, ``typical`` or ``best``.
        words: Its value.
        facts: ``(name, value)``: truth, answer, probabilities, uncertainty, whether it was accepted.
        figures: One per view, as `sprites.figure` makes them.
        missing: Why there is no picture, where there is none.
    """

    key: str
    why: str
    words: str
    facts: tuple[tuple[str, str], ...]
    figures: tuple[Mapping[str, Any], ...]
    missing: str = ""


def ranking(record: Record) -> tuple[list[Ranked], str]:
    """Every test case from worst to best, and by what.

    By the headline's value per case; where it has none, by the first finding that has; else by the probability that
    was given to the truth, or by the distance from it.
    """
    evidence, question = record.evidence, record.question
    headline = evidence.facts.get("headline")
    measured = [name for name in [headline, *evidence] if name in evidence.findings]
    for name in dict.fromkeys(each for each in measured if not each.startswith("external.")):
        finding = evidence[name]
        values = {key: value for key, value in finding.per_case.items() if value is not None and math.isfinite(value)}
        if values and (question.dense or finding.higher_is_better is not None):
            sign = 1.0 if finding.higher_is_better is False else -1.0
            title = title_of(name)
            found = [
                Ranked(key, sign * value, f"{title} {number(value, finding.unit)}") for key, value in values.items()
            ]
            return _sorted(found), title
    if record.predictions is None or question.dense or (question.is_regression and not question.is_number):
        return [], ""
    rows = record.predictions.role("test").table.to_dict("records")
    found = [each for each in (_by_truth(row, record) for row in rows) if each is not None]
    by = "the distance from the truth" if question.is_regression else "the probability given to the truth"
    return _sorted(found), by


def shown_cases(record: Record, most: int = _WORST) -> list[Shown]:
    """The worst cases (of few, half of them), a typical one and the best, with their pictures.

    Args:
        record: The run.
        most: How many of the worst.
    """
    ranked, _ = ranking(record)
    most = min(most, max(1, len(ranked) // 2))
    chosen = [(each, "worst") for each in ranked[:most]]
    rest = ranked[most:]
    if rest:
        typical, best = ranked[len(ranked) // 2], ranked[-1]
        chosen += [(typical, "typical")] if typical in rest and typical is not best else []
        chosen.append((best, "best"))
    return [shown_case(each, why, record) for each, why in chosen]


# -------------------------------------------------------------------- ranking


def _by_truth(row: Mapping[str, Any], record: Record) -> Ranked | None:
    question = record.question
    if question.is_regression:
        distance = abs(float(row["answer"]) - float(row["truth"])) if row["truth"] is not None else float("nan")
        words = f"off by {number(distance, question.unit)}"
    elif question.exclusive:
        given = row.get(f"probability_{row['truth']}")
        distance = float("nan") if given is None else -float(given)
        words = f"probability {number(given)} for the truth"
    else:
        truths = json.loads(row["truth"])
        given = [abs(row[f"probability_{name}"] - truth) for name, truth in truths.items() if truth is not None]
        distance = float(np.mean(given)) if given else float("nan")
        words = f"probabilities {number(distance)} from the truth on average"
    return Ranked(str(row["key"]), distance, words) if math.isfinite(distance) else None


def _sorted(found: Sequence[Ranked]) -> list[Ranked]:
    return sorted(found, key=lambda each: (-each.badness, each.key))


# -------------------------------------------------------------------- showing


def shown_case(ranked: Ranked, why: str, record: Record) -> Shown:
    """A case with what is known of it and its pictures; where there is no picture, why.

    Args:
        ranked: The case and its value in words.
        why: It is shown.
        record: The run.
    """
    row = _row(record, ranked.key)
    facts = _facts(row, record)
    if record.cohort is None:
        return Shown(ranked.key, why, ranked.words, facts, (), "no cohort lies in the run's folder")
    try:
        figures = _figures(record.cohort[ranked.key], row, record, ranked.words)
    except KeyError:
        return Shown(ranked.key, why, ranked.words, facts, (), "the case is not in the cohort's table")
    except (PreceptorError, OSError) as error:
        reason = error.problem.what if isinstance(error, PreceptorError) else "its image is not where it was"
        return Shown(ranked.key, why, ranked.words, facts, (), reason)
    return Shown(ranked.key, why, ranked.words, facts, tuple(figures))


def _row(record: Record, key: str) -> dict[str, Any]:
    if record.predictions is None:
        return {}
    table = record.predictions.table
    rows = table[(table["key"] == key) & table["role"].isin(["test", "external"])].to_dict("records")
    return rows[0] if rows else {}


def _facts(row: Mapping[str, Any], record: Record) -> tuple[tuple[str, str], ...]:
    facts = []
    if row and not record.question.dense:
        unit = f" {record.question.unit}" if record.question.unit else ""
        facts += [("Truth", answers_of(row.get("truth")) + unit), ("Answer", answers_of(row.get("answer")) + unit)]
        for name in record.question.classes[:6]:
            given = row.get(f"probability_{name}")
            if given is not None:
                facts.append((f"p({name})", number(float(given))))
    uncertainty = row.get("uncertainty")
    if uncertainty is not None and math.isfinite(uncertainty):
        facts.append(("Uncertainty", number(float(uncertainty))))
    if row and not bool(row.get("accepted", True)):
        facts.append(("Refused", str(row.get("reasons") or "no reason given")))
    return tuple(facts)


def _figures(case: Case, row: Mapping[str, Any], record: Record, words: str) -> list[Mapping[str, Any]]:
    from preceptor.intake.case import open_case

    cohort = record.cohort
    assert cohort is not None
    if not case.images:
        return []  # predictions of another tool: a table without images
    sample = open_case(cohort.root, case, masks=())
    found: list[Mapping[str, Any]] = []
    for name, image in sample.images.items():
        truth, answer = _maps(case, row, record, image) if record.question.dense and not found else (None, None)
        layers = []
        difference = _difference(truth, answer)
        centre = None if difference is None else _centre(image, difference)
        view, stack = view_of(image, centre)
        classes = record.question.classes
        if answer is not None:
            layers.append(label_layer("answer", "fill", answer, view, classes))
        if truth is not None:
            layers.append(label_layer("truth", "outline", truth, view, classes))
        first = None if difference is None else most_shown(view.of(difference))
        seen = f"{name}, case {case.key}, {words}"
        if layers:
            seen += "; the model's answer filled, the truth outlined"
        found.append(
            {"title": name, **figure(stack, layers, first if first is not None else len(stack.grey) // 2, seen)}
        )
    return found


def _maps(
    case: Case, row: Mapping[str, Any], record: Record, image: Image
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Truth and answer as class indices on the image's grid; None where a map is missing."""
    from preceptor.intake.door import read_apart

    def indices(path: Any) -> np.ndarray | None:
        if not isinstance(path, str) or not path:
            return None
        return _indices(read_apart(record.folder, path, is_label=True), image, record.question)

    return indices(row.get("truth_path")), indices(row.get("answer"))


def _indices(label: Image, like: Image, question: Question) -> np.ndarray:
    """A label map's values as class indices on another image's grid; what is not declared is background."""
    array = label.array
    same = array.shape[1:] == like.shape and np.allclose(label.affine_mm, like.affine_mm, atol=1e-3)
    if not same:
        from preceptor.prepare.compose import resample_like

        array = resample_like(array, label.affine_mm, like, nearest=True)
    if question.numbered:
        return (array[0] > 0).astype(np.uint8)
    index = np.zeros(array.shape[1:], np.uint8)
    for position, value in enumerate(question.values):
        index[array[0] == value] = position
    return index


def _difference(truth: np.ndarray | None, answer: np.ndarray | None) -> np.ndarray | None:
    """Where to look: where truth and answer differ; else where either marks something."""
    if truth is None or answer is None:
        only = truth if truth is not None else answer
        return None if only is None else (only > 0).astype(np.uint8)
    wrong = (truth != answer).astype(np.uint8)
    return wrong if wrong.any() else ((truth > 0) | (answer > 0)).astype(np.uint8)


def _centre(image: Image, difference: np.ndarray) -> int | None:
    """The voxel along the slicing axis with most to look at."""
    if difference.ndim == 2:
        return None
    axis = view_of(image)[0].order[0]
    other = tuple(each for each in range(3) if each != axis)
    return int(difference.sum(axis=other).argmax())
