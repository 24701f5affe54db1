"""Anyone's predictions: a table of another tool, read as if a run of ours had stored it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas

from preceptor.core.errors import CohortError
from preceptor.core.evidence import Predictions, Question
from preceptor.core.plain import as_text
from preceptor.intake.sheet import open_table

from .places import labels_of
from .survival import curve_columns, mean_survival_time

_PREFIX = "probability_"

#: Tasks whose tables a column ``task`` may name; of the rest the columns say enough.
_TASKS = ("regression", "counting", "survival", "localisation", "translation", "instances")


def read_foreign(path: Path) -> Predictions:
    """Read a table of predictions (``.csv`` or ``.parquet``).

    What was asked follows from the columns: ``probability_<class>`` and class names in ``truth`` mean classification;
    ``truth`` holding JSON objects (``{"effusion": 1, "nodule": null}``) multi-label; JSON lists localisation;
    ``truth_time`` and ``truth_event`` survival; numbers in ``truth`` and ``answer`` regression. A column ``task`` (the
    same in every row) says what columns can't: ``counting``; with paths in ``truth_path`` and ``answer``
    ``translation`` or ``instances``; ``translation`` too with ``truth_lesion`` and ``answer_lesion`` alone. A column
    ``unit`` names the unit. `Predictions` tells what each task stores.

    ``key`` and a truth are needed; ``patient`` clusters the intervals, ``role`` is ``test`` where it is absent,
    ``answer`` the most probable class; of survival curves minus the expected time without the event.

    Raises:
        CohortError: Columns are missing, a key stands twice, or probabilities lie outside 0..1; every fault is named.
    """
    table = open_table(path, dtype={"key": str, "patient": str})
    classes = [column.removeprefix(_PREFIX) for column in table.columns if column.startswith(_PREFIX)]
    task = _task(table, classes)
    faults = [f"no column '{name}'" for name in ("key", *_truths(task, table)) if name not in table]
    instead = _instead_of_answers(task, table)
    if not classes and "answer" not in table and instead not in table:
        faults.append(f"neither {instead or 'probability_<class>'!r} nor 'answer'")
    for column in (f"{_PREFIX}{name}" for name in classes):
        if not (pandas.api.types.is_numeric_dtype(table[column]) and table[column].between(0, 1).all()):
            faults.append(f"'{column}' has values outside 0..1, or none")
    if "key" in table and table["key"].duplicated().any():
        faults.append(f"{int(table['key'].duplicated().sum())} keys stand twice")
    if faults:
        raise CohortError(
            f"the predictions can't be read: {'; '.join(faults)}",
            where=path.name,
            expected="columns key, truth, probability_<class> for every class; patient, role and answer where known",
            remedy="rename the columns; see docs/how-to/judge-predictions.md",
            code="predictions_columns",
        )
    question = _question(table, task, classes)
    return Predictions(_completed(table, question), question, path.parent)


def _task(table: pandas.DataFrame, classes: list[str]) -> str:
    """What was asked: as a column says, or by the columns."""
    if "task" in table and table["task"].nunique() == 1 and table["task"].iloc[0] in _TASKS:
        return str(table["task"].iloc[0])
    if {"truth_time", "truth_event"} & set(table.columns):
        return "survival"
    told = table["truth"].dropna().astype(str) if "truth" in table else pandas.Series(dtype=str)
    if len(told) and told.str.startswith("[").all() and not classes:
        return "localisation"
    if classes:
        return "multilabel" if len(told) and told.str.startswith("{").all() else "classification"
    return "regression"


def _truths(task: str, table: pandas.DataFrame) -> tuple[str, ...]:
    """Columns that hold the truth."""
    if task == "survival":
        return ("truth_time", "truth_event")
    if task == "translation" and "truth_lesion" in table:
        return ("truth_lesion", "answer_lesion")
    return ("truth_path",) if task in ("translation", "instances") else ("truth",)


def _instead_of_answers(task: str, table: pandas.DataFrame) -> str:
    """A column that does where there is no ``answer``; empty where none does."""
    if task == "survival":
        return next(iter(curve_columns(list(table.columns))), "survival_<time>")
    return "answer_lesion" if task == "translation" else ""


def _question(table: pandas.DataFrame, task: str, classes: list[str]) -> Question:
    unit = str(table["unit"].iloc[0]) if "unit" in table and table["unit"].nunique() == 1 else ""
    if task == "classification":
        return Question(task, "truth", tuple(classes))
    if task == "multilabel":
        return Question(task, "findings", tuple(classes), exclusive=False)
    names: tuple[str, ...] = ("answer",)
    if task == "localisation":
        names = labels_of([*table["truth"], *table["answer"]])
        unit = unit or "pixels"
    if task == "survival":
        names = ("event",)
    if task == "instances":
        names = ("object",)
    return Question(task, "truth", names, exclusive=False, dense=task in ("translation", "instances"), unit=unit)


def _completed(table: pandas.DataFrame, question: Question) -> pandas.DataFrame:
    table = table.drop(columns=[name for name in ("task", "unit") if name in table])
    named = "patient" in table and table["patient"].notna().all()
    defaults = {
        "patient": None,
        "cluster": table["patient"] if named else table["key"],
        "role": "test",
        "fit": "0",
        "output": "answer",
        "truth": None,
        **({"answer": None} if question.task == "translation" else {}),
        "uncertainty": float("nan"),
        "accepted": True,
        "reasons": "",
    }
    for column, value in defaults.items():
        if column not in table:
            table[column] = value
    if question.task == "survival":
        table["truth"] = float("nan")  # a time that was cut short is no number to be near to
        if "answer" not in table:
            named_curves = curve_columns(list(table.columns))
            times = np.array([float(name.partition("_")[2]) for name in named_curves])
            table["answer"] = -mean_survival_time(table[named_curves].to_numpy(dtype=float), times)
    if question.is_regression or question.dense:
        return table
    probability = table[[f"{_PREFIX}{name}" for name in question.classes]].to_numpy(dtype=float)
    if question.exclusive:
        table["truth"] = table["truth"].map(lambda value: _class_name(value, question.classes))
        if "answer" not in table:
            table["answer"] = [question.classes[index] for index in probability.argmax(1)]
        table["answer"] = table["answer"].map(lambda value: _class_name(value, question.classes))
    elif "answer" not in table:
        said = [{name: int(p >= 0.5) for name, p in zip(question.classes, row, strict=True)} for row in probability]
        table["answer"] = [json.dumps(each) for each in said]
    return table


def _class_name(value: object, classes: tuple[str, ...]) -> str | None:
    """A class by its name, or by its number where no class has that name."""
    text = as_text(value)
    if text in classes:
        return text
    return classes[int(text)] if text.isdigit() and int(text) < len(classes) else None
