"""Selfcheck: a recipe's own preparation, network and objective on data that anything solves, and on data that nothing does.

A model that fails on the first has a bug; one that succeeds on the second has seen what it should not. Both studies have
the views, channels, axes, spacing and labels of the recipe's own images.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from .core.cohort import Cohort
from .core.errors import CohortError, RecipeError
from .core.evidence import Question
from .core.slots import build, spec
from .prove.chance import reached
from .prove.shortcuts.files import Clue, telling_files
from .recipe.resolve import Recipe
from .recipe.schema import Split
from .runs import Run

#: Least score on the trivial study. Labels that lie in places of their own are learnt more slowly by networks that pool
#: over the whole image, and numbers more slowly than classes; times are asked for in their order alone, .85 being the
#: concordance of normal numbers whose explained variance is .8.
_SOLVED = {"classification": 0.95, "multilabel": 0.9, "regression": 0.8, "segmentation": 0.85, "survival": 0.85}

#: Tune scores at which a study counts as learnt and its training ends: mean Dice, negative log-likelihood, mean error.
#: A partial likelihood has no such value.
_ENOUGH = {"classification": 0.05, "multilabel": 0.08, "regression": 0.05, "segmentation": 0.9}

#: Larger batches would need more passes over few cases for as many steps.
_MOST_IN_BATCH = 16

#: Nor need they be, where patches are large.
_VOXELS_IN_BATCH = 65_536

#: Of the optimizer, from one scoring of the tune cases to the next.
_STEPS_TO_SCORE = 25

#: Columns of a survival study.
_FOLLOWED = ("followed_time", "followed_event")

#: A stand-in has no more voxels than this along all axes together: the check should take minutes.
_MOST_VOXELS = 2_000_000


@dataclass(frozen=True)
class Trial:
    """One of the two studies, trained and tested.

    Args:
        study: ``trivial`` or ``indissociable``.
        measure: What the score is.
        score: On the test cases.
        limit: What it must reach (trivial), or must stay below (indissociable).
        passed: Whether it does.
        sentence: The same for a person.
    """

    study: str
    measure: str
    score: float
    limit: float
    passed: bool
    sentence: str


@dataclass(frozen=True)
class Selfcheck:
    """What became of both studies."""

    trials: tuple[Trial, ...]

    @property
    def passed(self) -> bool:
        return all(trial.passed for trial in self.trials)


class _Trained(Run):
    """A run that ends with its stored predictions: nothing to compare, to judge or to report."""

    def _baselines(self, *_: Any, **__: Any) -> Mapping[str, Any]:
        return {}

    def _judge(self, *_: Any, **__: Any) -> None:
        return None

    def _report(self) -> None:
        return None

    @property
    def epochs_done(self) -> int:
        """How many epochs the training took: a line each in the journal."""
        lines = (self.folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
        return len({row["epoch"] for row in map(json.loads, lines) if row.get("kind") == "epoch"})


def selfcheck(
    recipe: Recipe,
    folder: Path,
    *,
    cases: int = 160,
    steps: int = 300,
    device: str = "auto",
    networks: Mapping[str, Any] | None = None,
    stream: TextIO | None = None,
) -> Selfcheck:
    """Train what a recipe says on trivial and on indissociable data.

    Kept are the recipe's `prepare`, `task`, `network`, `objective` and `train`, with a constant learning rate and batches
    of 16 at most. Left out are its augmentation (a flip would turn one trivial class into another), methods, strategy and
    safeguards.

    Args:
        recipe: Whose parts are tried; its data is looked at where it is here, for the shape of its images.
        folder: Where both studies and their trainings go; what is there is not done again.
        cases: In each study: half to train, a tenth to tune, the rest to test.
        steps: Of the optimizer on the trivial study, at most, rounded up to whole epochs; on the other as many as the
            trivial one took, half of `steps` at most, where more would only learn its noise by heart.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        networks: Networks of the caller's own, by name.
        stream: Where progress is told.

    Raises:
        RecipeError: There are no such studies for the recipe's task.
    """
    question = build("tasks", recipe.task).question
    if question.task not in _SOLVED:
        raise RecipeError(
            f"there is no trivial study for the task '{question.task}'",
            where=recipe.study,
            expected="classification, multilabel, regression, segmentation or survival",
            remedy="`preceptor run RECIPE --rehearse` tries every step of any task",
            code="selfcheck_task",
        )
    settings = _like(recipe, question)
    form = settings.pop("format")
    trials = []
    epochs = None
    for study in ("trivial", "indissociable"):
        kind = {study: settings}
        data = {"kind": kind, "number": cases, "format": form, "seed": recipe.seed, "folder": f"{study}-data"}
        tried = _tried(recipe, data, folder, steps if study == "trivial" else steps // 2, study)
        if epochs is not None:
            tried = replace(tried, train=replace(tried.train, epochs=min(tried.train.epochs, epochs)))
        run = _Trained(tried, folder / study, device=device, networks=networks, stream=stream)
        run.complete()
        epochs = run.epochs_done
        trials.append(judge_trial(study, run))
    return Selfcheck(tuple(trials))


def judge_trial(study: str, run: Run) -> Trial:
    """Whether a trained run reaches what its study asks for.

    Args:
        study: ``trivial`` or ``indissociable``.
        run: Finished.
    """
    cohort = Cohort.read(run.folder / "cohort.parquet")
    question = run.task.question
    measure, score, chance, beyond = reached(run.predictions, cohort, run.task)
    if study == "trivial":
        limit = _SOLVED[question.task]
        passed = score >= limit
        sentence = f"{measure} {score:.3f} where anything reaches 1: " + (
            "the parts work together" if passed else f"below {limit:g}: there is a bug, or {_doubts(run)}"
        )
        return Trial(study, measure, score, limit, passed, sentence)
    limit = chance + beyond
    clues = " and ".join(clue.what for clue in _clues(cohort, question))
    passed = score <= limit and not clues
    if score > limit:
        verdict = f"above {limit:.3f}: something tells the answer that is no image" + (f": {clues}" if clues else "")
    else:
        verdict = f"nothing is used, but {clues} would tell the answer" if clues else "nothing leaks"
    return Trial(study, measure, score, limit, passed, f"{measure} {score:.3f} where chance is {chance:.3f}: {verdict}")


def _clues(cohort: Cohort, question: Question) -> list[Clue]:
    """What goes with the answers of a study, other than its images; masks are drawn by lot and are not asked."""
    if question.dense:
        return []
    names = [*question.classes] if question.task == "multilabel" else [question.target]
    if question.task == "survival":
        names = [question.follow_up_columns[0]]
    found: dict[str, Clue] = {}
    for name in names:
        for clue in telling_files(cohort, [case.labels[name] for case in cohort]):
            found.setdefault(clue.what, clue)
    return list(found.values())


def _doubts(run: Run) -> str:
    return f"{run.recipe.train.epochs} epochs at this learning rate are too few (--steps)"


def _tried(recipe: Recipe, data: Mapping[str, Any], folder: Path, steps: int, study: str) -> Recipe:
    """The recipe with a study of phantoms in place of its cohort, and without what is not tried."""
    samples = max(1, data["number"] // 2 * recipe.train.patches_per_case)
    most = min(_MOST_IN_BATCH, max(2, _VOXELS_IN_BATCH // math.prod(recipe.train.patch or [1])))
    batch_size = min(recipe.train.batch_size, most)
    epochs = math.ceil(steps * batch_size / samples)
    question = build("tasks", recipe.task).question
    train = replace(
        recipe.train,
        batch_size=batch_size,
        accumulate=1,
        epochs=epochs,
        schedule={"constant": {}},
        tune_every=min(epochs, max(1, round(_STEPS_TO_SCORE * batch_size / samples))),
        precision="32",
    )
    enough = _ENOUGH.get(question.task) if study == "trivial" else None
    task = recipe.task
    if question.task == "survival":
        name, given = spec(task)
        task = {name: {**given, "time": _FOLLOWED[0], "event": _FOLLOWED[1], "clinical": None}}
    split = asdict(Split(by="patient", train=0.5, tune=0.1, calibrate=0.0, test=0.4))
    return replace(
        recipe,
        study=f"{recipe.study}-{study}",
        cohort={"synthetic": dict(data)},
        task=task,
        split=split,
        augment=(),
        methods=() if enough is None else ({"good_enough": {"score": enough}},),
        strategy={"once": {}},
        train=train,
        safeguards=(),
        evaluate=(),
        explain=(),
        gates=(),
        checks=({"unreadable": {}},),
        folder=folder,
    )


def _like(recipe: Recipe, question: Question) -> dict[str, Any]:
    """Settings of phantoms with the views, channels, axes, spacing and labels of the recipe's own images."""
    from .intake.rehearsal import asked, needs_spacing, size_of, views_of

    sections = recipe.sections()
    settings: dict[str, Any] = {
        key: list(value) if isinstance(value, tuple) else value for key, value in asked(recipe, question).items()
    }
    if question.task == "survival":
        settings = {"task": "survival", "label": _FOLLOWED[0].removesuffix("_time"), "longest": question.times[-1]}
    size, channels, views = list(size_of(sections)), 1, list(views_of(sections["cohort"]))
    spacing = _spacing(sections["prepare"], len(size))
    if seen := _first_image(recipe):
        views, size, channels, spacing = seen
    least = [round(1.2 * side) for side in recipe.train.patch or ()] or [16] * len(size)
    while math.prod(size) > _MOST_VOXELS and any(a > b for a, b in zip(size, least, strict=True)):
        size = [max(min(a, b), a // 2) for a, b in zip(size, least, strict=True)]
    flat = len(size) == 2
    settings |= {"views": views, "channels": channels, "size": [max(8, each) for each in size], "spacing_mm": spacing}
    settings["format"] = "png" if flat and not needs_spacing(sections) else "nifti"
    return settings


def _first_image(recipe: Recipe) -> tuple[list[str], list[int], int, list[float]] | None:
    """Views, size, channels and spacing of the recipe's first readable case; None where its data is not here."""
    from .intake.case import open_case
    from .intake.cohort import build_cohort

    try:
        cohort = build_cohort(build("datasets", recipe.cohort, root=recipe.folder), recipe.study)
    except CohortError as error:
        if error.problem.code == "data_absent":
            return None
        raise
    whole = max(cohort.cases, key=lambda case: len(case.images))
    image = open_case(cohort.root, whole, masks=()).reference
    channels = 3 if image.channels == 3 else 1
    return list(cohort.views), list(image.shape), channels, [round(each, 4) for each in image.spacing_mm]


def _spacing(steps: Any, axes: int) -> list[float]:
    for step in steps:
        for settings in step.values():
            given = settings.get("spacing_mm") if isinstance(settings, Mapping) else None
            if isinstance(given, list) and len(given) == axes and all(isinstance(each, (int, float)) for each in given):
                return [float(each) for each in given]
    return [1.0] * axes
