"""Where a line of text goes on beyond what a detector saw of it: machines write all of a line in one grey value."""

from __future__ import annotations

import numpy as np

#: A detector's box is about 1.6 times as high as its letters. Shares of the box's height, from its middle: rows that cross
#: the letters, and rows beside them.
_LETTERS, _BESIDE_FROM, _BESIDE_TO = 0.3, 0.6, 1.1

#: How far a line is followed at either end, and at what steps, as shares of the box's height: a step is about a letter.
_FARTHEST, _STEP = 3.0, 0.6

#: Grey values are told apart in steps of 256 / 32; the letters' own and its two neighbours count.
_BINS = 32

#: The widest stroke along the line, as a share of the box's height; anatomy of one grey value is wider.
_WIDEST = 0.35

#: Strokes in the letters' grey value must fill so much more of the box than of what lies beside it, and of a step half of that.
_LEAST_EXCESS = 0.06


def continued(corners: np.ndarray, grey: np.ndarray) -> np.ndarray:
    """Lengthen a box along its line, as long as the letters' own grey value goes on.

    Detectors see a line in part where it runs over anatomy that looks like letters. What tells letters there is that all of
    a line has the grey value it was written in, and what lies above and below it has not.

    Args:
        corners: ``(4, 2)`` column and row, in turn round the box.
        grey: ``(row, column)`` uint8.

    Returns:
        Corners in the same order, the ends moved outward or where they were.

    Source: own.
    """
    across, down = corners[1] - corners[0], corners[3] - corners[0]
    if np.hypot(*across) < np.hypot(*down):  # the line runs along the second side
        turned = continued(np.roll(corners, -1, axis=0), grey)
        return np.roll(turned, 1, axis=0)
    long, high = float(np.hypot(*across)), float(np.hypot(*down))
    if high < 1:
        return corners
    along, aside = across / long, down / high
    middle = (corners[0] + corners[3]) / 2
    reach = _FARTHEST * high
    places = np.arange(-reach, long + reach + 1)
    offsets = np.arange(-_BESIDE_TO * high, _BESIDE_TO * high + 1)
    columns, rows = (middle[axis] + places * along[axis] + offsets[:, None] * aside[axis] for axis in (0, 1))
    columns, rows = np.rint(columns).astype(int), np.rint(rows).astype(int)
    inside = (columns >= 0) & (rows >= 0) & (columns < grey.shape[1]) & (rows < grey.shape[0])
    shown = grey[np.where(inside, rows, 0), np.where(inside, columns, 0)].astype(int)
    bins = np.where(inside, shown // (256 // _BINS), -1)
    crossing = np.abs(offsets) <= _LETTERS * high
    above, below = offsets <= -_BESIDE_FROM * high, offsets >= _BESIDE_FROM * high
    within = (places >= 0) & (places <= long)
    plain = _shares(bins[crossing][:, within]) - np.maximum(
        *(_shares(bins[side][:, within]) for side in (above, below))
    )
    strokes = _strokes(np.abs(bins - int(plain.argmax())) <= 1, _WIDEST * high)

    def surplus(window: np.ndarray) -> float:
        """How much more of the line than of either side of it are strokes in the letters' grey value."""
        share = [
            (strokes & inside)[rows][:, window].sum() / max(inside[rows][:, window].sum(), 1)
            for rows in (crossing, above, below)
        ]
        return float(share[0] - max(share[1:]))

    excess = surplus(within)
    if excess < _LEAST_EXCESS:
        return corners

    def end(start: float, direction: int) -> float:
        """How far the line goes on from one end."""
        reached, step = 0.0, _STEP * high
        for number in range(1, int(_FARTHEST / _STEP) + 1):
            ends = sorted((start + direction * (number - 1) * step, start + direction * number * step))
            window = (places >= ends[0]) & (places < ends[1])
            if surplus(window) >= excess / 2:
                reached = number * step
            elif reached < (number - 1) * step:  # two steps without a letter: more than a space between words
                break
        return reached

    left, right = end(0.0, -1) * along, end(long, 1) * along
    return corners + np.stack([-left, right, right, -left])


def _shares(bins: np.ndarray) -> np.ndarray:
    """Of each grey value and its two neighbours among those pixels that lie in the picture; zeros where none does."""
    counts = np.bincount(bins[bins >= 0].ravel(), minlength=_BINS).astype(float)
    return np.convolve(counts, np.ones(3), "same") / max(counts.sum(), 1)


def _strokes(written: np.ndarray, widest: float) -> np.ndarray:
    """Those pixels of rows that belong to a run of no more than `widest`."""
    edges = np.diff(np.pad(written, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(edges == 1)
    _, ends = np.nonzero(edges == -1)
    thin = ends - starts <= widest
    steps = np.zeros((written.shape[0], written.shape[1] + 1), np.int8)
    steps[rows[thin], starts[thin]] = 1
    steps[rows[thin], ends[thin]] = -1
    return steps.cumsum(axis=1)[:, :-1] > 0
