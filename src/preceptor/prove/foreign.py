"""Anyone's predictions: a table of another tool, read as if a run of ours had stored it."""

from __future__ import annotations

import json
from pathlib import Path

import pandas

from preceptor.core.errors import CohortError
from preceptor.core.evidence import Predictions, Question

_PREFIX = "probability_"


def read_foreign(path: Path) -> Predictions:
    """Read a table of predictions (``.csv`` or ``.parquet``).

    What was asked follows from the columns: ``probability_<class>`` and class names in ``truth`` mean classification;
    ``truth`` holding JSON (``{"effusion": 1, "nodule": null}``) multi-label; numbers in ``truth`` and ``answer``
    regression. ``key`` and ``truth`` are needed; ``patient`` clusters the intervals, ``role`` is ``test`` where it is
    absent, ``answer`` the most probable class.

    Raises:
        CohortError: Columns are missing, a key stands twice, or probabilities lie outside 0..1; every fault is named.
    """
    if path.suffix == ".parquet":
        table = pandas.read_parquet(path)
    else:
        table = pandas.read_csv(path, dtype={"key": str, "patient": str})
    faults = [f"no column '{name}'" for name in ("key", "truth") if name not in table]
    classes = [column.removeprefix(_PREFIX) for column in table.columns if column.startswith(_PREFIX)]
    if not classes and "answer" not in table:
        faults.append("neither 'probability_<class>' nor 'answer'")
    for column in (f"{_PREFIX}{name}" for name in classes):
        if not table[column].between(0, 1).all():
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
    question = _question(table, classes)
    return Predictions(_completed(table, question), question, path.parent)


def _question(table: pandas.DataFrame, classes: list[str]) -> Question:
    if classes and table["truth"].astype(str).str.startswith("{").all():
        return Question("multilabel", "findings", tuple(classes), exclusive=False)
    if classes:
        return Question("classification", "truth", tuple(classes))
    return Question("regression", "truth", ("answer",), exclusive=False)


def _completed(table: pandas.DataFrame, question: Question) -> pandas.DataFrame:
    table = table.copy()
    named = "patient" in table and table["patient"].notna().all()
    defaults = {
        "patient": None,
        "cluster": table["patient"] if named else table["key"],
        "role": "test",
        "fit": "0",
        "output": "answer",
        "uncertainty": float("nan"),
        "accepted": True,
        "reasons": "",
    }
    for column, value in defaults.items():
        if column not in table:
            table[column] = value
    if question.is_regression:
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
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    if text in classes:
        return text
    return classes[int(text)] if text.isdigit() and int(text) < len(classes) else None
