"""Train on a made-up table, test on a real one: how much of what can be learnt has been kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from preceptor.maths.intervals import Bootstrap, Interval, Resamples, average_of, bootstrap, paired_difference
from preceptor.maths.roc import auroc_statistic

from .table_columns import TableColumn

if TYPE_CHECKING:
    import pandas

#: Resamples of the intervals.
_RESAMPLES = 1000


def train_and_test(
    columns: Sequence[TableColumn],
    label: TableColumn,
    tables: Mapping[str, pandas.DataFrame],
    test: pandas.DataFrame,
    patients: np.ndarray,
    seed: int,
) -> dict[str, dict[str, Any]]:
    """The area under the curve of models that were trained on each of several tables, on the same real rows.

    Two models: logistic regression, which sees what a Gaussian copula keeps, and a random forest, which also sees what it
    loses (interactions, anything not monotone). Of more than two classes it is the mean of each against the rest.

    Args:
        columns: All that are made up; the label is one of them.
        label: What is foretold.
        tables: Rows to train on, ``real`` and ``synthetic``.
        test: Real rows that neither table holds.
        patients: ``(row,)`` whose rows they are: intervals resample patients.
        seed: Of the forest and the resamples.

    Returns:
        ``{model: {table: {auroc, interval}, difference: {auroc, interval}}}``, the difference being synthetic minus real.
    """
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    inputs = [column for column in columns if column is not label]
    truth = label.encode(test[label.name])
    known = np.isfinite(truth)
    resamples = Resamples.of(patients[known], _RESAMPLES, seed)
    found: dict[str, dict[str, Any]] = {}
    for name in ("logistic", "forest"):
        drawn: dict[str, Bootstrap] = {}
        for table, rows in tables.items():
            answers = label.encode(rows[label.name])
            labelled = np.isfinite(answers)
            model: Any = (
                make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
                if name == "logistic"
                else RandomForestClassifier(200, min_samples_leaf=3, random_state=seed)
            )
            model.fit(_features(inputs, rows)[labelled], answers[labelled])
            scores = model.predict_proba(_features(inputs, test.loc[known]))
            drawn[table] = _measured(truth[known], scores, model.classes_, resamples)
        found[name] = {table: _told(each) for table, each in drawn.items()}
        found[name]["difference"] = _told(paired_difference(drawn["synthetic"], drawn["real"]))
    return found


def _measured(truth: np.ndarray, scores: np.ndarray, classes: np.ndarray, resamples: Resamples) -> Bootstrap:
    positives = [1] if len(classes) == 2 else range(len(classes))
    each = [auroc_statistic((truth == classes[p]).astype(float), scores[:, p], resamples) for p in positives]
    return bootstrap(each[0] if len(each) == 1 else average_of(each), resamples)


def _told(measured: Bootstrap) -> dict[str, Any]:
    interval: Interval | None = measured.interval()
    ends = None if interval is None else [round(interval.lower, 4), round(interval.upper, 4)]
    return {"auroc": round(measured.value, 4), "interval": ends}


def _features(columns: Sequence[TableColumn], rows: pandas.DataFrame) -> np.ndarray:
    """``(row, feature)``: numbers with their median where missing, categories one by one, and what is missing."""
    parts = []
    for column in columns:
        codes = column.encode(rows[column.name])
        missing = np.isnan(codes)
        if column.is_number:
            middle = float(np.interp(0.5, column.shares, column.knots))
            parts.append(np.where(missing, middle, codes)[:, None])
        else:
            parts.append((codes[:, None] == np.arange(len(column.categories or ()))).astype(float))
        if column.gaps:
            parts.append(missing[:, None].astype(float))
    return np.hstack(parts) if parts else np.zeros((len(rows), 1))
