"""From numbers per case to findings: every one with an interval over resampled patients, counts and notes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from preceptor.core.cohort import Cohort
from preceptor.core.evidence import Finding, Predictions
from preceptor.maths.intervals import Resamples, Statistic, bootstrap, clopper_pearson, mean_statistic

#: Below this many patients the bootstrap is known to be too narrow, and the finding says so.
FEW_CLUSTERS = 20


@dataclass(frozen=True, eq=False)
class Measuring:
    """The rows to measure with one set of resamples for all that is measured on them.

    Args:
        predictions: The rows.
        resamples: Of their clusters.
        level: Of the intervals.
    """

    predictions: Predictions
    resamples: Resamples
    level: float

    @classmethod
    def of(cls, predictions: Predictions, resamples: int, level: float, seed: int) -> Measuring:
        """Draw the resamples.

        Args:
            predictions: The rows to measure.
            resamples: How many.
            level: Of the intervals.
            seed: Of the draws.
        """
        clusters = predictions.table["cluster"].astype(str).to_numpy()
        return cls(predictions, Resamples.of(clusters, resamples, seed), level)

    @property
    def unit(self) -> str:
        """What is resampled: "patient" where patients are named, else "image"."""
        patients = self.predictions.table.get("patient")
        return "patient" if patients is not None and patients.notna().all() else "image"

    def finding(
        self,
        name: str,
        definition: str,
        statistic: Statistic,
        entered: np.ndarray,
        *,
        accelerated: bool = True,
        trials: int | None = None,
        notes: Sequence[str] = (),
        **more: Any,
    ) -> Finding:
        """A finding of any statistic.

        A share of exactly 0 or 1 is the same in every resample, and a bootstrap would promise that the next patient
        can't differ. Its interval is then the exact one of so many patients of whom none, or all, succeeded.

        Args:
            name: Of the finding.
            definition: One sentence.
            statistic: Of counts per cluster.
            entered: ``(row,)`` which rows it looks at.
            accelerated: BCa instead of percentiles.
            trials: Of a value that lives in 0..1: how many clusters it rests on; None for any other.
            notes: What a reader must know; what the resamples add is appended.
            more: Further fields of `Finding`.
        """
        entered = np.asarray(entered, dtype=bool)
        clusters = self.clusters(entered)
        drawn = bootstrap(statistic, self.resamples, accelerated)
        interval = drawn.interval(self.level) if clusters > 1 else None
        made = f"{self.resamples.number} resamples, {interval.method}" if interval is not None else "no interval"
        if interval is not None and trials and drawn.value in (0.0, 1.0) and interval.lower == interval.upper:
            interval = clopper_pearson(round(drawn.value) * trials, trials, self.level)
            made = f"the same in every resample: exact interval of {trials} of {trials} (Clopper-Pearson)"
        told = list(notes)
        if interval is None:
            told.append(f"no interval: {'the value is undefined' if np.isnan(drawn.value) else 'one ' + self.unit}")
        elif clusters < FEW_CLUSTERS:
            told.append(f"only {clusters} {self.unit}s: the interval is likely too narrow")
        if interval is not None and drawn.degenerate:
            told.append(f"undefined in {drawn.degenerate} of {self.resamples.number} resamples, which were left out")
        return Finding(
            name=name,
            value=drawn.value,
            definition=definition,
            interval=None if interval is None else (interval.lower, interval.upper),
            level=self.level,
            method=f"bootstrap of {clusters} {self.unit}s, {made}",
            cases=int(entered.sum()),
            clusters=clusters,
            notes=tuple(told),
            bootstrap=drawn,
            **more,
        )

    def clusters(self, rows: np.ndarray) -> int:
        """How many clusters some rows are of.

        Args:
            rows: ``(row,)`` bool.
        """
        return len(np.unique(self.resamples.cluster[np.asarray(rows, dtype=bool)]))

    def mean(self, name: str, definition: str, values: np.ndarray, *, share: bool = False, **more: Any) -> Finding:
        """A finding that is the mean of one number a row; rows with NaN do not enter, and the caller says why.

        Args:
            name: Of the finding.
            definition: One sentence.
            values: ``(row,)``.
            share: Whether the values live in 0..1.
            more: Further fields of `Finding`.
        """
        values = np.asarray(values, dtype=np.float64)
        statistic = mean_statistic(values, self.resamples)
        more |= {"trials": self.clusters(~np.isnan(values))} if share else {}
        return self.finding(name, definition, statistic, ~np.isnan(values), per_case=self.per_case(values), **more)

    def per_case(self, values: np.ndarray) -> dict[str, float]:
        """``{key: value}`` of what is defined; a case that several fits answered has the mean of its rows."""
        rows: dict[str, list[float]] = {}
        for key, value in zip(self.predictions.table["key"], values, strict=True):
            if not np.isnan(value):
                rows.setdefault(str(key), []).append(float(value))
        return {key: float(np.mean(each)) for key, each in rows.items()}

    def structures(
        self, name: str, definition: str, values: np.ndarray, structures: Sequence[str], **more: Any
    ) -> Finding:
        """A finding of one number per row and structure: the mean over structures, then over rows; a part for each.

        Args:
            name: Of the finding.
            definition: One sentence.
            values: ``(row, structure)``; NaN where undefined.
            structures: Their names.
            more: Further fields of `Finding`, for the parts too; ``parts`` are added to those of the structures.
        """
        defined = ~np.isnan(values)
        totals = np.where(defined, values, 0.0).sum(1)
        means = np.divide(totals, defined.sum(1), out=np.full(len(values), np.nan), where=defined.any(1))
        added = dict(more.pop("parts", {}))
        same = {key: more[key] for key in ("unit", "higher_is_better", "share") if key in more}
        parts = {
            structure: self.mean(f"{name}.{structure}", f"{structure}: {definition}", values[:, at], **same)
            for at, structure in enumerate(structures)
        }
        if len(structures) > 1:
            definition = f"{definition}; the mean over {' and '.join(structures)} in each case first"
        return self.mean(name, definition, means, parts=parts | added, **more)


def noted(number: int, what: str) -> tuple[str, ...]:
    """A note with its count, or none where there is nothing to say; ``{s}`` in the text takes the plural."""
    return (f"{number} {what.replace('{s}', 's' if number != 1 else '')}",) if number else ()


def refused(predictions: Predictions) -> tuple[str, ...]:
    """Says that cases which safeguards refused are measured like the others."""
    accepted = predictions.table.get("accepted")
    number = 0 if accepted is None else int((~accepted.astype(bool)).sum())
    return noted(number, "case{s} that a safeguard refused measured like the others")


def by_field(
    finding: Finding,
    fields: Sequence[str] | None,
    predictions: Predictions,
    cohort: Cohort,
    measure: Callable[[Predictions, Cohort], Finding],
) -> Finding:
    """The finding with a part for each value of the named fields, such as ``site=A``.

    Args:
        finding: Of all rows.
        fields: Of the cohort, or None.
        predictions, cohort: What was measured.
        measure: The evaluator, asked anew for the rows of each value.
    """
    parts: dict[str, Finding] = {}
    for field in fields or ():
        column = predictions.table.get(f"field:{field}", predictions.table.get(field))
        if column is None:
            finding = replace(finding, notes=(*finding.notes, f"no field '{field}' to divide by"))
            continue
        for value in sorted(column.dropna().unique(), key=str):
            part = measure(predictions.where(column == value), cohort)
            parts[f"{field}={value}"] = replace(part, name=f"{finding.name}.{field}={value}")
    return replace(finding, parts={**finding.parts, **parts}) if parts else finding


def merge(*parts: Mapping[str, Finding] | None) -> dict[str, Finding]:
    """Several groups of parts as one."""
    return {name: part for group in parts if group for name, part in group.items()}
