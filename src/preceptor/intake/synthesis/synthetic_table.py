"""A made-up clinical table: fitted on training rows only, tried on held-out ones, refused where it copies people."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from preceptor.core.errors import CohortError, RecipeError, Refusal, safe_name
from preceptor.core.files import write_aside
from preceptor.core.plain import finite
from preceptor.maths.gaussian_copula import correlation_matrix, draw_uniforms
from preceptor.maths.nearest_records import Nearness, Records, nearness

from ..sheet import read_sheet, require_columns
from .table_columns import LEAST, TableColumn, fit_columns
from .table_utility import train_and_test

if TYPE_CHECKING:
    import pandas

#: Fewer rows on either side tell nothing.
_FEWEST_ROWS = 40

#: Rounds in which rows that repeat a real one are drawn anew.
_ROUNDS = 50

#: Refused beyond both: share of rows nearer to training rows, and the chance of it.
_NEAR, _CHANCE = 0.55, 0.005


@dataclass(frozen=True)
class SyntheticTable:
    """A made-up table on disk.

    Args:
        path: Its rows, ``table.csv``.
        record: What it was made from and what was measured: ``settings, columns, left_out, copies, privacy, utility``.
    """

    path: Path
    record: dict[str, Any]


def synthesise_table(
    source: Path,
    folder: Path,
    *,
    label: str | None = None,
    patient: str | None = None,
    rows: int | None = None,
    seed: int = 0,
    leave_out: Sequence[str] = (),
) -> SyntheticTable:
    """Make up rows that look like a real table's and are nobody's.

    The real rows are parted by patient into two halves, or by a column ``role`` into those called ``train`` and ``test``.
    A Gaussian copula is fitted on the training half alone: to each column by itself, as means of five neighbours or as
    categories that five people share, and to how columns go together. Rows that repeat a training row are drawn anew.

    Then the table is tried: models trained on it and on the real half foretell the label of the held-out half, and its
    distance to the closest training record is set beside that to the closest held-out one.

    Args:
        source: CSV, TSV or Parquet of real rows.
        folder: Where ``table.csv`` and ``synthesis.json`` go.
        label: Column of classes to be foretold; None tries nothing of the kind.
        patient: Column that says whose row it is; ``patient`` by default where there is one, else each row is somebody.
        rows: How many to make up; as many as it was fitted on by default.
        seed: Everything drawn follows from it.
        leave_out: Columns to leave out.

    Returns:
        The table. The same order again finds what lies there.

    Raises:
        RecipeError: No row is asked for.
        CohortError: The source is no table, holds too few rows, or the folder holds something else.
        Refusal: Rows can't help repeating real ones, or keep nearer to those they were learnt from than chance allows.
    """
    source, folder = Path(source), Path(folder)
    if rows is not None and rows < 1:
        raise RecipeError(f"{rows} rows can't be made up", expected="one at least", code="no_rows")
    table = _read(source, label, patient)
    patient = patient or ("patient" if "patient" in table else None)
    settings = {
        "source": hashlib.sha256(source.read_bytes()).hexdigest(),
        "label": label,
        "patient": patient,
        "rows": rows,
        "seed": seed,
        "leave_out": sorted(leave_out),
    }
    there = _there(folder, settings)
    if there is not None:
        return there
    training, holdout, patients = _parted(table, patient, seed)
    columns, left_out = fit_columns(training, {*leave_out, *([patient] if patient else ())}, label)
    left_out |= {patient: "it says whose row it is"} if patient else {}
    if not columns:
        raise CohortError(
            "no column can be made up",
            where=safe_name(source),
            expected=f"numbers, or categories that {LEAST} people share",
            code="no_columns",
        )
    answer = next((column for column in columns if column.name == label), None)
    if label is not None:
        _require_classes(answer, label, holdout)
    made, redrawn = _made(columns, training, rows or len(training), seed)
    near = nearness(_records(columns, made), _records(columns, training), _records(columns, holdout), seed)
    _refuse_near(near)
    names = [column.name for column in columns]
    record: dict[str, Any] = {
        "settings": settings,
        "rows": {"training": len(training), "holdout": len(holdout), "made": len(made)},
        "columns": [column.record for column in columns],
        "left_out": left_out,
        "copies": {"redrawn": redrawn, "of_training": 0, "of_holdout": _copies(made, holdout[names])},
        "privacy": {name: round(value, 4) for name, value in near._asdict().items()},
        "utility": None,
    }
    if answer is not None:
        both = {"real": training, "synthetic": made}
        record["utility"] = train_and_test(columns, answer, both, holdout, patients, seed)
    folder.mkdir(parents=True, exist_ok=True)
    with write_aside(folder / "table.csv") as aside:
        made.to_csv(aside, index=False)
    with write_aside(folder / "synthesis.json") as aside:
        aside.write_text(json.dumps(finite(record), indent=1, default=str), encoding="utf-8")
    return SyntheticTable(folder / "table.csv", json.loads((folder / "synthesis.json").read_text(encoding="utf-8")))


def forget_table(folder: Path) -> None:
    """Delete a made-up table and its record, and nothing else."""
    folder = Path(folder)
    if (folder / "synthesis.json").exists():
        for name in ("table.csv", "synthesis.json"):
            (folder / name).unlink(missing_ok=True)


def _read(source: Path, label: str | None, patient: str | None) -> pandas.DataFrame:
    table = read_sheet(source, [patient] if patient else ())
    require_columns(table, [label] if label else [], safe_name(source))
    return table


def _there(folder: Path, settings: dict[str, Any]) -> SyntheticTable | None:
    """The table that was made before with the same settings."""
    record = folder / "synthesis.json"
    if record.exists() and (folder / "table.csv").exists():
        found = json.loads(record.read_text(encoding="utf-8"))
        if found.get("settings") == settings:
            return SyntheticTable(folder / "table.csv", found)
    if folder.exists() and any(folder.iterdir()):
        raise CohortError(
            "the folder holds something else",
            where=folder.name,
            expected="a new folder, or one with the table of the same source and settings",
            remedy="name another folder, or start anew with --fresh",
            code="synthesis_folder",
        )
    return None


def _parted(
    table: pandas.DataFrame, patient: str | None, seed: int
) -> tuple[pandas.DataFrame, pandas.DataFrame, np.ndarray]:
    """Training rows, held-out rows, and whose the latter are."""
    whose = np.asarray(table[patient].astype(str)) if patient else np.arange(len(table)).astype(str)
    if "role" in table and {"train", "test"} <= set(table["role"].dropna()):
        first, second = (np.asarray(table["role"] == role) for role in ("train", "test"))
        if set(whose[first]) & set(whose[second]):
            raise CohortError(
                "the same patients have rows for training and for testing",
                expected="each patient on one side",
                remedy="split by patient, or leave out the column 'role'",
                code="leaked_patients",
            )
    else:
        names = np.random.default_rng(seed).permutation(np.unique(whose))
        first = np.isin(whose, names[: len(names) // 2])
        second = ~first
    if min(first.sum(), second.sum()) < _FEWEST_ROWS:
        raise CohortError(
            f"{int(first.sum())} rows to learn from and {int(second.sum())} to try it on are too few",
            expected=f"{_FEWEST_ROWS} on either side",
            remedy="a made-up table of a few people gives them away: use another source",
            code="too_few_rows",
        )
    training, holdout = (table.loc[each].reset_index(drop=True) for each in (first, second))
    return training, holdout, whose[second]


def _require_classes(answer: TableColumn | None, label: str, holdout: pandas.DataFrame) -> None:
    fits = answer is not None and not answer.is_number and len(answer.categories or ()) > 1
    if answer is None or not fits or len(np.unique(answer.encode(holdout[label])[~holdout[label].isna()])) < 2:
        raise CohortError(
            f"the label '{label}' holds no classes to tell apart",
            expected=f"two classes or more, each of {LEAST} rows for training, and two of them held out",
            remedy="name a column of classes, or no label",
            code="no_classes",
        )


def _made(
    columns: Sequence[TableColumn], training: pandas.DataFrame, number: int, seed: int
) -> tuple[pandas.DataFrame, int]:
    """Made-up rows that repeat no training row, and how many were drawn anew for it."""
    import pandas

    gaps = [column for column in columns if column.gaps]
    latent = [column.encode(training[column.name]) for column in columns]
    latent += [np.asarray(training[column.name].isna(), float) for column in gaps]
    correlation = correlation_matrix(latent)
    rng = np.random.default_rng([seed, 1])
    names = [column.name for column in columns]
    real = set(_rows(columns, training))
    kept: list[tuple[Any, ...]] = []
    redrawn = 0
    for _ in range(_ROUNDS):
        uniform = draw_uniforms(rng, correlation, number - len(kept))
        missing = {gap.name: uniform[:, len(columns) + place] > 1 - gap.gaps for place, gap in enumerate(gaps)}
        none = np.zeros(len(uniform), bool)
        values = [
            column.decode(uniform[:, place], missing.get(column.name, none)) for place, column in enumerate(columns)
        ]
        drawn = list(zip(*values, strict=True))
        fresh = [row for row in drawn if row not in real]
        redrawn += len(drawn) - len(fresh)
        kept += fresh
        if len(kept) == number:
            return pandas.DataFrame(kept, columns=names, dtype=object), redrawn
    raise Refusal(
        "rows can't help repeating those of real people",
        expected="columns so many and so fine that a row is hardly anyone's",
        remedy="tell counts instead of rows, or make up fewer of them",
        code="copies",
    )


def _rows(columns: Sequence[TableColumn], table: pandas.DataFrame) -> list[tuple[Any, ...]]:
    """Real rows as made-up ones would be written."""
    written = []
    for column in columns:
        codes = column.encode(table[column.name])
        if column.categories is None:
            rounded = np.round(codes, column.decimals)
            written.append([None if np.isnan(each) else float(each) for each in rounded])
        else:
            written.append([None if np.isnan(each) else column.categories[int(each)] for each in codes])
    return list(zip(*written, strict=True))


def _copies(made: pandas.DataFrame, real: pandas.DataFrame) -> int:
    """How many made-up rows repeat a real one that the generator never saw: what chance alone does."""
    known = set(real.astype(object).where(real.notna(), None).itertuples(index=False, name=None))
    return sum(row in known for row in made.itertuples(index=False, name=None))


def _records(columns: Sequence[TableColumn], table: pandas.DataFrame) -> Records:
    numbers, codes = [], []
    for column in columns:
        found = column.encode(table[column.name])
        if column.is_number:
            width = float(np.subtract(*np.interp([0.95, 0.05], column.shares, column.knots))) or 1.0
            numbers.append(found / width)
        else:
            codes.append(np.where(np.isnan(found), -1, found))
    size = len(table)
    return Records(
        np.stack(numbers, axis=1) if numbers else np.empty((size, 0)),
        np.stack(codes, axis=1).astype(int) if codes else np.empty((size, 0), int),
    )


def _refuse_near(near: Nearness) -> None:
    if near.share > _NEAR and near.p_value < _CHANCE:
        raise Refusal(
            f"{near.share:.0%} of the made-up rows lie nearer to a training record than to any held-out one",
            expected="about half, as of rows that nobody was copied into",
            remedy="leave out columns that single people out, or give the generator more rows to learn from; where held-out "
            "rows come from another place than training rows, leave the column 'role' out",
            code="too_near",
        )
