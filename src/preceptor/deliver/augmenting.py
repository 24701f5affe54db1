"""Augmentation as a person asks for it: an enlarged cohort on the disk, or a page that shows what a recipe's draws look like."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from preceptor.core.cohort import Cohort
from preceptor.core.errors import CohortError, RecipeError
from preceptor.core.files import write_aside
from preceptor.core.slots import build, plugin, spec
from preceptor.intake.checking import check_cohort
from preceptor.intake.cohort import build_cohort
from preceptor.prepare.enlarge import COPY, PARENT, enlarge
from preceptor.prepare.store import Store, prepare
from preceptor.recipe.resolve import Recipe

_STATE = "augmented.json"


def enlarged_cohort(
    recipe: Recipe, out: Path, *, copies: int, fresh: bool = False, tell: Callable[[str, int, int], None] | None = None
) -> Cohort:
    """Write a recipe's cohort, prepared, with varied copies of its training cases, and a recipe that trains on it.

    Args:
        recipe: Its `prepare` is applied and its `augment` drawn.
        out: Folder for ``images/``, ``masks/``, ``cohort.parquet`` and ``recipe.yaml``. A folder that this left half done is gone
            on with.
        copies: Of each training case.
        fresh: Begin anew where another enlarged cohort lies.
        tell: Told ``(what, done, total)``.

    Returns:
        The cohort that lies in ``out/cohort.parquet``.

    Raises:
        RecipeError: The recipe augments nothing, its strategy deals roles anew (copies would be tested), or the folder holds
            something else.
        CohortError: The cohort is not fit for use.
        PrepareError: A case can't be prepared or varied.
    """
    if not recipe.augment:
        raise RecipeError(
            "the recipe augments nothing", where="augment", expected="transforms", code="nothing_to_augment"
        )
    _refuse_dealt_roles(recipe)
    made_of = {"recipe": recipe.digest(), "copies": copies}
    _claim(out, made_of, fresh)
    cohort, store, task = prepared_cohort(recipe, out / "prepared", tell)
    value = _unlabelled_value(task)
    larger = enlarge(
        cohort,
        store,
        task,
        transforms(recipe, "augment"),
        out,
        copies=copies,
        seed=recipe.seed,
        unlabelled=value,
        progress=None if tell is None else lambda done, total: tell("writing", done, total),
    )
    store.close()
    larger.write(out / "cohort.parquet")
    text = _training_recipe(recipe, larger, task, value).to_yaml(beside=out)
    with write_aside(out / "recipe.yaml") as aside:
        aside.write_text(text, encoding="utf-8")
    shutil.rmtree(out / "prepared")
    return larger


def prepared_cohort(
    recipe: Recipe,
    folder: Path,
    tell: Callable[[str, int, int], None] | None = None,
    keep: Callable[[Cohort], Cohort] | None = None,
) -> tuple[Cohort, Store, Any]:
    """A recipe's cohort, checked, split and prepared.

    Args:
        recipe: The recipe.
        folder: For the prepared cases.
        tell: Told ``(what, done, total)``.
        keep: Chooses among the cases with their roles; None keeps all.

    Raises:
        CohortError: It is not fit for use.
    """
    task = build("tasks", recipe.task)
    whole = build_cohort(build("datasets", recipe.cohort, root=recipe.folder), recipe.study)
    checked = check_cohort(whole, recipe.checks, recipe.split, recipe.seed, task, progress=tell)
    errors = [problem for problem in checked.problems if problem.severity == "error"]
    if errors:
        raise CohortError(
            f"the cohort is not fit for use: {len(errors)} problem{'s' if len(errors) > 1 else ''}",
            where=recipe.study,
            remedy="mend the data, or exclude the cases by the recipe",
            code="cohort_unfit",
            problems=errors,
        )
    cohort = checked.cohort if keep is None else keep(checked.cohort)
    store = prepare(
        cohort,
        transforms(recipe, "prepare"),
        task,
        folder,
        fit_on=cohort.with_role("train"),
        progress=None if tell is None else lambda done, total: tell("preparing", done, total),
    )
    return cohort, store, task


def transforms(recipe: Recipe, section: str) -> list[Any]:
    """The transforms of ``prepare`` or ``augment``."""
    return [build("transforms", each, root=recipe.folder) for each in getattr(recipe, section)]


def _refuse_dealt_roles(recipe: Recipe) -> None:
    name, given = spec(recipe.strategy)
    while name:
        if getattr(plugin("strategies", name), "deals_roles", False):
            raise RecipeError(
                f"the strategy '{name}' makes every case a test case once, its varied copies too",
                where="strategy",
                expected="roles that stay what they are",
                remedy="train with the recipe as it is: its augmentation is drawn anew in every epoch, for training cases alone",
                code="augment_folds",
            )
        inner = next((value for key, value in given.items() if key == "each" and value), None)
        name, given = spec(inner) if inner else ("", {})


def _claim(out: Path, made_of: dict[str, Any], fresh: bool) -> None:
    """Make the folder this cohort's, or find that it is."""
    state = out / _STATE
    if fresh and state.exists():
        for name in ("images", "masks", "prepared"):
            shutil.rmtree(out / name, ignore_errors=True)
        for name in ("cohort.parquet", "recipe.yaml", _STATE):
            (out / name).unlink(missing_ok=True)
    known = json.loads(state.read_text(encoding="utf-8")) if state.exists() else None
    if known == made_of:
        return
    if known is not None or (out.exists() and any(out.iterdir())):
        raise RecipeError(
            "the folder holds something else",
            where=out.name,
            expected="an empty folder, or one that the same recipe and as many copies left half done",
            remedy="name another folder" + (", or --fresh" if known is not None else ""),
            code="exists",
        )
    out.mkdir(parents=True, exist_ok=True)
    with write_aside(state) as aside:
        aside.write_text(json.dumps(made_of), encoding="utf-8")


