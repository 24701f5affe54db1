"""Charts of a dot for each case: foretold by real quality, and Bland and Altman's differences with their limits."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from preceptor.core.evidence import Finding
from preceptor.prove.report.plots import MOST_DOTS, Plot, curves_of, said
from preceptor.prove.report.svg import Chart, padded
from preceptor.prove.report.wording import number, words


def cloud_plots(name: str, finding: Finding) -> list[Plot]:
    """Every cloud that a finding or one of its parts brings.

    Args:
        name: The finding's, for headings.
        finding: With the curves ``agreement`` or ``differences``.
    """
    plots = []
    owners = {"all": finding} | {words(part): each for part, each in finding.parts.items()}
    for kind, label, curve in curves_of(finding):
        title = name if label == "all" else f"{name}: {label}"
        if kind == "agreement":
            plots.append(_agreement(title, curve))
        elif kind == "differences" and {"lower_limit", "upper_limit"} <= set(owners[label].parts):
            plots.append(_differences(title, curve, owners[label]))
    return [each for each in plots if each is not None]


def _agreement(title: str, curve: Mapping[str, list]) -> Plot | None:
    """What was foretold without the truth, by what came true."""
    across, up = list(curve)[:2]
    xs, ys = _thinned(curve[across], curve[up])
    if not len(xs):
        return None
    ends = padded(float(min(xs.min(), ys.min())), float(max(xs.max(), ys.max())))
    low, high = max(ends[0], 0.0), min(ends[1], 1.0)
    chart = Chart(
        (low, high),
        (low, high),
        f"{words(across)} Dice",
        f"{words(up)} Dice",
        f"{title}: {words(up)} by {words(across)}",
        height=400,
    )
    chart.reference(low, low, high, high)
    for x, y in zip(xs, ys, strict=True):
        chart.point(x, y, f"{words(across)} {number(float(x))}, {words(up)} {number(float(y))}", radius=3.8)
    caption = f"Each dot is a case{_left(curve[across])}. On the dashed line what was foretold came true."
    return Plot(f"{title}, {words(up)} by {words(across)}", chart.render(), caption)


def _differences(title: str, curve: Mapping[str, list], finding: Finding) -> Plot | None:
    """Answer minus truth by their mean, with the bias, the limits of agreement, and the interval of each."""
    across, up = list(curve)[:2]
    xs, ys = _thinned(curve[across], curve[up])
    if len(xs) < 3:
        return None
    lines = {name: finding.parts[name] for name in ("upper_limit", "bias", "lower_limit")}
    unit = f" ({finding.unit})" if finding.unit else ""
    # The ends of the limits' intervals belong to the picture: few cases leave them wide.
    ends = [end for each in lines.values() for end in (each.value, *(each.interval or ()))]
    x = padded(float(xs.min()), float(xs.max()))
    y = padded(min(float(ys.min()), *ends), max(float(ys.max()), *ends))
    alt = f"{title}: differences by means; " + "; ".join(f"{words(each)} {said(lines[each])}" for each in lines)
    chart = Chart(x, y, f"mean of answer and truth{unit}", f"answer minus truth{unit}", alt, height=340)
    for name, line in lines.items():
        if line.interval is not None:
            chart.band(x, [line.interval[0]] * 2, [line.interval[1]] * 2, series=0 if name == "bias" else 1)
        chart.line(x, [line.value] * 2, series=0 if name == "bias" else 1, tell=False)
    chart.reference(x[0], 0, x[1], 0)
    for at, value in zip(xs, ys, strict=True):
        chart.point(at, value, f"mean {number(float(at))}, difference {number(float(value))}", series=6, radius=3.4)
    chart.legend("bias", 0)
    chart.legend("limits of agreement", 1)
    caption = (
        f"Each dot is a case{_left(curve[across])}. Bias {said(lines['bias'])}; 95 % of differences are expected "
        f"between {said(lines['lower_limit'])} and {said(lines['upper_limit'])}. Bands: {finding.level:.0%} intervals."
    )
    return Plot(f"{title}, Bland and Altman", chart.render(), caption.replace("% intervals", " % intervals"))


def _thinned(xs: list, ys: list) -> tuple[np.ndarray, np.ndarray]:
    """At most so many dots, the largest and smallest differences among them."""
    first, second = np.array(xs, dtype=float), np.array(ys, dtype=float)
    if len(first) > MOST_DOTS:
        order = np.argsort(second, kind="stable")
        chosen = order[np.linspace(0, len(order) - 1, MOST_DOTS).round().astype(int)]
        first, second = first[chosen], second[chosen]
    return first, second


def _left(values: list) -> str:
    return f"; {MOST_DOTS} of {len(values)} are drawn" if len(values) > MOST_DOTS else ""
