"""`Answering`: a model behind its safeguards; and the table of what it answered."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import torch

from preceptor.core.cohort import Case, Cohort, Sample
from preceptor.core.errors import Refusal
from preceptor.core.evidence import Predictions
from preceptor.core.files import digest_file
from preceptor.core.plugins import Pass, Prediction, Task
from preceptor.intake.case import open_case
from preceptor.intake.write import write_map
from preceptor.learn.features import observe
from preceptor.learn.model import Model
from preceptor.prepare.compose import resample_like

from .splitting import split_uncertainty


@dataclass(frozen=True)
class Answering:
    """A model and the safeguards between its output and a person.

    Args:
        model: The networks.
        safeguards: Fitted, in the order they act.
        states: What each was fitted to; None where nothing is fitted.
        observing: Leave every case's features in its prediction whether or not a safeguard reads them.
    """

    model: Model
    safeguards: tuple[Any, ...] = ()
    states: tuple[Any, ...] = ()
    observing: bool = False

    @property
    def passes(self) -> list[Pass]:
        """The plain pass, and those that safeguards ask for."""
        passes = [Pass()]
        for safeguard in self.safeguards:
            passes += [each for each in getattr(safeguard, "passes", list)() if each not in passes]
        return passes

    @property
    def recalibrate(self) -> Callable[[torch.Tensor], torch.Tensor] | None:
        """What safeguards do to probabilities voxel by voxel, one after the other; None where none does."""
        pointwise = [each.recalibrate for each in self.safeguards if hasattr(each, "recalibrate")]
        return _chain(pointwise) if pointwise else None

    def __call__(self, sample: Sample, voxels: np.random.Generator | None = None) -> Prediction:
        """Predict a prepared sample and pass the answer through every safeguard."""
        prediction = self.model(sample, passes=self.passes, recalibrate=self.recalibrate, voxels=voxels)
        split_uncertainty(prediction)
        prediction.sample = sample
        if self.observing or any(map(_reads_features, self.safeguards)):
            observed = observe(self.model, sample)
            prediction.features, prediction.outputs = observed.features, observed.outputs
        for safeguard in self.safeguards:
            prediction = safeguard(prediction)
        prediction.sample = None
        return prediction


def fit_safeguards(
    model: Model, given: Sequence[Any], cohort: Cohort, store: Any, task: Task, seed: int, tell: Callable[[str], None]
) -> Answering:
    """Fit the safeguards in order, each on the answers that those before it let through.

    Args:
        model: The networks.
        given: Safeguards as built from the recipe.
        cohort: With the roles of this fit.
        store: Its prepared cases.
        task: The task.
        seed: Of the voxel samples.
        tell: Told what is fitted on how many cases.

    Raises:
        Refusal: A safeguard's role has no case: what it promises would be void.
    """
    answering = Answering(model)
    plain: dict[str, Predictions] = {}

    def answers(role: str) -> Predictions:
        """Plain answers with features; asked once for all safeguards, since they are before any."""
        if role not in plain:
            observing = Answering(model, observing=True)
            plain[role] = answer_cases(observing, cohort.with_role(role), cohort, store, task, seed=seed)
        return plain[role]

    for safeguard in given:
        state = None
        if hasattr(safeguard, "fit"):
            role = getattr(safeguard, "fit_role", "calibrate")
            cases = cohort.with_role(role)
            name = type(safeguard).__name__
            if not cases:
                raise Refusal(
                    f"{name} is fitted on cases with the role '{role}', and there are none",
                    where="safeguards",
                    expected=f"a share for '{role}' in `split`",
                    remedy=f"give `split` a {role} share, or leave {name} out",
                    code="no_calibrate_cases",
                )
            tell(f"fitting {name} on {len(cases)} {role} cases")
            reads = _reads_features(safeguard)
            asked = replace(answering, observing=reads)
            labels = bool(getattr(safeguard, "reads_labels", False))
            predictions = answer_cases(asked, cases, cohort, store, task, seed=seed, labels=labels)

            def samples(role: str = "train") -> Iterator[Sample]:
                return (store.sample(case.key) for case in cohort.with_role(role))

            state = safeguard.fit(predictions, samples, *([answers] if reads else []))
            safeguard = safeguard.with_state(state)
        answering = Answering(model, (*answering.safeguards, safeguard), (*answering.states, state))
    return answering


def answer_cases(
    answering: Callable[[Sample, np.random.Generator | None], Prediction],
    cases: Iterable[Case],
    cohort: Cohort,
    store: Any,
    task: Task,
    *,
    seed: int,
    fit: str = "0",
    maps: Path | None = None,
    labels: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Predictions:
    """Predict cases and tabulate the answers.

    Args:
        answering: An `Answering`, or whatever answers a prepared case as one does.
        cases: Whom to predict.
        cohort: They belong to it; its root leads to the original images.
        store: Prepared cases.
        task: The task.
        seed: The sample of voxels kept of each case is keyed by (seed, case).
        fit: Name of the fit in the table.
        maps: Folder for dense answers, each on its original grid; None writes none.
        labels: Keep dense answers in memory, each on its prepared grid.
        progress: Called with the number of cases done.
    """
    rows, voxels, features, outputs, kept = [], [], [], [], []
    for done, case in enumerate(cases):
        sample = store.sample(case.key)
        key = int.from_bytes(hashlib.sha256(f"{seed}|{case.key}".encode()).digest()[:7], "big")
        prediction = answering(sample, np.random.default_rng(key))
        rows.append(_row(prediction, case, sample, cohort, task, fit) | _dense(prediction, case, cohort, task, maps))
        if prediction.voxel_sample:
            voxels.append(_voxels(prediction, sample, task))
        features.append(prediction.features)
        outputs.append(prediction.outputs)
        if labels and prediction.label is not None:
            kept.append(prediction.label)
        if progress:
            progress(done + 1)
    table = pandas.DataFrame(rows)
    folder = maps.parent if maps is not None else cohort.root
    sampled = pandas.concat(voxels, ignore_index=True) if voxels else None
    maps_kept = tuple(kept) if kept else None
    return Predictions(table, task.question, folder, sampled, _stacked(features), _stacked(outputs), maps_kept)


def _reads_features(safeguard: Any) -> bool:
    return bool(getattr(safeguard, "reads_features", False))


def _stacked(arrays: Sequence[np.ndarray | None]) -> np.ndarray | None:
    given = [each for each in arrays if each is not None]
    return np.stack(given) if given and len(given) == len(arrays) else None


def _chain(functions: Sequence[Callable[[torch.Tensor], torch.Tensor]]) -> Callable[[torch.Tensor], torch.Tensor]:
    def chained(probability: torch.Tensor) -> torch.Tensor:
        for function in functions:
            probability = function(probability)
        return probability

    return chained


def _row(prediction: Prediction, case: Case, sample: Sample, cohort: Cohort, task: Task, fit: str) -> dict[str, Any]:
    question = task.question
    row: dict[str, Any] = {
        "key": case.key,
        "patient": case.patient,
        "cluster": case.cluster,
        "role": case.role,
        "fit": fit,
        "output": "answer",
        "truth": None,
        "answer": None,
        "uncertainty": prediction.uncertainty,
        "accepted": prediction.accepted,
        "reasons": "; ".join(prediction.reasons),
    }
    row |= {f"part:{name}": value for name, value in prediction.parts.items()}
    row |= {f"field:{name}": value for name, value in case.fields.items()}
    if question.dense:
        return row
    probability = np.asarray(prediction.probability, dtype=float)
    target = np.asarray(task.encode(sample)[question.target])
    if question.task == "survival":
        return row | _followed(prediction, target)
    if question.is_regression:
        return row | {"truth": float(target[0]), "answer": float(probability[0])}
    row |= {f"probability_{name}": float(value) for name, value in zip(question.classes, probability, strict=True)}
    if question.exclusive:
        truth = None if target < 0 else question.classes[int(target)]
        return row | {"truth": truth, "answer": question.classes[int(probability.argmax())]}
    labelled = zip(question.classes, target, strict=True)
    truths = {name: None if np.isnan(value) else int(value) for name, value in labelled}
    answers = {name: int(value >= 0.5) for name, value in zip(question.classes, probability, strict=True)}
    return row | {"truth": json.dumps(truths), "answer": json.dumps(answers)}


def _followed(prediction: Prediction, target: np.ndarray) -> dict[str, Any]:
    """Follow-up, risk and the curve where there is one, as `Predictions` has them."""
    # The shortest number that means this float32: 5.3 and not 5.300000190734863.
    time, event = (float(str(each)) for each in target[:2])
    row: dict[str, Any] = {"truth": float("nan"), "truth_time": time, "truth_event": event}
    row["answer"] = float(np.asarray(prediction.probability)[0])
    if prediction.survival is None:
        return row
    return row | dict(zip(prediction.question.curve_columns, map(float, prediction.survival), strict=True))


def _dense(prediction: Prediction, case: Case, cohort: Cohort, task: Task, maps: Path | None) -> dict[str, Any]:
    """Write the label map, its probability and its doubt on the grid the image came in."""
    if not task.question.dense or maps is None:
        return {}
    maps.mkdir(parents=True, exist_ok=True)
    original = open_case(cohort.root, case, masks=())
    like = original.reference
    written: dict[str, str | None] = {}
    for name, array in (
        ("answer", None if prediction.label is None else task.decode_mask(prediction.label)),
        ("top_probability", prediction.top_probability),
        ("doubt", prediction.doubt),
    ):
        if array is None:
            continue
        assert prediction.affine_mm is not None  # what has a map has a grid
        native = resample_like(array[None], prediction.affine_mm, like, nearest=True)[0]
        path = write_map(maps / f"{case.key}.{name}", native, like)
        written[name] = path.relative_to(maps.parent).as_posix()
        if name == "answer":
            written["hash"] = digest_file(path)
    source = case.masks.get(task.mask or "")
    written["truth_path"] = str((cohort.root / source).resolve()) if source else None
    return written


def _voxels(prediction: Prediction, sample: Sample, task: Task) -> pandas.DataFrame:
    """The sampled voxels with all their probabilities and the truth; unlabelled ones are left out."""
    assert prediction.voxel_sample is not None  # asked only of an answer that kept voxels
    index = prediction.voxel_sample["index"]
    probability = prediction.voxel_sample["probability"]
    truth = np.full(len(index), -1)
    if task.mask is not None and task.mask in sample.masks:
        truth = sample.masks[task.mask].array[0].reshape(-1)[index]
    columns = {f"probability_{name}": probability[:, i] for i, name in enumerate(task.question.classes)}
    table = pandas.DataFrame({"key": prediction.key, "truth": truth.astype(np.int64), **columns})
    return table[table["truth"] >= 0]
