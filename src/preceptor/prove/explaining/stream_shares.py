"""How much each of several inputs counts: Shapley's shares of the performance, over views and columns of a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from preceptor.core.cohort import Cohort, Sample
from preceptor.core.errors import CohortError, RecipeError
from preceptor.core.evidence import Finding
from preceptor.core.plugins import Prediction, Task
from preceptor.maths.association import rank_statistic
from preceptor.maths.intervals import Bootstrap, Resamples, Statistic, average_of, bootstrap, mean_statistic
from preceptor.maths.roc import auroc_statistic
from preceptor.maths.shapley import all_coalitions, exact_shapley

#: So many streams are asked for exactly: 2 to this power answers a case.
_MOST_STREAMS = 8


def stream_shares(
    answering: Callable[[Sample], Prediction],
    store: Any,
    cohort: Cohort,
    task: Task,
    *,
    fields: Sequence[str] = (),
    roles: Sequence[str] = ("test", "external"),
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Finding:
    """Share the performance out among the inputs: what each adds on average over every order of adding them.

    A view is hidden as a missing one is: it is not there (`present` is false), so the model must be one that answers
    without it. A field of a table is hidden by its mean over the cases asked. Without anything the model's answer is
    that of chance. Views that a case lacks add nothing there.

    Args:
        answering: An `Answering` or a `Model`: answers a prepared case.
        store: Prepared cases.
        cohort: Names the views.
        task: AUROC (mean over classes) for a class, Spearman's correlation for a number, Dice (mean over structures) for
            a segmentation.
        fields: Columns that the model reads beside its images.
        roles: Whose cases are asked.
        resamples: Of the clusters.
        level: Of the intervals.
        seed: Of the resamples.

    Returns:
        The value is the performance with all streams; ``parts`` hold each stream's share, which add up to the value
        less chance, and ``alone_<stream>``.

    Raises:
        CohortError: There is no such case, or there is one stream alone.
        RecipeError: There are too many streams to try every set of them.

    Source: Shapley 1953; shares of performance as in Covert et al. 2020 (SAGE), arXiv:2004.00668, equation 2, by hiding
        in place of integrating.
    """
    cases, streams = cohort.with_role(*roles), [*cohort.views, *fields]
    if not cases or len(streams) < 2:
        raise CohortError(
            "there is one input alone: nothing to share out" if len(streams) == 1 else f"{len(cases)} cases were asked",
            expected="cases of these roles, and two views or fields at least",
            code="streams_too_few",
        )
    if len(streams) > _MOST_STREAMS:
        raise RecipeError(
            f"{len(streams)} streams make {2 ** len(streams)} sets to ask for",
            expected=f"at most {_MOST_STREAMS} views and fields together",
            code="streams_too_many",
        )
    samples = [store.sample(case.key) for case in cases]
    means = {name: float(np.nanmean([_number(sample.fields.get(name)) for sample in samples])) for name in fields}
    clusters = np.array([case.cluster for case in cases])
    drawn = Resamples.of(clusters, resamples, seed)
    measure, chance = _measure(task)
    worth: list[Bootstrap] = []
    for members in all_coalitions(len(streams)):
        kept = {name for name, member in zip(streams, members, strict=True) if member}
        if not kept & set(cohort.views):
            worth.append(bootstrap(lambda counts: np.full(counts.shape[1], chance), drawn, accelerated=False))
            continue
        answers = [_answer(answering, sample, kept, means, task) for sample in samples]
        worth.append(bootstrap(_statistic(task, samples, answers, drawn, chance), drawn))
    whole = worth[-1]
    shares = exact_shapley(np.array([each.value for each in worth]))
    resampled = exact_shapley(np.stack([each.values for each in worth]))
    nudged = [each.jackknife for each in worth]
    common: dict[str, Any] = {"level": level, "cases": len(cases), "clusters": len(np.unique(clusters))}
    common |= {"method": f"bootstrap of {len(np.unique(clusters))} clusters, {resamples} resamples"}
    parts = {}
    for index, name in enumerate(streams):
        jackknife = None
        if all(each is not None for each in nudged):
            jackknife = exact_shapley(np.stack([np.asarray(each) for each in nudged]))[index]
        share = Bootstrap(float(shares[index]), resampled[index], whole.key, jackknife)
        told = f"Shapley's share of {name} in the {measure} above {chance:g}"
        parts[name] = _part(f"stream_shares.{name}", share, told, common)
        alone = worth[2**index]
        parts[f"alone_{name}"] = _part(f"stream_shares.alone_{name}", alone, f"{measure} with {name} alone", common)
    found = _part("stream_shares", whole, f"{measure} with {', '.join(streams)} together", common)
    return replace(found, parts=parts)


def _part(name: str, drawn: Bootstrap, definition: str, common: dict[str, Any]) -> Finding:
    interval = drawn.interval(common["level"]) if common["clusters"] > 1 else None
    ends = None if interval is None else (interval.lower, interval.upper)
    return Finding(name=name, value=drawn.value, definition=definition, interval=ends, bootstrap=drawn, **common)


def _measure(task: Task) -> tuple[str, float]:
    if task.question.dense:
        return "Dice", 0.0
    return ("Spearman's correlation", 0.0) if task.question.is_number else ("AUROC", 0.5)


def _answer(
    answering: Callable[[Sample], Prediction], sample: Sample, kept: set[str], means: dict[str, float], task: Task
) -> np.ndarray | None:
    """What is said with these streams; None where the case has none of their views."""
    images = {view: image for view, image in sample.images.items() if view in kept}
    if not images:
        return None
    fields = {
        name: means[name] if name in means and name not in kept else value for name, value in sample.fields.items()
    }
    prediction = answering(replace(sample, images=images, fields=fields))
    if not task.question.dense:
        return np.asarray(prediction.probability, dtype=np.float64)
    truth = sample.masks[task.mask or ""].array[0]
    known = truth >= 0
    scores = []
    for index in range(1, len(task.question.classes)):
        said, true = (prediction.label == index) & known, truth == index
        if said.any() or true.any():
            scores.append(2 * float((said & true).sum()) / float(said.sum() + true.sum()))
    return np.array([np.mean(scores) if scores else np.nan])


def _statistic(
    task: Task, samples: Sequence[Sample], answers: Sequence[np.ndarray | None], drawn: Resamples, chance: float
) -> Statistic:
    question = task.question
    if question.dense:
        return mean_statistic(np.array([0.0 if each is None else each[0] for each in answers]), drawn)
    # A case without any of these views is told what the others are told on average: nothing.
    known = [each for each in answers if each is not None]
    nothing = np.mean(known, axis=0) if known else np.zeros(len(question.classes))
    said = np.stack([nothing if each is None else each for each in answers])
    truth = [np.asarray(task.encode(sample)[question.target]) for sample in samples]
    if question.is_number:
        return rank_statistic(np.array([float(each[0]) for each in truth]), said[:, 0], drawn)
    if not question.exclusive:
        columns = list(np.array([np.asarray(each, float) for each in truth]).T)
        places = list(range(len(columns)))
    else:
        codes = np.array([int(each) for each in truth])
        places = [1] if len(question.classes) == 2 else list(range(len(question.classes)))
        columns = [np.where(codes < 0, np.nan, codes == index) for index in range(len(question.classes))]
    told = [index for index in places if len(np.unique(columns[index][~np.isnan(columns[index])])) == 2]
    return average_of([auroc_statistic(columns[index], said[:, index], drawn) for index in told])


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