def _unlabelled_value(task: Any) -> int | None:
    """A value for voxels that nobody labelled: the task's own, or one that no structure has."""
    if task.mask is None:
        return None
    if getattr(task, "unlabelled", None):
        return int(task.unlabelled[0])
    values = set(task.question.values or ())
    return (
        65535 if getattr(task, "numbered", False) else next(value for value in range(255, 0, -1) if value not in values)
    )


def _training_recipe(recipe: Recipe, cohort: Cohort, task: Any, unlabelled: int | None) -> Recipe:
    """The recipe that trains on the enlarged cohort: prepared already, and varied already."""
    first = cohort.cases[0]
    labels = list(dict.fromkeys(name for case in cohort for name in case.labels))
    fields = list(dict.fromkeys(name for case in cohort for name in case.fields))
    masks = list(dict.fromkeys(name for case in cohort for name in case.masks))
    table: dict[str, Any] = {"file": "cohort.parquet", "image": {view: f"image:{view}" for view in cohort.views}}
    table |= {"patient": "patient"} if cohort.knows_patients else {}
    table |= {"group": "group", "role": "role", "keep_names": True}  # keys were made safe when the cohort was built
    table |= {"labels": {name: f"label:{name}" for name in labels}} if labels else {}
    table |= {"fields": [name for name in fields if name not in (PARENT, COPY)]}
    table |= {"masks": {name: f"mask:{name}" for name in masks}} if masks else {}
    name, given = spec(recipe.task)
    if unlabelled is not None and any(first.masks) and "unlabelled" in given:
        given = {**given, "unlabelled": sorted({*(given["unlabelled"] or ()), unlabelled})}
    return replace(
        recipe,
        cohort={"table": table},
        task={name: given},
        split={"given": True},
        prepare=(),
        augment=(),
        folder=cohort.root,
    )
