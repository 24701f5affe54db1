"""What a finished run's answers rest on, asked of its test cases: regions covered, inputs withheld, columns of its table."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core.cohort import Cohort, Sample
from preceptor.core.errors import BundleError, CohortError
from preceptor.core.evidence import Finding
from preceptor.core.files import write_aside
from preceptor.core.plugins import Prediction
from preceptor.prove.explaining.cohort_table import cohort_table
from preceptor.prove.explaining.named_regions import fits_every_case, region_named
from preceptor.prove.explaining.serial_occlusion import Fill, serial_occlusion
from preceptor.prove.explaining.stream_shares import stream_shares
from preceptor.prove.explaining.tabular_importance import TabularImportance, tabular_importance
from preceptor.prove.shortcuts.material import Member
from preceptor.prove.storing import read_predictions

from .group import read_groups
from .members import member_of

#: The files that the report reads, in ``<run>/explanations``.
OCCLUSION, STREAMS, TABLE = "serial_occlusion.json", "stream_shares.json", "table.json"


@dataclass(frozen=True)
class Tested:
    """Each test case with the training that was tested on it, so that folds are asked together.

    Args:
        members: By the name of the fit.
        fit: ``{case: fit}``.
        cohort: The test cases alone, with that role.
    """

    members: Mapping[str, Member]
    fit: Mapping[str, str]
    cohort: Cohort

    @classmethod
    def of(cls, run: Any, *, masks: tuple[str, ...] | None, most_cases: int, device: str) -> Tested:
        """The test cases of a finished run.

        Args:
            run: The run.
            masks: Which masks to read; None for all of them.
            most_cases: Drawn by the run's seed where there are more.
            device: ``auto``, ``cpu``, ``cuda`` or ``mps``.

        Raises:
            BundleError: The run is not finished.
            CohortError: No test case was predicted.
        """
        folder, recipe, task = run.folder, run.recipe, run.task
        if not (folder / "predictions.parquet").exists():
            raise BundleError(
                "the run has no predictions yet",
                where=folder.name,
                expected="a run that has trained and predicted",
                remedy="`preceptor run RECIPE` goes on where it stopped",
                code="run_unfinished",
            )
        table = read_predictions(folder, task.question).role("test", "external").table.drop_duplicates("key")
        if not len(table):
            raise CohortError(
                "no test case was predicted", expected="rows with the role test or external", code="nothing_tested"
            )
        rows = np.arange(len(table))
        if len(rows) > most_cases:
            rows = np.sort(np.random.default_rng(recipe.seed).choice(rows, most_cases, replace=False))
        chosen = table.iloc[rows]
        fit = dict(zip(chosen["key"].astype(str), chosen["fit"].astype(str), strict=True))
        role = dict(zip(chosen["key"].astype(str), chosen["role"].astype(str), strict=True))
        whole = Cohort.read(folder / "cohort.parquet")
        # After cross-validation the cohort's own roles are those of one fold.
        cohort = whole.with_cases(replace(case, role=role.get(case.key)) for case in whole)
        members = {
            group.name: member_of(recipe, folder, group, whole, task, device, run.networks, masks)
            for group in read_groups(folder)
            if group.name in set(fit.values())
        }
        return cls(members, fit, cohort)

    def sample(self, key: str) -> Sample:
        """A case as it was prepared for the training that it tests."""
        return self.members[self.fit[key]].store.sample(key)

    def __call__(self, sample: Sample) -> Prediction:
        """What that training answers, before any safeguard."""
        return self.members[self.fit[sample.key]].model(sample)


def explain_run(
    run: Any,
    *,
    occlude: Sequence[str] = (),
    streams: bool = False,
    table: bool = False,
    fields: Sequence[str] = (),
    margin_voxels: int = 2,
    fill: Fill = "mean",
    most_cases: int = 300,
    device: str = "auto",
    fresh: bool = False,
    tell: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Ask a finished run what its answers rest on, and keep what was found for its report.

    Args:
        run: The run.
        occlude: Regions to cover one after the other, as `preceptor.prove.explaining.named_regions` reads them.
        streams: Share the performance out among the views (and the fields that the network reads).
        table: Ask which fields of the cohort tell of the truth.
        fields: For `table`: which; none takes them all.
        margin_voxels: How far masks and atlas regions are grown.
        fill: What covers a region: the mean or the minimum of the image outside, or zero.
        most_cases: How many test cases to ask.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        fresh: Replace what an earlier call found.
        tell: Told what is being asked.

    Returns:
        ``serial_occlusion`` and ``stream_shares``, each a `Finding`, and ``table``: ``{question: TabularImportance}``.

    Raises:
        CohortError: It was asked before; or the cohort has no such cases, masks or fields.
        RecipeError: A region can't be understood, or the task does not allow the question.
        BundleError: The run is not finished.
    """
    folder = run.folder / "explanations"
    files = [name for name, asked in ((OCCLUSION, occlude), (STREAMS, streams), (TABLE, table)) if asked]
    there = [name for name in files if (folder / name).exists()]
    if there and not fresh:
        raise CohortError(
            f"that was asked before: {', '.join(there)}",
            where=run.folder.name,
            remedy="read the report, or `preceptor explain RUN … --fresh`",
            code="explained_before",
        )
    found: dict[str, Any] = {}
    seed = run.recipe.seed
    if table:
        tell("asking the table")
        found["table"] = _tables(Cohort.read(run.folder / "cohort.parquet"), run.task, fields, seed, tell)
    if occlude or streams:
        masks = None if occlude or run.task.question.dense else ()
        tested = Tested.of(run, masks=masks, most_cases=most_cases, device=device)
    if occlude:
        known = sorted({name for case in tested.cohort for name in case.masks})
        regions = dict(region_named(each, masks=known, margin_voxels=margin_voxels) for each in occlude)
        axes = next(iter(tested.members.values())).model.inputs.space_dims
        for name, region in regions.items():
            fits_every_case(name, region, axes)
        tell(f"covering {', '.join(regions)} in {len(tested.fit)} test cases")
        found["serial_occlusion"] = serial_occlusion(
            tested, tested, tested.cohort, run.task, regions=regions, fill=fill, seed=seed
        )
    if streams:
        tell(f"withholding views of {len(tested.fit)} test cases")
        read = next(iter(tested.members.values())).model.inputs.fields
        found["stream_shares"] = stream_shares(tested, tested, tested.cohort, run.task, fields=read, seed=seed)
    folder.mkdir(parents=True, exist_ok=True)
    for name, what in zip((OCCLUSION, STREAMS, TABLE), ("serial_occlusion", "stream_shares", "table"), strict=True):
        if what in found:
            _write(folder / name, found[what])
    return found


def _tables(
    cohort: Cohort, task: Any, fields: Sequence[str], seed: int, tell: Callable[[str], None]
) -> dict[str, TabularImportance]:
    asked = cohort_table(cohort, task, fields)
    for name, why in asked.left_out.items():
        tell(f"left out: {name} ({why})")
    found = {}
    for name, truth in asked.truths.items():
        known = np.array([value is not None for value in truth])
        if not known.any():
            tell(f"left out: {name} (no case is labelled)")
            continue
        target = np.array([value for value in truth if value is not None])
        found[name] = tabular_importance(
            asked.features[known],
            asked.names,
            target,
            asked.clusters[known],
            is_number=task.question.is_number,
            seed=seed,
        )
    return found


def _write(path: Path, found: Any) -> None:
    record = found.to_json() if isinstance(found, Finding) else {name: each.to_json() for name, each in found.items()}
    with write_aside(path) as aside:
        aside.write_text(json.dumps(record, indent=1, ensure_ascii=False), encoding="utf-8")
