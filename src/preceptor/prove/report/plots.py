"""The report's charts: training, curves with their bands, intervals of parts, values case by case, confusion."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from preceptor.core.evidence import Finding, Predictions
from preceptor.prove.report.svg import Chart, padded, ticks
from preceptor.prove.report.wording import number, words

#: How the name of a level axis begins where the curve is compared with the diagonal.
_DIAGONAL = ("false_positive", "confidence", "predicted", "probability", "expected")
_MOST_LINES = 7

#: Curves that are clouds of dots, one a case, and no lines: see `preceptor.prove.report.clouds`.
CLOUDS = ("agreement", "differences")

#: More dots than this in one row of a chart are thinned.
MOST_DOTS = 300

_Line = tuple[list[float], list[float]]
_Value = Callable[[Mapping[str, Any]], float | None]


@dataclass(frozen=True)
class Plot:
    """A chart with its heading and a sentence on how to read it."""

    title: str
    chart: Markup
    caption: str = ""


def training_plots(epochs: Sequence[Mapping[str, Any]], score_name: str = "tuning score") -> list[Plot]:
    """Losses and tuning score by epoch; several fits are drawn together, each thin.

    Args:
        epochs: Records of ``log.jsonl``.
        score_name: What the tuning score measures.
    """
    fits = list(dict.fromkeys(str(each.get("fit", "0")) for each in epochs))
    last = max((int(each["epoch"]) for each in epochs), default=0)
    if last < 2:
        return []  # one epoch is a point, not a course
    plots = []
    names = list(dict.fromkeys(name for each in epochs for name in each.get("losses", {})))[:_MOST_LINES]
    losses = {name: {fit: _series(epochs, fit, _loss(name)) for fit in fits} for name in names}
    if any(ys for lines in losses.values() for _, ys in lines.values()):
        plots.append(Plot("Loss by epoch", _lines(losses, last, "loss", "Training loss by epoch"), _fits_said(fits)))
    scores = {score_name: {fit: _series(epochs, fit, lambda each: each.get("score")) for fit in fits}}
    if any(ys for lines in scores.values() for _, ys in lines.values()):
        chart = _lines(scores, last, score_name, f"{score_name} on the tuning cases by epoch")
        plots.append(
            Plot("Tuning cases by epoch", chart, "The weights with the best value were kept. " + _fits_said(fits))
        )
    return plots


def curve_plots(name: str, finding: Finding) -> list[Plot]:
    """Every curve that a finding brings, curves of one kind in one chart.

    Args:
        name: The finding's, for headings.
        finding: Its curves' axes are in the order drawn: x, y, lower, upper.
    """
    groups: dict[tuple[str, str, str], dict[str, Mapping[str, list]]] = {}
    for kind, label, curve in curves_of(finding):
        if kind in CLOUDS:
            continue
        axes = list(curve)
        if len(axes) >= 2 and all(isinstance(curve[axis], (list, tuple)) for axis in axes[:2]) and curve[axes[0]]:
            groups.setdefault((kind, axes[0], axes[1]), {})[label] = curve
    plots = []
    for (kind, across, up), curves in groups.items():
        shown = dict(list(curves.items())[:_MOST_LINES])
        left = len(curves) - len(shown)
        caption = f"{left} further curves are not drawn." if left else ""
        if any(len(curve) >= 4 for curve in shown.values()):
            caption = f"Bands and bars: {finding.level * 100:.0f} % interval. {caption}".strip()
        title = name if kind.lower() in name.lower() else f"{name}, {words(kind)}"
        plots.append(Plot(title, _curve_chart(shown, across, up), caption))
    return plots


def interval_plot(rows: Sequence[tuple[str, Finding]], axis: str) -> Markup | None:
    """A value with its interval for each part, one under the other.

    Args:
        rows: ``(label, finding)``; those without a value are left out.
        axis: Name of the axis with its unit.
    """
    known = [(label, each) for label, each in rows if math.isfinite(each.value)]
    if len(known) < 2:
        return None
    ends = [end for _, each in known for end in (each.value, *(each.interval or ())) if math.isfinite(end)]
    x = _unit_range(ends)
    count = len(known)
    left = _room(label for label, _ in known)
    chart = Chart(
        x,
        (0.4, count + 0.6),
        axis,
        "",
        f"{axis}: " + "; ".join(f"{label} {said(each)}" for label, each in known),
        height=64 + 30 * count,
        y_ticks=[(count - index, _cut(label)) for index, (label, _) in enumerate(known)],
        left=left,
    )
    for index, (label, each) in enumerate(known):
        if each.interval is not None:
            chart.interval(count - index, *each.interval)
        chart.point(each.value, count - index, f"{label}: {said(each)}", radius=5.5)
    return chart.render()


def case_plot(groups: Sequence[tuple[str, Mapping[str, float]]], axis: str, centre: str = "median") -> Markup | None:
    """Every case as a dot, group by group, with the group's median (or mean).

    Args:
        groups: ``(label, {case: value})``.
        axis: Name of the axis with its unit.
        centre: ``median`` or ``mean``.
    """
    known = [(label, _finite(values)) for label, values in groups if _finite(values)]
    everything = [value for _, values in known for value in values.values()]
    if not everything:
        return None
    count = len(known)
    left = _room(label for label, _ in known)
    chart = Chart(
        _unit_range(everything),
        (0.4, count + 0.6),
        axis,
        "",
        f"{axis} case by case. " + "; ".join(f"{label}: {_centre_said(values, centre)}" for label, values in known),
        height=64 + 46 * count,
        y_ticks=[(count - index, _cut(label)) for index, (label, _) in enumerate(known)],
        left=left,
    )
    for index, (label, values) in enumerate(known):
        for key, value in _thinned(values):
            # The same case is always at the same height: scatter tells dots apart and means nothing.
            scatter = int(hashlib.sha256(key.encode()).hexdigest()[:6], 16) / 0xFFFFFF - 0.5
            chart.point(value, count - index + 0.5 * scatter, f"{key}: {number(value)}", radius=3.6)
        middle = float(getattr(np, centre)(list(values.values())))
        chart.whisker(middle, count - index - 0.36, count - index + 0.36, series=1, width=3)
        chart.touch(middle, count - index, f"{label}: {_centre_said(values, centre)}")
    return chart.render()


def scatter_plot(truth: Sequence[float], answer: Sequence[float], keys: Sequence[str], name: str, unit: str) -> Markup:
    """Answers by truth, for a regressed quantity."""
    low, high = padded(min([*truth, *answer]), max([*truth, *answer]))
    axis = f" ({unit})" if unit else ""
    alt = f"Answer by truth for {len(truth)} cases"
    chart = Chart((low, high), (low, high), f"true {name}{axis}", f"answered {name}{axis}", alt, height=400)
    chart.reference(low, low, high, high)
    for x, y, key in zip(truth, answer, keys, strict=True):
        chart.point(x, y, f"{key}: true {number(x, unit)}, answered {number(y, unit)}")
    return chart.render()


@dataclass(frozen=True)
class Confusion:
    """Counts of truth (rows) by answer (columns).

    Args:
        names: Classes.
        counts: ``(truth, answer)``.
        shares: Of each row, 0..1, for the shading.
    """

    names: tuple[str, ...]
    counts: list[list[int]]
    shares: list[list[float]]


def confusion(predictions: Predictions) -> Confusion | None:
    """Of classes that exclude each other; None for every other question."""
    question = predictions.question
    if question.dense or question.is_regression or not question.exclusive or not len(predictions):
        return None
    truth, answer = predictions.truth_index(), predictions.answer_index()
    known = (truth >= 0) & (answer >= 0)
    size = len(question.classes)
    counts = np.zeros((size, size), dtype=int)
    np.add.at(counts, (truth[known], answer[known]), 1)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    return Confusion(question.classes, counts.tolist(), shares.tolist())


def said(finding: Finding) -> str:
    """``0.880 [0.871, 0.889] mm``."""
    text = number(finding.value)
    if finding.interval is not None:
        text += f" [{number(finding.interval[0])}, {number(finding.interval[1])}]"
    return f"{text} {finding.unit}".strip()


# -------------------------------------------------------------------- parts


def curves_of(finding: Finding) -> list[tuple[str, str, Mapping[str, list]]]:
    """``(kind, whose, curve)`` of a finding and of its parts."""
    found = [(kind, "all", curve) for kind, curve in finding.curves.items()]
    for part, each in finding.parts.items():
        found += [(kind, words(part), curve) for kind, curve in each.curves.items()]
    return found


def _curve_chart(curves: Mapping[str, Mapping[str, list]], across: str, up: str) -> Markup:
    xs = [x for curve in curves.values() for x in curve[across] if x is not None]
    ys = [
        y for curve in curves.values() for axis in list(curve)[1:4] for y in curve[axis] if isinstance(y, (int, float))
    ]
    x, y = _unit_range(xs), _unit_range(ys)
    diagonal = across.startswith(_DIAGONAL)
    if (diagonal or x == (0.0, 1.0)) and all(-0.2 <= value <= 1.2 for value in [*xs, *ys]):
        x = y = (0.0, 1.0)
    square = x == y == (0.0, 1.0)
    alt = f"{words(up)} by {words(across)}: {', '.join(curves)}"
    chart = Chart(x, y, words(across), words(up), alt, height=420 if square else 320)
    if square and diagonal:
        chart.reference(0, 0, 1, 1)
    for series, (label, curve) in enumerate(curves.items()):
        axes = list(curve)
        named = _cut(label, 40) if len(curves) > 1 else ""
        lower, upper = (curve[axes[2]], curve[axes[3]]) if len(axes) >= 4 else (None, None)
        few = len(curve[across]) <= 20
        if lower is not None and upper is not None and not few and (len(curves) < 3 or series == 0):
            chart.band(curve[across], lower, upper, series=series)
        chart.line(curve[across], curve[up], series=series, name=named)
        if few:
            for index, (at, value) in enumerate(zip(curve[across], curve[up], strict=True)):
                tip = f"{label}: {words(across)} {number(at)}, {words(up)} {number(value)}"
                if lower is not None and upper is not None:
                    chart.whisker(at, lower[index], upper[index], series=series)
                    tip += f" [{number(lower[index])}, {number(upper[index])}]"
                chart.point(at, value, tip, series=series)
    return chart.render()


def _loss(name: str) -> _Value:
    return lambda epoch: epoch.get("losses", {}).get(name)


def _series(epochs: Sequence[Mapping[str, Any]], fit: str, value: _Value) -> _Line:
    points = [(int(each["epoch"]), value(each)) for each in epochs if str(each.get("fit", "0")) == fit]
    known = sorted((x, float(y)) for x, y in points if y is not None and math.isfinite(y))
    return [x for x, _ in known], [y for _, y in known]


def _lines(lines: Mapping[str, Mapping[str, _Line]], last: int, axis: str, alt: str) -> Markup:
    values = [y for fits in lines.values() for _, ys in fits.values() for y in ys]
    low, high = min(values), max(values)
    y = (0.0, high * 1.05) if 0 <= low < 0.5 * high else padded(low, high)
    whole = sorted({round(tick) for tick in ticks(1, last) if 1 <= round(tick) <= last} | {1})
    chart = Chart((1, last), y, "epoch", axis, alt, x_ticks=[(tick, str(tick)) for tick in whole])
    for series, (name, fits) in enumerate(lines.items()):
        for place, (fit, (xs, ys)) in enumerate(fits.items()):
            told = words(name) if len(fits) == 1 else f"{words(name)}, fit {fit}"
            chart.line(xs, ys, series=series, faint=len(fits) > 1, tell=False)
            for x, value in list(zip(xs, ys, strict=True))[:: max(1, len(xs) // 40)]:
                chart.touch(x, value, f"{told}, epoch {x}: {number(value)}")
            if place == 0 and len(lines) > 1:
                chart.legend(words(name), series)
    return chart.render()


def _fits_said(fits: Sequence[str]) -> str:
    return f"One thin line for each of {len(fits)} trainings." if len(fits) > 1 else ""


def _unit_range(values: Sequence[float]) -> tuple[float, float]:
    """0 to 1 for what lives there and fills it; else the data's own range with some air."""
    low, high = min(values), max(values)
    if low >= 0 and high <= 1 and high - low > 0.35:
        return (0.0, 1.0)
    padded_low, padded_high = padded(low, high)
    return (
        max(padded_low, 0.0) if low >= 0 else padded_low,
        min(padded_high, 1.0) if low >= 0 and high <= 1 else padded_high,
    )


def _thinned(values: Mapping[str, float]) -> list[tuple[str, float]]:
    """At most `MOST_DOTS` of a group, evenly chosen in order of their values, the ends among them."""
    ordered = sorted(values.items(), key=lambda each: (each[1], each[0]))
    if len(ordered) <= MOST_DOTS:
        return ordered
    return [ordered[round(at * (len(ordered) - 1) / (MOST_DOTS - 1))] for at in range(MOST_DOTS)]


def _finite(values: Mapping[str, float]) -> dict[str, float]:
    return {key: value for key, value in values.items() if value is not None and math.isfinite(value)}


def _room(labels: Iterable[str]) -> int:
    """Left of the axis for names of rows, wide enough for the larger type of a narrow screen."""
    return max(48, 18 + max(int(8.2 * len(_cut(label))) for label in labels))


def _cut(label: str, most: int = 22) -> str:
    return label if len(label) <= most else f"{label[: most - 1]}…"


def _centre_said(values: Mapping[str, float], centre: str) -> str:
    return f"{centre} {number(float(getattr(np, centre)(list(values.values()))))} of {len(values)} cases"
