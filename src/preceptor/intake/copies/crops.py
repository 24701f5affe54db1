"""One picture cut out of another: up to a tenth of a side taken away at each edge.

A cut moves everything, so thumbnails of a picture and of its crop need not correlate (2 % off one side: 0.88). Each
picture is therefore cut in 256 ways (0, 3, 6.5 or 10 % off each side), and the cuts are compared in coarse; where one comes
close, the four sides are moved until the likeness is greatest, and judged as any copy is: the thumbnails must correlate
beyond 0.98, and their fine detail beyond 0.9.

On 289 chest X-rays crops of 2, 5 and 10 % reach at least 0.998 and 0.974, different people at most 0.976 and 0.69.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping, Sequence
from itertools import product

import numpy as np

from preceptor.core.image import Image

from .duplicates import SAME_DETAIL, SAME_PICTURE, Pair, fine_detail, shrink, unit_rows

#: Side of the thumbnails that are cut.
WIDE = 64

_COARSE = 16
_FINE = 32

#: What is taken off a side at first.
_OFF = (0.0, 0.03, 0.065, 0.1)

#: Least coarse correlation that is looked at closely. Of different chest X-rays one pair in 900 comes so close.
_CLOSE = 0.93

#: The sides of a cut move alone, and both together along an axis.
_MOVES = ((1, 0, 0, 0), (0, 1, 0, 0), (1, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1), (0, 0, 1, 1))

#: What is less alike than this once the sides lie within two hundredths is another picture.
_HOPELESS = 0.96

#: A cut smaller than this share of a side is the rounding of a resize.
_SMALLEST_CUT = 0.004

_ROWS_AT_ONCE = 128


def pack_wide(image: Image) -> str | None:
    """A flat image in small, as text: averages over 64 x 64 equal boxes, 8 bits each. None for volumes.

    Args:
        image: Channels are averaged, of a sequence the first frame is taken.
    """
    array = image.array[:, 0] if image.has_time else image.array
    if array.ndim != 3:
        return None
    small = shrink(array.mean(axis=0, dtype=np.float32) if array.shape[0] > 1 else array[0], WIDE)
    low, high = float(small.min()), float(small.max())
    if not high > low:
        return None
    return base64.b64encode(np.rint((small - low) * (255 / (high - low))).astype(np.uint8).tobytes()).decode("ascii")


def unpack_wide(text: str) -> np.ndarray:
    """``(64, 64)`` float32."""
    return np.frombuffer(base64.b64decode(text), np.uint8).astype(np.float32).reshape(WIDE, WIDE)


def find_crops(
    pictures: Mapping[tuple[str, str], np.ndarray],
    known: Collection[frozenset[tuple[str, str]]] = (),
    same_picture: float = SAME_PICTURE,
    same_detail: float = SAME_DETAIL,
) -> list[Pair]:
    """Every two pictures of which one is cut out of the other.

    Args:
        pictures: ``{(case key, view): (64, 64)}``.
        known: Pairs that are known to be one picture and need not be compared.
        same_picture: Smallest correlation of the cut and the other picture, averaged over 32 x 32 boxes.
        same_detail: Smallest correlation of their fine detail.
    """
    names = list(pictures)
    if len(names) < 2:
        return []
    stack = np.stack([pictures[name] for name in names])
    found: dict[frozenset[tuple[str, str]], Pair] = {}
    for one, other, sides in _candidates(stack):
        pair = frozenset((names[one], names[other]))
        if pair in known or pair in found:
            continue
        alike, detail, cut = _closest(stack[one], stack[other], sides)
        if alike > same_picture and detail > same_detail and _taken(cut) > _SMALLEST_CUT:
            (first, first_view), (second, second_view) = names[min(one, other)], names[max(one, other)]
            form = f"cropped by {_taken(cut):.0%} of a side"
            found[pair] = Pair(first, second, first_view, second_view, round(alike, 4), form)
    place = {name: index for index, name in enumerate(names)}
    return sorted(found.values(), key=lambda p: (place[p.first, p.first_view], place[p.second, p.second_view]))


def _candidates(stack: np.ndarray) -> list[tuple[int, int, tuple[float, ...]]]:
    """``(whole picture, its crop, sides of the cut)`` of the pairs that come close, the nearest first."""
    whole = unit_rows(_cut(stack, (0, 1, 0, 1), _COARSE))
    ranges = list(product(_OFF, [1 - off for off in _OFF]))
    averages = np.concatenate([_averages(low, high, _COARSE) for low, high in ranges])
    close: list[tuple[float, int, int, tuple[float, ...]]] = []
    for start in range(0, len(stack), _ROWS_AT_ONCE):
        rows = stack[start : start + _ROWS_AT_ONCE]
        # Every cut at once: a block of 16 x 16 for each range along the first axis and each along the second.
        cuts = np.tensordot(np.tensordot(rows, averages, axes=(1, 1)), averages, axes=(1, 1))
        cuts = cuts.reshape(len(rows), len(ranges), _COARSE, len(ranges), _COARSE)
        best = np.full((len(rows), len(stack)), _CLOSE, np.float32)
        chosen = np.full(best.shape, -1, np.int16)
        for first, second in product(range(len(ranges)), repeat=2):
            alike = unit_rows(cuts[:, first, :, second]) @ whole.T
            better = alike > best
            best[better], chosen[better] = alike[better], first * len(ranges) + second
        for row, column in zip(*np.nonzero(chosen >= 0), strict=True):
            if start + row != column:
                first, second = divmod(int(chosen[row, column]), len(ranges))
                close.append(
                    (float(best[row, column]), start + int(row), int(column), (*ranges[first], *ranges[second]))
                )
    return [(one, other, sides) for _, one, other, sides in sorted(close, reverse=True)]


def _closest(whole: np.ndarray, crop: np.ndarray, sides: Sequence[float]) -> tuple[float, float, np.ndarray]:
    """Correlations (coarse, fine) of the crop and of the cut that is most like it, and that cut's sides."""
    shown = _cut(crop[None], (0, 1, 0, 1), _FINE)
    wanted = unit_rows(shown)[0]

    def likeness(cut: Sequence[float] | np.ndarray) -> float:
        return float(unit_rows(_cut(whole[None], cut, _FINE))[0] @ wanted)

    best, step = np.asarray(sides, dtype=float), 0.02
    alike = likeness(best)
    while step > 0.0008:
        moved = False
        for move, sign in product(np.array(_MOVES, dtype=float), (1, -1)):
            tried = np.clip(best + sign * step * move, 0, 1)
            value = likeness(tried)
            if value > alike + 1e-6:
                best, alike, moved = tried, value, True
        if not moved:
            step /= 2
            if alike < _HOPELESS:
                break
    fine = (
        unit_rows(fine_detail(_cut(whole[None], best, _FINE)[:, None]))[0] @ unit_rows(fine_detail(shown[:, None]))[0]
    )
    return alike, float(fine), best


def _taken(sides: np.ndarray) -> float:
    return float(max(sides[0], 1 - sides[1], sides[2], 1 - sides[3]))


def _cut(stack: np.ndarray, sides: Sequence[float] | np.ndarray, size: int) -> np.ndarray:
    """``(picture, size, size)`` box averages of the part between `sides`, given as shares of each axis."""
    return np.asarray(_averages(sides[0], sides[1], size) @ stack @ _averages(sides[2], sides[3], size).T)


def _averages(low: float, high: float, size: int) -> np.ndarray:
    """``(size, 64)`` weights of the average over each box; a box may hold parts of pixels."""
    edges = np.linspace(low * WIDE, max(high, low + 0.5) * WIDE, size + 1)
    pixel = np.arange(WIDE)
    overlap = np.clip(np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel), 0, None)
    return np.asarray(overlap / np.maximum(overlap.sum(axis=1, keepdims=True), 1e-12), dtype=np.float32)
