"""`Record`: a run's folder, read back for its report. Whatever is missing is empty, and the report says so."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preceptor.core.cohort import Cohort
from preceptor.core.errors import PreceptorError
from preceptor.core.evidence import Evidence, Predictions, Question
from preceptor.core.slots import build
from preceptor.prove.explaining.explanation import Explanation
from preceptor.prove.report.wording import counted
from preceptor.prove.storing import read_predictions


@dataclass(frozen=True)
class Record:
    """What lies in a run's folder.

    Args:
        folder: The folder.
        recipe: The recipe as it was given, text; empty where it is not there.
        resolved: The recipe with defaults written back.
        cohort: Whom the run saw; None where no table is there.
        environment: Versions, machine, command.
        epochs: One entry per epoch and fit, from ``log.jsonl``.
        predictions: Stored predictions, or None.
        evidence: Findings, verdicts, problems; empty where there are none.
        explanations: A few cases' maps.
        question: What was asked.
        task: The recipe's task; None where there is no recipe.
    """

    folder: Path
    recipe: str
    resolved: Mapping[str, Any]
    cohort: Cohort | None
    environment: Mapping[str, Any]
    epochs: Sequence[Mapping[str, Any]]
    predictions: Predictions | None
    evidence: Evidence
    explanations: Sequence[Explanation]
    question: Question
    task: Any = None

    @classmethod
    def read(cls, folder: Path) -> Record:
        """Read a run's folder.

        Args:
            folder: With at least ``predictions.parquet`` or ``evidence.json``.
        """
        resolved = _yaml(folder / "resolved.yaml")
        table = folder / "predictions.parquet"
        task = _task(resolved)
        evidence = Evidence.read(folder / "evidence.json") if (folder / "evidence.json").exists() else Evidence({})
        question = _question(evidence, table) if task is None else task.question
        cohort = folder / "cohort.parquet"
        return cls(
            folder=folder,
            recipe=_text(folder / "recipe.yaml") or _text(folder / "resolved.yaml"),
            resolved=resolved,
            cohort=Cohort.read(cohort) if cohort.exists() else None,
            environment=json.loads(_text(folder / "environment.json") or "{}"),
            epochs=[line for line in _lines(folder / "log.jsonl") if line.get("kind") == "epoch"],
            predictions=read_predictions(folder, question) if table.exists() else None,
            evidence=evidence,
            explanations=[Explanation.read(path) for path in sorted((folder / "explanations").glob("*.npz"))],
            question=question,
            task=task,
        )

    @property
    def knows_patients(self) -> bool:
        """Whether patients are named; without a cohort the facts of the evidence say."""
        if self.cohort is not None:
            return self.cohort.knows_patients
        return self.evidence.facts.get("interval_unit", "image") == "patient"

    def one(self, number: int) -> str:
        """``3 patients`` or ``1 image``: what intervals resample."""
        return counted(number, "patient" if self.knows_patients else "image")


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _yaml(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    from ruamel.yaml import YAML

    return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")) or {}


def _lines(path: Path) -> list[dict[str, Any]]:
    """The log's records; a last line cut off by a crash is left out. A resumed epoch counts once, as it ended."""
    records: dict[Any, dict[str, Any]] = {}
    for number, line in enumerate(_text(path).splitlines()):
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        is_epoch = record.get("kind") == "epoch"
        records[("epoch", record.get("fit"), record.get("epoch")) if is_epoch else number] = record
    return list(records.values())


def _task(resolved: Mapping[str, Any]) -> Any:
    """The recipe's task; None where there is no recipe, or the task is of a package that is not installed here."""
    try:
        return build("tasks", resolved["task"]) if resolved.get("task") else None
    except (PreceptorError, TypeError):
        return None


def _question(evidence: Evidence, table: Path) -> Question:
    """What was asked: as the evidence has it, else as the predictions' columns tell."""
    if told := evidence.facts.get("question"):
        fields: dict[str, Any] = {key: tuple(each) if isinstance(each, list) else each for key, each in told.items()}
        return Question(**fields)
    if not table.exists():
        return Question("unknown", "answer", ())
    import pandas

    frame = pandas.read_parquet(table)
    classes = tuple(str(name).removeprefix("probability_") for name in frame if str(name).startswith("probability_"))
    if "truth_path" in frame:
        return Question("segmentation", "label", classes, dense=True)
    if not classes:
        return Question("regression", "value", ("value",))
    known = frame["truth"].dropna().astype(str)
    many = len(known) > 0 and known.iloc[0].startswith("{")
    return Question("multilabel" if many else "classification", "label", classes, exclusive=not many)
