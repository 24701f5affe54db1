"""A chart as inline SVG: axes with ticks and units, lines, bands, points that tell their value when touched."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup, escape

from preceptor.prove.report.wording import number

#: Okabe & Ito's colours, told apart by every kind of colour vision, darkest first for lines on white; each series
#: has its own dash too, so a copy in grey can be read.
#: Source: Okabe & Ito 2008, "Color Universal Design".
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("", "7 4", "2 3", "9 3 2 3", "12 4", "4 2", "1 2")

_RIGHT, _TOP, _BOTTOM = 14, 12, 48
_CHARACTER = 7.1  # pixels that a character of the chart's text takes, on average


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers that cover a range: steps of 1, 2, 2.5 or 5 times a power of ten."""
    span = high - low
    if not math.isfinite(span) or span <= 0:
        return [low]
    rough = span / about
    power = 10 ** math.floor(math.log10(rough))
    step = next(each * power for each in (1, 2, 2.5, 5, 10) if each * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def tick_label(value: float) -> str:
    return f"{value:.10g}".replace("-", "−")


@dataclass
class Chart:
    """One chart. Coordinates are data's; `render` returns the SVG.

    Args:
        x, y: ``(low, high)`` of the axes.
        x_label, y_label: Names with units.
        alt: What the chart shows, for those who cannot see it.
        height: Of the viewBox; its width is 460.
        x_ticks, y_ticks: ``(value, text)``; made where None.
        left: Room for the tick labels; made where 0.
    """

    x: tuple[float, float]
    y: tuple[float, float]
    x_label: str
    y_label: str
    alt: str
    height: int = 320
    width: int = 460
    x_ticks: Sequence[tuple[float, str]] | None = None
    y_ticks: Sequence[tuple[float, str]] | None = None
    left: int = 0
    _marks: list[str] = field(default_factory=list)
    _legend: list[tuple[str, str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.y_ticks is None:
            self.y_ticks = [(value, tick_label(value)) for value in ticks(*self.y)]
        longest = max((len(words) for _, words in self.y_ticks), default=0)
        self.left = self.left or int((30 if self.y_label else 10) + 8.4 * longest)

    def across(self, value: float) -> float:
        """Data to pixel along x."""
        low, high = self.x
        return self.left + (value - low) / ((high - low) or 1) * (self.width - self.left - _RIGHT)

    def up(self, value: float) -> float:
        """Data to pixel along y."""
        low, high = self.y
        return self.height - _BOTTOM - (value - low) / ((high - low) or 1) * (self.height - _BOTTOM - _TOP)

    def line(
        self,
        xs: Sequence[float],
        ys: Sequence[float],
        *,
        series: int = 0,
        name: str = "",
        width: float = 2.2,
        faint: bool = False,
        tell: bool = True,
    ) -> None:
        """A line with gaps where a value is undefined; a `name` enters the legend."""
        colour, dash = _style(series)
        pieces: list[list[str]] = [[]]
        for x, y in zip(xs, ys, strict=True):
            if _drawable(x, y):
                pieces[-1].append(f"{self.across(x):.1f},{self.up(y):.1f}")
            else:
                pieces.append([])
        opacity = ' opacity="0.35"' if faint else ""
        for piece in pieces:
            if len(piece) > 1:
                self._marks.append(
                    f'<polyline points="{" ".join(piece)}" fill="none" stroke="{colour}" stroke-width="{width}" '
                    f'stroke-dasharray="{dash}" stroke-linejoin="round"{opacity}/>'
                )
            elif piece:
                across, down = piece[0].split(",")
                self._marks.append(f'<circle cx="{across}" cy="{down}" r="3" fill="{colour}"{opacity}/>')
        if tell:
            for x, y in _thinned(list(zip(xs, ys, strict=True)), 60):
                if _drawable(x, y):
                    start = f"{name}: " if name else ""
                    self.touch(x, y, f"{start}{self._short(self.x_label)} {number(x)}, {number(y)}")
        if name:
            self.legend(name, series)

    def band(self, xs: Sequence[float], lower: Sequence[float], upper: Sequence[float], *, series: int = 0) -> None:
        """The area between two curves."""
        known = [(x, low, up) for x, low, up in zip(xs, lower, upper, strict=True) if _drawable(x, low, up)]
        if len(known) < 2:
            return
        there = [f"{self.across(x):.1f},{self.up(up):.1f}" for x, _, up in known]
        back = [f"{self.across(x):.1f},{self.up(low):.1f}" for x, low, _ in reversed(known)]
        self._marks.append(f'<polygon points="{" ".join(there + back)}" fill="{_style(series)[0]}" opacity="0.18"/>')

    def whisker(self, x: float, lower: float, upper: float, *, series: int = 0, width: float = 1.8) -> None:
        """An upright interval, cut at the ends of the axis."""
        if _drawable(x, lower, upper):
            lower, upper = max(lower, self.y[0]), min(upper, self.y[1])
            self._segment(x, lower, x, upper, _style(series)[0], width)

    def interval(self, y: float, lower: float, upper: float, *, series: int = 0) -> None:
        """A level interval."""
        if _drawable(y, lower, upper):
            self._segment(lower, y, upper, y, _style(series)[0], 2.4)

    def point(
        self, x: float, y: float, tip: str, *, series: int = 0, radius: float = 4.5, hollow: bool = False
    ) -> None:
        """A dot that tells `tip` when touched."""
        if not _drawable(x, y):
            return
        colour = _style(series)[0]
        fill = f'fill="#fff" stroke="{colour}" stroke-width="1.6"' if hollow else f'fill="{colour}" fill-opacity="0.75"'
        self._marks.append(
            f'<circle cx="{self.across(x):.1f}" cy="{self.up(y):.1f}" r="{radius}" {fill} data-tip="{escape(tip)}"/>'
        )

    def reference(self, x0: float, y0: float, x1: float, y1: float) -> None:
        """A thin grey line to compare with."""
        self._marks.insert(0, self._segment_text(x0, y0, x1, y1, "#767676", 1.2, "4 4"))

    def text(self, x: float, y: float, words: str, *, anchor: str = "start") -> None:
        self._marks.append(
            f'<text x="{self.across(x):.1f}" y="{self.up(y) + 4:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
        )

    def touch(self, x: float, y: float, tip: str) -> None:
        """An invisible dot that tells `tip` when touched."""
        at = f'cx="{self.across(x):.1f}" cy="{self.up(y):.1f}"'
        self._marks.append(f'<circle {at} r="7" fill="transparent" data-tip="{escape(tip)}"/>')

    def legend(self, name: str, series: int) -> None:
        """Name a series above the axes."""
        self._legend.append((name, *_style(series)))

    def render(self) -> Markup:
        """The SVG element."""
        legend, room = self._render_legend()
        body = "".join([*self._render_axes(), *self._marks])
        shifted = f'<g transform="translate(0 {room})">{body}</g>'
        return Markup(
            f'<svg viewBox="0 0 {self.width} {self.height + room}" role="img" aria-label="{escape(self.alt)}" '
            f'class="chart">{legend}{shifted}</svg>'
        )

    # ---------------------------------------------------------------- parts

    def _render_axes(self) -> list[str]:
        right, bottom = self.width - _RIGHT, self.height - _BOTTOM
        x_ticks = self.x_ticks if self.x_ticks is not None else [(v, tick_label(v)) for v in ticks(*self.x)]
        parts = []
        for value, words in self.y_ticks or ():
            at = self.up(value)
            parts.append(f'<line x1="{self.left}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}" class="grid"/>')
            parts.append(f'<text x="{self.left - 7}" y="{at + 4:.1f}" text-anchor="end">{escape(words)}</text>')
        for value, words in x_ticks:
            at = self.across(value)
            parts.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{_TOP}" y2="{bottom}" class="grid"/>')
            parts.append(f'<text x="{at:.1f}" y="{bottom + 17}" text-anchor="middle">{escape(words)}</text>')
        parts.append(f'<path d="M{self.left} {_TOP}V{bottom}H{right}" class="axis"/>')
        middle = (self.left + right) / 2
        start = f'<text x="{middle:.1f}" y="{self.height - 8}" class="name" text-anchor="middle">'
        parts.append(f"{start}{escape(self.x_label)}</text>")
        if self.y_label:
            along = (_TOP + bottom) / 2
            parts.append(
                f'<text transform="translate(14 {along:.1f}) rotate(-90)" class="name" text-anchor="middle">'
                f"{escape(self.y_label)}</text>"
            )
        return parts

    def _render_legend(self) -> tuple[str, int]:
        """Above the axes, so that it never lies on the data; wrapped by an estimate of the text's width."""
        if not self._legend:
            return "", 0
        parts, x, y = [], self.left, 13
        for name, colour, dash in self._legend:
            wide = 34 + _CHARACTER * len(name) + 16
            if x > self.left and x + wide > self.width:
                x, y = self.left, y + 19
            parts.append(
                f'<line x1="{x}" x2="{x + 26}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="2.6" '
                f'stroke-dasharray="{dash}"/><text x="{x + 32}" y="{y + 4}">{escape(name)}</text>'
            )
            x += int(wide)
        return "".join(parts), y + 8

    def _segment(self, x0: float, y0: float, x1: float, y1: float, colour: str, width: float) -> None:
        self._marks.append(self._segment_text(x0, y0, x1, y1, colour, width))

    def _segment_text(
        self, x0: float, y0: float, x1: float, y1: float, colour: str, width: float, dash: str = ""
    ) -> str:
        ends = f'x1="{self.across(x0):.1f}" y1="{self.up(y0):.1f}" x2="{self.across(x1):.1f}" y2="{self.up(y1):.1f}"'
        return f'<line {ends} stroke="{colour}" stroke-width="{width}" stroke-dasharray="{dash}"/>'

    @staticmethod
    def _short(label: str) -> str:
        return label.partition(" (")[0].lower()


def padded(low: float, high: float, share: float = 0.06) -> tuple[float, float]:
    """A range with some air; a range of no width gets one."""
    if high <= low:
        return low - 0.5 * (abs(low) or 1), high + 0.5 * (abs(high) or 1)
    air = (high - low) * share
    return low - air, high + air


def _style(series: int) -> tuple[str, str]:
    return COLOURS[series % len(COLOURS)], DASHES[series % len(DASHES)]


def _drawable(*values: float | None) -> bool:
    return all(value is not None and math.isfinite(value) for value in values)


def _thinned(points: list[tuple[float, float]], most: int) -> list[tuple[float, float]]:
    step = max(1, math.ceil(len(points) / most))
    return points[::step]
