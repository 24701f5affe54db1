"""Auditing a run for shortcuts from what lies in its folder: nothing is trained, and no file of it is changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from preceptor.core.cohort import Cohort
from preceptor.core.errors import BundleError, RecipeError
from preceptor.core.slots import build
from preceptor.prove.shortcuts.audit import Audit, audit_shortcuts
from preceptor.prove.shortcuts.material import Material
from preceptor.prove.storing import read_predictions

from .group import read_groups
from .members import member_of


def audit_run(
    recipe: Any,
    folder: Path,
    *,
    fields: Sequence[str] | None = None,
    target: Mapping[str, Mapping[str, float]] | None = None,
    most_cases: int = 300,
    pixels: bool = True,
    device: str = "auto",
    networks: Mapping[str, Any] | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> Audit:
    """Audit a finished run.

    Args:
        recipe: Its resolved recipe.
        folder: The run's.
        fields: Fields of the cohort to suspect; None takes sex, age, site, scanner, view and quality.
        target: ``{field: {group: share}}`` of the population that the model is meant for.
        most_cases: How many test cases' pixels to look at.
        pixels: False audits stored predictions alone: neither images nor networks are opened.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        networks: Networks of the caller's own, by name.
        tell: Told what is being asked.

    Raises:
        BundleError: The run has not got as far as predicting.
        PrepareError: An image can't be read any more.
        CohortError: No test case was predicted.
    """
    if not (folder / "predictions.parquet").exists():
        raise BundleError(
            "the run has no predictions yet",
            where=folder.name,
            expected="a run that has trained and predicted",
            remedy="`preceptor run RECIPE` goes on where it stopped",
            code="run_unfinished",
        )
    task = build("tasks", recipe.task)
    cohort = Cohort.read(folder / "cohort.parquet")
    predictions = read_predictions(folder, task.question)
    members = None
    if pixels and not task.question.dense:
        members = {
            group.name: member_of(recipe, folder, group, cohort, task, device, networks)
            for group in read_groups(folder)
        }
        tell(f"looking at up to {most_cases} test cases")
    material = Material.of(predictions, cohort, members, task=task, most_cases=most_cases, seed=recipe.seed)
    return audit_shortcuts(material, fields=fields, target=target, seed=recipe.seed, tell=tell)


def read_target(path: Path) -> dict[str, dict[str, float]]:
    """A target population from a YAML file: ``{field: {group: share}}``.

    Raises:
        RecipeError: The file is no such table.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        given = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
        return {
            str(field): {str(group): float(share) for group, share in shares.items()} for field, shares in given.items()
        }
    except (OSError, YAMLError, AttributeError, TypeError, ValueError) as error:
        raise RecipeError(
            "the target population can't be read",
            where=path.name,
            expected="a YAML file such as `sex: {F: 0.5, M: 0.5}`",
            code="target_unreadable",
        ) from error
