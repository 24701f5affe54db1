"""How the model does by site, sex, age and scanner: the headline case by case, with counts; small groups held back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from preceptor.maths.intervals import Bootstrap, Resamples, bootstrap, clopper_pearson, mean_statistic, wilson
from preceptor.prove.report.plots import case_plot
from preceptor.prove.report.record import Record
from preceptor.prove.report.table_one import AGE, SCANNER, SEX, SITE, age_band, column_of
from preceptor.prove.report.wording import number, title_of

#: Groups with fewer patients (or images, where no patient is named) are counted and not shown.
SMALLEST_GROUP = 5


@dataclass(frozen=True)
class Subgroups:
    """One way of dividing the test cases.

    Args:
        title: What they are divided by.
        measure: What was measured, with its unit.
        rows: ``(group, patients, cases, value)``.
        chart: Every case as a dot.
        note: Which groups are not shown, and why.
    """

    title: str
    measure: str
    rows: tuple[tuple[str, int, int, str], ...]
    chart: Markup | None
    note: str


def subgroups(record: Record) -> list[Subgroups]:
    """Every division that the cohort's fields allow; empty where it has none, or nothing is known case by case."""
    if record.cohort is None or record.predictions is None:
        return []
    values, measure, as_share = per_case_values(record)
    if not values:
        return []
    found = []
    for title, names in (("Site", SITE), ("Sex", SEX), ("Age", AGE), ("Scanner", SCANNER)):
        column = column_of(record.cohort, names)
        if column is None:
            continue
        groups: dict[str, dict[str, float]] = {}
        for case in record.cohort:
            if case.key in values:
                given = case.fields.get(column)
                level = age_band(given) if title == "Age" else None if given is None else str(given)
                groups.setdefault(level or "unknown", {})[case.key] = values[case.key]
        if groups:
            found.append(_divided(title, groups, measure, as_share, record))
    return found


def per_case_values(record: Record) -> tuple[dict[str, float], str, bool]:
    """The headline's value of every test case; for classes, whether the answer was right.

    Returns:
        ``{case: value}``, what it is, and whether it is right (1) or wrong (0).
    """
    headline = record.evidence.facts.get("headline")
    finding = record.evidence.findings.get(str(headline))
    if finding is not None and finding.per_case:
        known = {key: v for key, v in finding.per_case.items() if v is not None and math.isfinite(v)}
        unit = f" ({finding.unit})" if finding.unit else ""
        return known, f"{title_of(str(headline))}{unit}", False
    predictions, question = record.predictions, record.question
    if predictions is None or question.dense or (question.is_regression and not question.is_number):
        return {}, "", False
    rows = predictions.role("test").table
    if question.is_regression:
        answered = zip(rows["key"], rows["answer"], rows["truth"], strict=True)
        errors = {str(key): abs(float(answer) - float(truth)) for key, answer, truth in answered}
        errors = {key: value for key, value in errors.items() if math.isfinite(value)}
        return errors, f"Distance from the truth{f' ({question.unit})' if question.unit else ''}", False
    known = rows[rows["truth"].notna()]
    right = {str(k): float(a == t) for k, a, t in zip(known["key"], known["answer"], known["truth"], strict=True)}
    return right, "Answers that are right", True


def _divided(
    title: str, groups: Mapping[str, Mapping[str, float]], measure: str, as_share: bool, record: Record
) -> Subgroups:
    assert record.cohort is not None
    cluster_of = {case.key: case.cluster for case in record.cohort}
    rows, shown, small, held_back = [], [], 0, 0
    for level in sorted(groups, key=lambda each: (each == "unknown", *_natural(each))):
        values = groups[level]
        patients = len({cluster_of[key] for key in values})
        if patients < SMALLEST_GROUP:
            small, held_back = small + 1, held_back + patients
            continue
        rows.append((level, patients, len(values), _said(values, cluster_of, as_share)))
        shown.append((level, values))
    note = ""
    if small:
        kind = "patients" if record.knows_patients else "images"
        note = (
            f"{small} group{'' if small == 1 else 's'} with fewer than {SMALLEST_GROUP} {kind} "
            f"({record.one(held_back)} in all) {'is' if small == 1 else 'are'} held back: "
            "so few say more about the persons than about the group."
        )
    chart = None if as_share or len(shown) < 1 else case_plot(shown, measure, "mean")
    return Subgroups(title, measure, tuple(rows), chart, note)


def _said(values: Mapping[str, float], cluster_of: Mapping[str, str], as_share: bool) -> str:
    """The mean with its interval, patients resampled whole."""
    numbers, clusters = list(values.values()), [cluster_of[key] for key in values]
    if as_share:
        right, count = round(sum(numbers)), len(numbers)
        said = f"{right} of {count}, {100 * right / count:.0f} %"
        # Several cases of one person are no independent trials: then persons are resampled, as for every other value.
        alone = len(set(clusters)) == count
        people = len(set(clusters))
        shares = wilson(right, count) if alone else _resampled(numbers, clusters).interval()
        if shares is not None and right in (0, count) and not alone:
            # All alike in every resample: that the next person could differ, only an exact interval of persons says.
            shares = clopper_pearson(people if right else 0, people)
        return said if shares is None else f"{said} [{100 * shares.lower:.0f}, {100 * shares.upper:.0f}]"
    drawn = _resampled(numbers, clusters)
    interval = drawn.interval()
    if interval is None:
        return number(drawn.value)
    return f"{number(drawn.value)} [{number(interval.lower)}, {number(interval.upper)}]"


def _resampled(values: list[float], clusters: list[str]) -> Bootstrap:
    resamples = Resamples.of(clusters)
    return bootstrap(mean_statistic(np.array(values), resamples), resamples)


def _natural(level: str) -> tuple[Any, ...]:
    """Bands by age, everything else by name."""
    start = level.partition("–")[0].partition(" ")[0]
    return (0, int(start), level) if start.isdigit() else (1, 0, level)
