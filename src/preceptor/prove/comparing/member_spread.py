"""An ensemble beside its members: what each network alone would have reached, and how far they spread."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core.cohort import Case, Cohort
from preceptor.core.errors import PreceptorError
from preceptor.core.evidence import Evidence, Finding, Predictions, Question
from preceptor.core.plugins import Task
from preceptor.core.slots import build, spec
from preceptor.learn.model import Model
from preceptor.maths.seeds import spread
from preceptor.prove.answering import Answering, answer_cases
from preceptor.prove.judging import judge
from preceptor.prove.storing import read_predictions, write_predictions

#: Findings about members begin so.
MEMBERS = "members."


def answer_members(
    model: Model,
    cases: Iterable[Case],
    cohort: Cohort,
    store: Any,
    task: Task,
    *,
    seed: int,
    folder: Path,
    fit: str = "0",
) -> list[Predictions]:
    """Let every network of a group answer alone, plainly: no safeguard stands behind it, since none was fitted on it.

    Args:
        model: The group's networks.
        cases: Whom to predict.
        cohort: They belong to it.
        store: Its prepared cases.
        task: What is asked.
        seed: Of the voxel samples.
        folder: The run's; label maps go below ``members/<number>/maps``.
        fit: Name of the group.

    Returns:
        Predictions of each in the networks' order; empty where there is one network alone.
    """
    if len(model.networks) < 2:
        return []
    cases, found = list(cases), []
    for number, network in enumerate(model.networks):
        alone = Answering(replace(model, networks=[network]))
        maps = folder / "members" / str(number) / "maps" if task.question.dense else None
        found.append(answer_cases(alone, cases, cohort, store, task, seed=seed, fit=fit, maps=maps))
    return found


def write_members(folder: Path, groups: Sequence[Sequence[Predictions]]) -> None:
    """Store ``members/<number>/predictions.parquet`` in the run's folder: the first of every group together, and so on.

    Args:
        folder: The run's.
        groups: Of fits that voted together. Nothing is stored where they are not equally many.
    """
    if len({len(group) for group in groups}) != 1:
        return
    for number, several in enumerate(zip(*groups, strict=True)):
        place = folder / "members" / str(number)
        place.mkdir(parents=True, exist_ok=True)
        write_predictions(place, several)


def read_members(folder: Path, question: Question) -> list[Predictions]:
    """What `write_members` wrote, in order; empty where nothing is."""
    places = [place for place in (folder / "members").glob("*") if (place / "predictions.parquet").exists()]
    return [read_predictions(place, question) for place in sorted(places, key=lambda place: int(place.name))]


def member_spread(
    members: Sequence[Predictions], evidence: Evidence, cohort: Cohort, evaluators: Sequence[Any]
) -> dict[str, Finding]:
    """``members.<measure>`` for every measure of the ensemble that its members can be measured by.

    Args:
        members: As `read_members` gives them.
        evidence: The ensemble's.
        cohort: Whom they are of.
        evaluators: Section of the recipe. One that reads what a member alone has not (a safeguard's number), or that is
            undefined for a member, is left out.

    Returns:
        Findings whose value is the mean over members, with the parts ``ensemble``, ``member 1`` … and ``deviation``
        (``n - 1``), the range in their notes. There is no interval: members of a snapshot or a SWAG are not drawn
        independently of each other.
    """
    found = {}
    for each in evaluators if len(members) > 1 else ():
        name, _ = spec(each)
        whole = evidence.findings.get(name)
        if whole is None or getattr(build("evaluators", each), "roles", None) is not None:
            continue
        try:
            alone = [judge(member, cohort, [each], []).findings[name] for member in members]
        except PreceptorError:  # it reads what only the ensemble has: its members' disagreement, a safeguard's number
            continue
        if all(np.isfinite(one.value) for one in alone):
            found[f"{MEMBERS}{name}"] = _spread(f"{MEMBERS}{name}", whole, alone)
    return found


def _spread(name: str, whole: Finding, alone: Sequence[Finding]) -> Finding:
    over = spread([one.value for one in alone])
    common: dict[str, Any] = {"cases": whole.cases, "clusters": whole.clusters, "unit": whole.unit}
    parts: dict[str, Finding] = {"ensemble": _bare(f"{name}.ensemble", whole, "all members together, as they answer")}
    parts |= {f"member {at}": _bare(f"{name}.member {at}", one, "alone") for at, one in enumerate(alone, 1)}
    parts["deviation"] = Finding(
        f"{name}.deviation",
        over.deviation,
        f"standard deviation (n - 1) over {over.number} members",
        higher_is_better=None,
        **common,
    )
    return Finding(
        name,
        over.mean,
        f"mean over {over.number} members, each answering alone and before any safeguard: {whole.definition}",
        higher_is_better=whole.higher_is_better,
        parts=parts,
        notes=(
            f"standard deviation {over.deviation:.4f}, lowest {over.lowest:.4f}, highest {over.highest:.4f}",
            f"all together {whole.value:.4f}{_place(whole, alone)}",
        ),
        **common,
    )


def _place(whole: Finding, alone: Sequence[Finding]) -> str:
    if whole.higher_is_better is None:
        return ""
    sign = 1 if whole.higher_is_better else -1
    better = sum(sign * one.value > sign * whole.value for one in alone)
    return f"; {better} of {len(alone)} members alone {'is' if better == 1 else 'are'} better"


def _bare(name: str, finding: Finding, definition: str) -> Finding:
    return replace(finding, name=name, definition=definition, parts={}, curves={}, per_case={}, notes=())


def spread_facts(findings: Mapping[str, Finding]) -> str:
    """``dice: members 0.871 to 0.884, together 0.893`` of the leading measure, for the journal; empty without members."""
    for name, finding in findings.items():
        values = [part.value for key, part in finding.parts.items() if key.startswith("member ")]
        together = finding.parts["ensemble"].value
        return f"{name.removeprefix(MEMBERS)}: members {min(values):.3f} to {max(values):.3f}, together {together:.3f}"
    return ""
