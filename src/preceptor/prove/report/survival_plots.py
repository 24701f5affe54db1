"""Survival by risk: what happened to thirds of the test cases, and what was foretold for them."""

from __future__ import annotations

import numpy as np

from preceptor.core.evidence import Predictions
from preceptor.maths.survival_curves import kaplan_meier
from preceptor.prove.report.plots import Plot
from preceptor.prove.report.svg import Chart
from preceptor.prove.report.wording import number

_THIRDS = ("lowest third of risk", "middle third", "highest third of risk")
#: Fewer cases in a third say nothing.
_LEAST = 5


def survival_plots(predictions: Predictions) -> list[Plot]:
    """One chart: a Kaplan-Meier curve for each third of the test cases by risk, dots where the model foretold.

    A third's dot is the mean of its cases' foretold survival. Censored cases leave a curve as Kaplan and Meier have it;
    a curve ends where nobody of its third is followed any longer.

    Args:
        predictions: The run's; nothing is drawn for other questions, and for fewer than 15 followed test cases.
    """
    if predictions.question.task != "survival":
        return []
    table = predictions.role("test").table
    if not {"truth_time", "truth_event", "answer"} <= set(table):
        return []
    table = table[table[["truth_time", "truth_event", "answer"]].notna().all(axis=1)]
    if len(table) < _LEAST * len(_THIRDS):
        return []
    time, event, risk = (table[name].to_numpy(dtype=float) for name in ("truth_time", "truth_event", "answer"))
    third = np.argsort(np.argsort(risk, kind="stable"), kind="stable") * len(_THIRDS) // len(risk)
    curves = [name for name in predictions.question.curve_columns if name in table]
    times = [float(name.partition("_")[2]) for name in curves]
    unit = f" ({predictions.question.unit})" if predictions.question.unit else ""
    # The last few followed longest would squeeze everybody else into a corner.
    last = max(float(np.quantile(time, 0.95)), *times) if times else float(np.quantile(time, 0.95))
    chart = Chart((0, last), (0, 1), f"time{unit}", "share without the event", "Survival by thirds of risk", height=380)
    for series, named in enumerate(_THIRDS):
        mine = third == series
        across, up = _steps(time[mine], event[mine] == 1, last)
        chart.line(across, up, series=series, name=named)
        for column, at in zip(curves, times, strict=True):
            foretold = float(table[column].to_numpy(dtype=float)[mine].mean())
            if np.isfinite(foretold):
                chart.point(at, foretold, f"{named}: foretold at {at:g} {number(foretold)}", series=series)
    dots = " Dots: what the model foretold for them, on average." if curves else ""
    caption = f"Lines: what happened (Kaplan-Meier) to the test cases, in thirds by the model's risk.{dots}"
    return [Plot("Survival by risk", chart.render(), caption)]


def _steps(time: np.ndarray, event: np.ndarray, last: float) -> tuple[list[float], list[float]]:
    """The corners of a Kaplan-Meier curve until its last follow-up."""
    curve = kaplan_meier(time, event)
    across, up = [0.0], [1.0]
    for at, value in zip(curve.time, curve.value, strict=True):
        if at > last:
            break
        across += [float(at), float(at)]
        up += [up[-1], float(value)]
    end = min(last, float(time.max()))
    return [*across, end], [*up, up[-1]]
