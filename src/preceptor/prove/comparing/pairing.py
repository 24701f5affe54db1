"""Several models' answers to the same cases, row by row beside one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from preceptor.core.errors import CohortError
from preceptor.core.evidence import Predictions
from preceptor.prove.foreign import read_foreign


def read_answers(path: Path) -> Predictions:
    """The stored predictions of a run's folder, of an evaluation's, or of a table.

    Args:
        path: A folder with ``predictions.parquet``, or a ``.csv`` or ``.parquet`` as `read_foreign` takes it.

    Raises:
        CohortError: The folder holds no predictions, or the table can't be read.
    """
    if not path.is_dir():
        return read_foreign(path)
    from preceptor.prove.report.record import Record

    found = Record.read(path).predictions
    if found is None:
        raise CohortError(
            "the folder holds no predictions",
            where=path.name,
            expected="the folder of a finished run, with predictions.parquet in it",
            code="not_a_run",
        )
    return found


def paired(several: Sequence[Predictions]) -> list[Predictions]:
    """The cases that all of them answered, in the same order.

    Test cases alone, where any have that role. Where a model answered a case several times (repeated folds), its first
    answer counts.

    Args:
        several: Predictions of two models or more.

    Raises:
        CohortError: They were asked different questions, share no case, or disagree about what is true.
    """
    first = several[0]
    for other in several[1:]:
        same = set(first.question.classes) == set(other.question.classes)
        if not same or (first.question.exclusive, first.question.dense) != (
            other.question.exclusive,
            other.question.dense,
        ):
            raise CohortError(
                "the two were asked about different classes",
                expected="predictions of the same question",
                code="comparison_question",
            )
    tested = [each.role("test") if (each.table["role"] == "test").any() else each for each in several]
    keys = set.intersection(*(set(each.table["key"]) for each in tested))
    if not keys:
        raise CohortError("the two share no case", expected="predictions of the same cohort", code="comparison_cases")
    sides = [_in_order(each, keys) for each in tested]
    # Columns are read by the classes' names: the first's order holds for all, and with it which class is positive.
    sides = [replace(each, question=replace(each.question, classes=first.question.classes)) for each in sides]
    for other in sides[1:]:
        _same_truth(sides[0], other)
    return sides


def _in_order(predictions: Predictions, keys: set[str]) -> Predictions:
    kept = predictions.where(predictions.table["key"].isin(keys))
    by = ["key", "fit"] if "fit" in kept.table else ["key"]
    table = kept.table.sort_values(by, kind="stable")
    once = table.drop_duplicates("key").reset_index(drop=True)
    return replace(kept, table=once)


def _same_truth(first: Predictions, second: Predictions) -> None:
    """Two tables that disagree about the truth compare nothing. Of dense answers the maps are trusted."""
    if first.question.dense:
        return
    if first.question.is_regression:
        one, two = (each.table["truth"].to_numpy(dtype=float) for each in (first, second))
        differ = int((np.abs(np.nan_to_num(one - two)) > 1e-6).sum() + (np.isnan(one) != np.isnan(two)).sum())
    else:
        one, two = first.truth_matrix(), second.truth_matrix()
        differ = int(((one != two) & ~(np.isnan(one) & np.isnan(two))).any(1).sum())
    if differ:
        raise CohortError(
            f"the two hold different truths for {differ} of {len(first)} cases",
            expected="one truth for a case",
            remedy="compare predictions of one version of the labels",
            code="comparison_truth",
        )
